"""check --fix: what is mended is beyond doubt, and everything else keeps its bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import tasks
from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.prepare.check import CheckOptions
from labeltune.prepare.check.fix import DUPLICATE, EMPTY, EMPTY_LINE, SPACE, Fixed, copy_options, fix
from labeltune.task import Task, parse_task

EMOTION_CSV = (
    "\ufeffid;text;labels\r\n"
    '1;"One; ""quoted""\r\ntext";joy|anger\r\n'
    '2;"One; ""quoted""\r\ntext";anger|joy\r\n'  # the same record
    "3;One;joy\r\n"
    "4;One;anger\r\n"  # other labels: not for us to decide
    '"5";" spaced ";joy | anger\r\n'
    "6;   ;joy\r\n"
    "7;spaced;joy|anger\r\n"  # becomes the record of line 8
    "8;unlabelled;hapiness"
)

DEFAULTS = CheckOptions()


def mended(
    folder: Path, content: str | bytes, name: str, task: Task | None, options: CheckOptions = DEFAULTS
) -> tuple[bytes, Fixed]:
    source, output = folder / name, folder / f"out-{name}"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    fixed = fix(source, str(output), task, options)
    return output.read_bytes(), fixed


def test_a_table(tmp_path: Path) -> None:
    content, fixed = mended(tmp_path, EMOTION_CSV, "data.csv", tasks.EMOTION)
    assert content.decode() == (
        "\ufeffid;text;labels\r\n"
        '1;"One; ""quoted""\r\ntext";joy|anger\r\n'
        "3;One;joy\r\n"
        "4;One;anger\r\n"
        "5;spaced;joy|anger\r\n"
        "8;unlabelled;hapiness"
    )
    assert fixed.mends == {DUPLICATE: 2, SPACE: 1, EMPTY: 1}
    assert fixed.lines == {DUPLICATE: [4, 10], SPACE: [8], EMPTY: [9]}
    assert (fixed.rows, fixed.written) == (8, 5)


@pytest.mark.parametrize("encoding", ["utf-16-le", "cp1252"])
def test_other_encodings(encoding: str, tmp_path: Path) -> None:
    text = "text,label\ncafé ,lost card\nnaïf,lost card\nnaïf,lost card\n"
    marked = "\ufeff" + text if encoding == "utf-16-le" else text
    options = CheckOptions(read=ReadOptions(encoding=None if encoding == "utf-16-le" else encoding))
    content, _ = mended(tmp_path, marked.encode(encoding), "data.csv", tasks.INTENT, options)
    assert content.decode(encoding).removeprefix("\ufeff") == "text,label\ncafé,lost card\nnaïf,lost card\n"


def test_json_lines_keep_all_that_is_not_mended(tmp_path: Path) -> None:
    rows = '{"n":1.0,"text": "a\\u00e9 ", "label":"lost card"}\n{"n": 1e5 , "text":"b","label":"lost card"}\n'
    content, fixed = mended(tmp_path, rows, "data.jsonl", tasks.INTENT)
    assert content.decode() == rows.replace("a\\u00e9 ", "a\\u00e9")
    assert fixed.mends == {SPACE: 1}


def test_gzip_stays_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"text,label\na,lost card\na,lost card\n")
    content, _ = mended(tmp_path, packed, "data.csv.gz", tasks.INTENT)
    assert gzip.decompress(content) == b"text,label\na,lost card\n"


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"n": [1, 2, 3], "text": ["a", "a", ""], "label": ["lost card"] * 3})
    parquet.write_table(table, tmp_path / "data.parquet")
    fixed = fix(tmp_path / "data.parquet", str(tmp_path / "out.parquet"), tasks.INTENT, CheckOptions())
    assert parquet.read_table(tmp_path / "out.parquet").to_pydict() == {
        "n": [1],
        "text": ["a"],
        "label": ["lost card"],
    }
    assert (fixed.rows, fixed.written) == (3, 1)


def test_excel_becomes_a_table_of_text(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a ", "lost card"], ["a", "lost card"], ["b", "lost card"]):
        book.active.append(row)
    book.save(tmp_path / "data.xlsx")
    fix(tmp_path / "data.xlsx", str(tmp_path / "out.csv"), tasks.INTENT, CheckOptions())
    with open_table(tmp_path / "out.csv") as table:
        assert [values for _, values in table] == [["a", "lost card"], ["b", "lost card"]]


def record(text: str, answer: str, system: str = "Name the intent.") -> str:
    contents = (("system", system), ("user", text), ("assistant", answer))
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in contents]})


def test_a_chat_file(tmp_path: Path) -> None:
    same = '{"messages":[{"content": "Name the intent.","role":"system"},{"role":"user","content":"é"},{"role":"assistant","content":"lost card"}]}'
    lines = [
        record("é", "lost card"),
        same,  # in other words
        "",
        record(" é", "lost card"),  # once mended
        record("two\n", " lost card"),
        record(" ", "lost card"),
        record("three", " lost crad "),  # what is meant is not for us to say
        record("four", "Lost card"),
        '{"messages": []}',
        record("five", "lost card"),
    ]
    content, fixed = mended(tmp_path, "\n".join(lines), "data.jsonl", tasks.INTENT)
    assert content.decode().split("\n") == [lines[0], record("two", "lost card"), *lines[6:]]
    assert fixed.mends == {DUPLICATE: 2, EMPTY_LINE: 1, SPACE: 1, EMPTY: 1}
    assert fixed.lines[DUPLICATE] == [2, 4]


@pytest.mark.parametrize(("content", "name", "task"), [(EMOTION_CSV, "data.csv", tasks.EMOTION)])
def test_what_is_mended_needs_no_mend(content: str, name: str, task: Task, tmp_path: Path) -> None:
    once, _ = mended(tmp_path, content, name, task)
    twice, fixed = mended(tmp_path, once, name, task)
    assert twice == once
    assert fixed.mends == {}


def test_without_a_task_no_space_is_taken_off(tmp_path: Path) -> None:
    lines = [record(" é ", " x"), record(" é ", " x"), record("\t", "x")]
    content, fixed = mended(tmp_path, "\n".join(lines) + "\n", "data.jsonl", None)
    assert content.decode() == lines[0] + "\n"
    assert fixed.mends == {DUPLICATE: 1, EMPTY: 1}


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [("text,label\na,b,c\n", "data.csv", "data.csv:2: expected 2 columns"), (record("a", "b") + "\n{\n", "data.jsonl", "data.jsonl:2: not valid JSON")],
)  # fmt: skip
def test_what_cannot_be_read_is_not_mended(content: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        mended(tmp_path, content, name, tasks.INTENT)
    assert not (tmp_path / f"out-{name}").exists()


def test_outputs_that_make_no_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("text,label\na,lost card\n")
    for path, output, said in (
        ("data.csv", "data.csv", "is the file itself"),
        ("data.csv", "./data.csv", "is the file itself"),
        ("data.csv", "data.jsonl", "expected a name with .csv"),
        ("data.csv", "-", "not standard input or output"),
        ("-", "data.csv", "not standard input or output"),
        ("other.csv", "out.csv", "there is no such file"),
    ):
        with pytest.raises(SettingsError, match=said):
            fix(path, output, tasks.INTENT, CheckOptions())
    with pytest.raises(SettingsError, match="no task file"):
        fix("data.csv", "out.csv", None, CheckOptions())
    assert Path("data.csv").read_text() == "text,label\na,lost card\n"


LISTS = parse_task(
    'version = 1\ntext = ["text"]\n[[field]]\nname = "l"\ntype = "multi"\ncolumn = "l"\ndelimiter = "json"\n'
    'labels = ["a json b", "c"]\n[answer]\nformat = "json"\n'
)


def test_a_label_in_a_column_of_lists_is_not_split(tmp_path: Path) -> None:
    """Of a field of lists `json` is the kind of its cells, and no sign that joins labels."""
    content = 'text,l\none ,a json b\ntwo," c "\nthree,"[""a json b"", ""c""]"\n'
    assert mended(tmp_path, content, "l.csv", LISTS)[0].decode() == (
        'text,l\none,a json b\ntwo,c\nthree,"[""a json b"", ""c""]"\n'
    )


@pytest.mark.parametrize("output", ["out.xlsx", "out.csv"])
@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_the_copy_of_a_sheet_is_checked_as_what_it_is(tmp_path: Path, output: str, header: bool) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    book.active.append(["notes"])
    sheet = book.create_sheet("Data")
    for row in ([["text", "label"]] if header else []) + [[f"a {n} ", "lost card"] for n in range(3)]:
        sheet.append(row)
    book.save(tmp_path / "data.xlsx")
    text = tasks.INTENT_TOML
    if not header:
        text = text.replace('"text"', '"column_1"').replace('"label"', '"column_2"', 1)
    task = parse_task(text)
    options = CheckOptions(read=ReadOptions(sheet="Data", header=header))
    copy = str(tmp_path / output)
    assert fix(tmp_path / "data.xlsx", copy, task, options).written == 3
    with open_table(copy, copy_options(tmp_path / "data.xlsx", copy, options).read, task=task) as table:
        assert [values for _, values in table] == [[f"a {n}", "lost card"] for n in range(3)]
