"""From tables to chat files: the two published formats byte for byte, and every row accounted for."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import labeltune
from labeltune.errors import DataError, DiskError, SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ReadOptions, write_table
from labeltune.prepare.convert import Converted, convert, default_output
from labeltune.task import AnswerFormat, Prompt, Task
from tasks import EMOTION, INQUIRY, INTENT, TOXIC, TOXIC_LABELS
from waiting import HANG_S

TOXIC_CSV = """\
id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate
0001,"You, ""Sir"", are a fool.
Go away!",1,0,0,0,1,0
0002,Thanks for the edit 😀,0,0,0,0,0,0
0003,"  Zażółć {text} \\ / <b>  ",1,1,1,1,1,1
"""
TOXIC_JSONL = (
    '{"messages": [{"role": "system", "content": "John is a linguistic expert"}, {"role": "user", "content": '
    '"Assign labels to this comment from the following labels list. Comment: You, \\"Sir\\", are a fool.\\nGo away!. '
    "labels list: ['toxic', 'severe_toxic', 'obscene', 'threat', 'insult', 'identity_hate']\"}, "
    '{"role": "assistant", "content": "toxic,insult"}]}\n'
    '{"messages": [{"role": "system", "content": "John is a linguistic expert"}, {"role": "user", "content": '
    '"Assign labels to this comment from the following labels list. Comment: Zażółć {text} \\\\ / <b>. '
    "labels list: ['toxic', 'severe_toxic', 'obscene', 'threat', 'insult', 'identity_hate']\"}, "
    '{"role": "assistant", "content": "toxic,severe_toxic,obscene,threat,insult,identity_hate"}]}\n'
).encode()

INQUIRY_CSV = """\
inquiry,category,sub_category
Please cancel my order №7.,Order Management,Cancellation
"Was my ""refund"" sent?\tI wait.",Billing,Refund
"""
INQUIRY_JSONL = (
    '{"messages": [{"role": "system", "content": "Classify the user message into a category and sub-category and '
    'output the result as JSON."}, {"role": "user", "content": "Please cancel my order №7."}, {"role": "assistant", '
    '"content": "{\\"category\\": \\"Order Management\\", \\"sub_category\\": \\"Cancellation\\"}"}]}\n'
    '{"messages": [{"role": "system", "content": "Classify the user message into a category and sub-category and '
    'output the result as JSON."}, {"role": "user", "content": "Was my \\"refund\\" sent?\\tI wait."}, {"role": '
    '"assistant", "content": "{\\"category\\": \\"Billing\\", \\"sub_category\\": \\"Refund\\"}"}]}\n'
).encode()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(content: str | bytes, name: str = "t.csv") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def refused(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        convert(*arguments, **options)
    return str(caught.value).split("\n")


def test_the_multi_label_tutorial_byte_for_byte(here: Path) -> None:
    done = convert(TOXIC, table(TOXIC_CSV))
    assert Path("t.jsonl").read_bytes() == TOXIC_JSONL
    assert (done.rows, done.written, done.left_out) == (3, 2, {"no_label": 1})


def test_the_two_level_tutorial_byte_for_byte(here: Path) -> None:
    done = convert(INQUIRY, table(INQUIRY_CSV))
    assert Path("t.jsonl").read_bytes() == INQUIRY_JSONL
    assert (done.rows, done.written, done.left_out) == (2, 2, {})


def test_what_is_told_about_a_conversion(here: Path) -> None:
    done = convert(INQUIRY, table(INQUIRY_CSV.replace(",", ";")), "out.jsonl")
    assert done == Converted(
        input="t.csv",
        output="out.jsonl",
        rows=2,
        written=2,
        left_out={},
        rejected=None,
        seconds=done.seconds,
        notes=['t.csv: columns are separated by ";"'],
        warnings=[],
    )


@pytest.mark.parametrize(
    ("task", "header", "rows", "answers"),
    [
        (INTENT, ["text", "label"], [["a", "lost card"]], ["lost card"]),
        (
            EMOTION,
            ["id", "text", "labels"],
            [["1", "a", "neutral|joy"], ["2", "b", ""]],
            [
                '{"joy": true, "anger": false, "neutral": true}',
                '{"joy": false, "anger": false, "neutral": false}',
            ],
        ),
        (
            replace(EMOTION, answer=AnswerFormat("list", ", ", "none")),
            ["id", "text", "labels"],
            [["1", "a", "anger|joy"], ["2", "b", ""]],
            ["joy, anger", "none"],
        ),
        (
            replace(EMOTION, answer=AnswerFormat("json")),
            ["labels", "text", "more"],
            [["neutral", "a", "x"], ["", "b", "y"]],
            ['{"emotions": ["neutral"]}', '{"emotions": []}'],
        ),
    ],
    ids=["label", "flags", "list", "json"],
)
def test_answers_of_every_format(
    here: Path, task: Task, header: list[str], rows: list[list[str]], answers: list[str]
) -> None:
    write_table("t.csv", header, rows)
    convert(task, "t.csv")
    records = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    assert [record["messages"][-1]["content"] for record in records] == answers


def test_records_are_what_json_dumps_makes_of_them(here: Path) -> None:
    """The fragments from which lines are put together leave no trace."""
    texts = ["a", "é😀\u2028\x7f\x00".replace("\x00", "\x01"), '"\\/', "{text} {labels} {{", "x\ny\tz"]
    task = replace(
        INTENT,
        text=("title", "text"),
        prompt=Prompt('Mail of "{from}" {{}} é', "{text}|{labels}|{title}|{labels:intent}"),
    )
    write_table(
        "t.csv",
        ["title", "text", "label", "from"],
        [[f" {text} ", text, "lost card", "a\\b"] for text in texts],
    )
    convert(task, "t.csv")
    labels = "['card_arrival', 'Refund_not_showing_up', 'lost card']"
    expected = [
        {
            "messages": [
                {"role": "system", "content": 'Mail of "a\\b" {} é'},
                {"role": "user", "content": f"{text}\n\n{text}|{labels}|{text}|{labels}"},
                {"role": "assistant", "content": "lost card"},
            ]
        }
        for text in texts
    ]
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in expected]
    assert Path("t.jsonl").read_bytes() == "".join(lines).encode()


FORMATS = [
    "csv",
    "tsv",
    "jsonl",
    "parquet",
    "xlsx",
    "csv.gz",
    "jsonl.gz",
    "frame",
    "utf-16",
    "cp1252",
    "source",
]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_rows_give_the_same_bytes_whatever_the_format(here: Path, format: str) -> None:
    header, rows = ("inquiry", "category", "sub_category"), list(csv.reader(io.StringIO(INQUIRY_CSV)))[1:]
    data: Any = f"t.{format}"
    options: dict[str, Any] = {}
    match format:
        case "frame":
            data = pd.DataFrame(rows, columns=list(header))
        case "utf-16":
            data = table(INQUIRY_CSV.encode("utf-16"))
        case "cp1252":
            data, options = (
                table(INQUIRY_CSV.replace("№", "§").encode("cp1252")),
                {"read": ReadOptions(encoding="cp1252")},
            )
        case "source":
            data = ByteSource(table(INQUIRY_CSV))
        case "xlsx":
            pd.DataFrame(rows, columns=list(header)).to_excel(data, index=False)
        case _:
            write_table(data, header, rows)
    convert(INQUIRY, data, "out.jsonl", **options)
    expected = INQUIRY_JSONL.replace("№".encode(), "§".encode()) if format == "cp1252" else INQUIRY_JSONL
    assert Path("out.jsonl").read_bytes() == expected


def test_every_bad_row_is_named_and_nothing_is_written(here: Path) -> None:
    rows = [
        "1,fine,1,0,0,0,0,0",
        "2,  ,1,0,0,0,0,0",
        "3,yes?,yes,0,0,0,0,0",
        "4,empty,,0,0,0,0,0",
        "5,short,1",
        "6,fine,0,0,0,0,0,0",
    ]
    data = table("\n".join([TOXIC_CSV.split("\n", 1)[0], *rows]) + "\n")
    Path("t.jsonl").write_text("old")
    assert refused(TOXIC, data) == [
        "t.csv:3: the text is empty",
        't.csv:4: column "toxic" holds "yes", expected 0 or 1',
        't.csv:5: column "toxic" holds "", expected 0 or 1',
        "t.csv:6: expected 8 columns, found 3",
    ]
    assert {path.name: path.read_text() for path in here.iterdir() if path.name != "t.csv"} == {
        "t.jsonl": "old"
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,refnd,Refund", 'label "refnd" is not in task.toml'),
        ("a,billing,Refund", 'label "billing" is not in task.toml (did you mean "Billing"?)'),
        ("a,Billing ,Refund", 'label "Billing " has space around it; --strip takes it off'),
        ("a,,Refund", 'no label in column "category"'),
        ("a,Billing,Tracking", '"Tracking" does not stand under "Billing" in task.toml'),
        ('"",Billing,Refund', "the text is empty"),
    ],
)
def test_rows_that_are_refused(here: Path, row: str, message: str) -> None:
    found = refused(INQUIRY, table(f"{INQUIRY_CSV}{row}\n"))
    assert len(found) == 1
    assert found[0].startswith(f"t.csv:4: {message}")


def test_space_around_labels_is_taken_off_where_that_is_asked(here: Path) -> None:
    convert(INQUIRY, table(INQUIRY_CSV.replace("Billing", " Billing\t")), read=ReadOptions(strip=True))
    assert Path("t.jsonl").read_bytes() == INQUIRY_JSONL


def test_skipping_keeps_the_bad_rows_with_line_and_reason(here: Path) -> None:
    rows = [
        "ok again,Billing,Refund",
        "x,Nope,Refund",
        "a,b,c,d",
        '"q"r,Billing,Refund',
        "Ünicode \udcff,Billing,Refund",
        "short",
    ]
    content = (INQUIRY_CSV + "\n".join(rows) + "\n").encode(errors="surrogateescape")
    done = convert(INQUIRY, table(content), on_error="skip")
    assert (done.rows, done.written) == (8, 3)
    assert done.left_out == {"unknown_label": 1, "ragged_row": 2, "broken_quotes": 1, "bad_byte": 1}
    assert done.rejected == "t.rejected.csv"
    with Path("t.rejected.csv").open(newline="", errors="surrogateescape") as handle:
        rejected = list(csv.reader(handle, strict=True))
    assert rejected[0] == ["line", "reason", "inquiry", "category", "sub_category"]
    assert [(row[0], row[2:]) for row in rejected[1:]] == [
        ("5", ["x", "Nope", "Refund"]),
        ("6", ["a", "b", "c,d"]),
        ("7", ["", "", ""]),
        ("8", ["Ünicode \udcff", "Billing", "Refund"]),
        ("9", ["short", "", ""]),
    ]
    assert all(row[1] for row in rejected)
    assert len(Path("t.jsonl").read_bytes().splitlines()) == 3


def test_rejected_rows_mended_convert_to_the_rest(here: Path) -> None:
    convert(INQUIRY, table(INQUIRY_CSV + "x,Nope,Refund\n"), on_error="skip")
    mended = Path("t.rejected.csv").read_text().replace("Nope", "Billing")
    done = convert(INQUIRY, table(mended, "t.rejected.csv"), on_error="skip")
    assert (done.written, done.output) == (1, "t.rejected.jsonl")


def test_rejected_json_rows_stand_as_they_are(here: Path) -> None:
    good = json.dumps({"text": "a", "label": "lost card"})
    done = convert(INTENT, table(f'{good}\nbroken, "line"\n', "t.json"), on_error="skip")
    assert done.rejected is not None
    with Path(done.rejected).open(newline="") as handle:
        assert list(csv.reader(handle))[1][2:] == ['broken, "line"', ""]


def test_nothing_to_skip_leaves_an_empty_list_of_rejected_rows(here: Path) -> None:
    table("old", "t.rejected.csv")
    done = convert(INQUIRY, table(INQUIRY_CSV), on_error="skip")
    assert done.rejected is None
    assert Path("t.rejected.csv").read_text() == "line,reason,inquiry,category,sub_category\n"


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_table_of_rows_without_labels_is_no_training_file(here: Path, on_error: Any) -> None:
    row = "1,fine,0,0,0,0,0,0\n"
    data = table(TOXIC_CSV.split("\n", 1)[0] + "\n" + row * 3)
    with pytest.raises(DataError, match=r"t.csv: no row becomes a record \(3 no_label\)") as caught:
        convert(TOXIC, data, on_error=on_error)
    assert "none = " in (caught.value.hint or "")
    assert sorted(path.name for path in here.iterdir()) == ["t.csv"]


def test_where_all_rows_are_bad_each_is_named_all_the_same(here: Path) -> None:
    data = table("inquiry,category,sub_category\n" + "x\n" * 25)
    found = refused(INQUIRY, data, on_error="skip")
    assert found[0] == "t.csv: no row becomes a record (25 ragged_row)"
    assert found[1] == "t.csv:2: expected 3 columns, found 1"
    assert found[-1] == "… and 5 more"
    assert sorted(path.name for path in here.iterdir()) == ["t.csv"]


def test_a_chat_file_is_no_table(here: Path) -> None:
    (here / "chat.jsonl").write_text('{"messages": [{"role": "user", "content": "a"}]}\n')
    with pytest.raises(DataError, match='no column "text"') as caught:
        convert(INTENT, "chat.jsonl", "out.jsonl")
    assert "this is a chat file" in (caught.value.hint or "")


def test_columns_that_the_table_lacks(here: Path) -> None:
    assert refused(INQUIRY, table(INQUIRY_CSV.replace("inquiry", "Inquiry"))) == [
        't.csv:1: no column "inquiry" (did you mean "Inquiry"?), which the task names'
    ]
    assert 'no column "sub_category"' in refused(INQUIRY, table("inquiry,category\na,Billing\n"))[0]


# where the output goes


@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("a/t.csv", "a/t.jsonl"),
        ("t.csv.gz", "t.jsonl"),
        ("T.CSV.GZ", "T.jsonl"),
        ("t", "t.jsonl"),
        ("t.v1.tsv", "t.v1.jsonl"),
        ("-", "-"),
        (Path("t.xlsx"), "t.jsonl"),
    ],
)
def test_the_output_stands_beside_the_table(data: Any, output: str) -> None:
    assert default_output(data) == output


def test_a_frame_has_no_name_for_the_output(here: Path) -> None:
    with pytest.raises(SettingsError, match="a DataFrame has no name"):
        convert(INTENT, pd.DataFrame({"text": ["a"], "label": ["lost card"]}))


@pytest.mark.parametrize(
    "kind", ["the same path", "another spelling", "a link", "a hard link", "bytes at hand", "the default"]
)
def test_the_table_is_never_overwritten(here: Path, kind: str) -> None:
    name = table(json.dumps({"text": "a", "label": "lost card"}) + "\n", "t.jsonl")
    before = Path(name).read_bytes()
    data: Any = name
    output: str | None = name
    match kind:
        case "another spelling":
            output = f"{here}/../{here.name}/{name}"
        case "a link":
            output = "link.jsonl"
            Path(output).symlink_to(name)
        case "a hard link":
            output = "hard.jsonl"
            Path(output).hardlink_to(name)
        case "bytes at hand":
            data = ByteSource(name)
        case "the default":
            output = None
    with pytest.raises(SettingsError, match="an input is never overwritten"):
        convert(INTENT, data, output)
    assert Path(name).read_bytes() == before


def test_nor_is_the_task(here: Path) -> None:
    Path("task.toml").write_text("…")
    with pytest.raises(SettingsError, match=r"task.toml: is read by this command"):
        convert(INQUIRY, table(INQUIRY_CSV), "task.toml")


def test_nor_is_the_table_by_the_rejected_rows(here: Path) -> None:
    with pytest.raises(SettingsError, match="t.rejected.csv: is read by this command"):
        convert(INQUIRY, table(INQUIRY_CSV, "t.rejected.csv"), "t.jsonl", on_error="skip")


def test_a_pipe_is_written_to_not_replaced(here: Path) -> None:
    """So `-o /dev/null`, or a pipe of the shell's, does what it says; nothing of a bad table is sent."""
    os.mkfifo("pipe")
    received: list[bytes] = []
    for content, expected in ((INQUIRY_CSV, INQUIRY_JSONL), (INQUIRY_CSV + "bad\n", b"")):
        reader = threading.Thread(target=lambda: received.append(Path("pipe").read_bytes()), daemon=True)
        reader.start()
        with contextlib.suppress(DataError):
            convert(INQUIRY, table(content), "pipe")
        reader.join(HANG_S)
        assert received.pop() == expected
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    assert sorted(path.name for path in here.iterdir()) == ["pipe", "t.csv"]


def test_an_output_that_cannot_be_written(here: Path) -> None:
    with pytest.raises(DiskError, match="missing/out.jsonl: cannot be written"):
        convert(INQUIRY, table(INQUIRY_CSV), "missing/out.jsonl")


def test_an_unknown_wish(here: Path) -> None:
    with pytest.raises(SettingsError, match="--on-error ignore: expected stop or skip"):
        convert(INQUIRY, table(INQUIRY_CSV), on_error="ignore")  # type: ignore[arg-type]  # that is the point


def test_progress_is_told_in_bytes(here: Path) -> None:
    with gzip.open("t.csv.gz", "wt") as handle:
        handle.write("text,label\n" + "some text,lost card\n" * 40_000)
    told: list[tuple[int, int]] = []
    convert(INTENT, "t.csv.gz", progress=lambda done, total: told.append((done, total)))
    size = Path("t.csv.gz").stat().st_size
    assert len(told) == 2
    assert all(0 < done <= total == size for done, total in told)


def test_tables_of_very_many_label_sets(here: Path) -> None:
    """More sets than are kept at a time are still answered one by one."""
    labels = tuple(f"l{n}" for n in range(17))
    field = replace(TOXIC.fields[0], columns=labels, labels=labels)
    task = replace(TOXIC, text=("t",), id=None, fields=(field,), prompt=Prompt("", "{text}"))
    rows = ([str(n), *f"{n:017b}"] for n in [*range(1, 70_000), 5])
    write_table("t.csv", ("t", *labels), rows)
    convert(task, "t.csv")
    lines = Path("t.jsonl").read_text().splitlines()
    assert lines[-1] == lines[4]
    assert json.loads(lines[-1])["messages"][-1]["content"] == "l14,l16"
    assert TOXIC.fields[0].labels == TOXIC_LABELS


def test_the_reference_explains_every_reason() -> None:
    """The codes by which rows are left out, as the sources spell them."""
    package = Path(labeltune.__file__).parent
    sources = [
        package / "prepare" / "convert.py",
        *(package / "task").glob("*.py"),
        *(package / "files" / "tables").glob("*.py"),
    ]
    pattern = re.compile(r'(?:reject\(\s*|LabelCellError\(\s*|return )"([a-z]+_[a-z]+)"')
    codes = {code for source in sources for code in pattern.findall(source.read_text())}
    assert codes >= {
        "ragged_row",
        "bad_byte",
        "bad_value",
        "bad_json",
        "empty_text",
        "illegal_pair",
        "no_label",
    }
    reference = (package.parents[1] / "docs" / "reference" / "tables.md").read_text()
    assert {code for code in codes if f"`{code}`" not in reference} == set()
