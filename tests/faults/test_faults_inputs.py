"""Inputs and conversions when things go wrong: a test for each row of the table of faults, named after the row."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from labeltune.errors import ConflictError, DataError
from labeltune.files.tables import open_table
from labeltune.prepare.convert import convert
from tasks import INTENT, INTENT_TOML
from waiting import HANG_S, wait_until

if TYPE_CHECKING:
    from typer.testing import Result

LABEL = "lost card"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(INTENT_TOML)
    return tmp_path


def run(data: str, *arguments: str) -> Result:
    """Convert, and look whether a bug came to light."""
    result = CliRunner().invoke(app, ["convert", data, *arguments])
    assert result.exit_code != 1, result.exception
    return result


def table(content: str | bytes, name: str = "t.csv") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def refused(content: str | bytes, *said: str, name: str = "t.csv", code: int = 7) -> Result:
    """Convert a table that is refused; what stood there stays, and nothing is left behind."""
    table(content, name)
    table("old", "out.jsonl")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = run(name, "-o", "out.jsonl")
    assert (result.exit_code, result.stdout) == (code, "")
    for sentence in said:
        assert sentence in result.stderr
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
    return result


def texts(name: str = "out.jsonl") -> list[str]:
    with Path(name).open(newline="\n") as handle:
        return [json.loads(line)["messages"][1]["content"] for line in handle]


def answers(name: str = "out.jsonl") -> list[str]:
    with Path(name).open(newline="\n") as handle:
        return [json.loads(line)["messages"][-1]["content"] for line in handle]


def accepted(content: str | bytes, *arguments: str, name: str = "t.csv") -> Result:
    result = run(table(content, name), "-o", "out.jsonl", *arguments)
    assert result.exit_code == 0, result.stderr
    return result


# 4a, 4d: killed, no room


SMALL_DISK = """\
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from labeltune.__main__ import main
main()
"""
"""No file may become larger than a mebibyte: an error while writing, as a full disk is."""


def start(*arguments: str, stdin: int | None = None, small_disk: bool = False) -> subprocess.Popen[bytes]:
    """The command as a process."""
    return subprocess.Popen(
        [sys.executable, *(["-c", SMALL_DISK] if small_disk else ["-m", "labeltune"]), "convert", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def big_table(rows: int = 600_000) -> str:
    return table("text,label\n" + f"{'a text of some length ' * 5},{LABEL}\n" * rows, "big.csv")


def leftovers() -> list[Path]:
    return [path for path in Path().iterdir() if path.name.startswith(".labeltune-")]


def test_row_01_kill_in_convert() -> None:
    """The old output stands, and the next start sweeps what the killed process had written so far."""
    big_table()
    table("old", "out.jsonl")
    process = start("big.csv", "-o", "out.jsonl", "-q")
    wait_until(lambda: any(path.stat().st_size for path in leftovers()) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert Path("out.jsonl").read_text() == "old"
    assert len(leftovers()) == 1
    accepted(f"text,label\na,{LABEL}\n")
    assert leftovers() == []
    assert texts() == ["a"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_row_12_stopped_in_convert(end: signal.Signals) -> None:
    """A clean stop leaves nothing behind at all."""
    big_table()
    process = start("big.csv", "-o", "out.jsonl", "-q")
    wait_until(lambda: leftovers() or process.poll() is not None)
    process.send_signal(end)
    process.communicate(timeout=HANG_S)
    assert process.returncode == 128 + end
    assert sorted(path.name for path in Path().iterdir()) == ["big.csv", "task.toml"]


@pytest.mark.parametrize("skip", [False, True])
def test_row_53_no_room_for_the_output(skip: bool) -> None:
    big_table(20_000)
    table("old", "out.jsonl")
    more = ["--on-error", "skip"] if skip else []
    process = start("big.csv", "-o", "out.jsonl", *more, small_disk=True)
    stdout, stderr = process.communicate(timeout=HANG_S)
    assert (process.returncode, stdout) == (8, b"")
    assert b"out.jsonl: cannot be written: File too large" in stderr
    assert b"free some space" in stderr
    assert sorted(path.name for path in Path().iterdir()) == ["big.csv", "out.jsonl", "task.toml"]
    assert Path("out.jsonl").read_text() == "old"


def test_row_53_no_room_to_keep_standard_input(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(here))
    with Path(big_table(20_000)).open("rb") as handle:
        process = start("-", "-o", "out.jsonl", stdin=handle.fileno(), small_disk=True)
    _, stderr = process.communicate(timeout=HANG_S)
    assert process.returncode == 8
    assert b"stdin: cannot be kept in" in stderr
    assert b"TMPDIR" in stderr
    assert leftovers() == []


def test_row_60_the_temporary_file_stands_beside_the_output(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that renaming it never crosses file systems; the folder for temporary files is not even looked at."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    Path("deep").mkdir()
    table("text,label\n" + f"a,{LABEL}\n" * 40_000)
    seen: set[Path] = set()

    def look(*_: int) -> None:
        seen.update(path.parent for path in here.rglob(".labeltune-*"))

    convert(INTENT, "t.csv", "deep/out.jsonl", progress=look)
    assert seen == {here / "deep"}


# 4f: inputs


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "text,label\n", "text,label"])
def test_row_70_empty_or_header_only(content: str) -> None:
    refused(content, "t.csv: no rows", "the first line names the columns")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"text": "a", "label": "lost card"}\n', "this is JSON, not csv"),
        (b'[{"text": "a"}]', "this is a JSON array, not csv"),
        (gzip.compress(b"text,label\na,b\n", mtime=0), "this is gzip, not csv"),
        (b"PK\x03\x04rest", "this is an Excel or ZIP file, not csv"),
        (b"PAR1rest", "this is Parquet, not csv"),
    ],
)
def test_row_71_another_format_called_csv(content: bytes, said: str) -> None:
    refused(content, f"t.csv: {said}", "→")


def test_row_72_utf8_with_a_byte_order_mark() -> None:
    accepted(codecs.BOM_UTF8 + f"text,label\né,{LABEL}\n".encode())
    assert texts() == ["é"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_row_73_utf16_with_a_byte_order_mark(encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE
    accepted(mark + f"text,label\né😀\u2028x,{LABEL}\r\n".encode(encoding))
    assert texts() == ["é😀\u2028x"]


def test_row_74_windows_encodings_are_named_not_guessed() -> None:
    content = f"text,label\nplain,{LABEL}\n“café”,{LABEL}\n".encode("cp1252")
    offset = content.index(b"\x93")
    refused(
        content, f"t.csv:3: byte 0x93 is not UTF-8 (byte offset {offset} of the file)", "--encoding cp1252"
    )
    accepted(content, "--encoding", "cp1252")
    assert texts() == ["plain", "“café”"]


def test_row_75_nul_bytes() -> None:
    refused(
        f"text,label\na\0b,{LABEL}\nfine,{LABEL}\n\0,{LABEL}\n", "t.csv:2: a NUL byte", "t.csv:4: a NUL byte"
    )


def test_row_76_a_quote_left_open_that_a_later_one_closes() -> None:
    content = f'text,label\nfine,{LABEL}\n"open,{LABEL}\nmiddle,{LABEL}\n"last",{LABEL}\nfine,{LABEL}\n'
    refused(content, "t.csv:3: text follows a closing quote in this row, which ends in line 5")


def test_row_77_a_quote_left_open_to_the_end() -> None:
    refused(
        f'text,label\nfine,{LABEL}\n"open,{LABEL}\nmore,{LABEL}\n',
        "t.csv:3: a quote is opened",
        "never closed",
    )


def test_row_78_one_value_too_many_in_every_row() -> None:
    # Each row by itself would blame its commas, and it is the header that lacks a name.
    result = refused(
        "text,label\n" + f"7,a,{LABEL}\n" * 30, "t.csv:1: the header has 2 columns, and every row has 3"
    )
    assert result.stderr.count("\n") == 2


def test_row_79_one_value_too_many_in_one_row() -> None:
    content = f"text,label\na,{LABEL}\nb, c,{LABEL}\nd,{LABEL}\n"
    refused(content, 't.csv:3: expected 2 columns, found 3; a value that holds "," is written in quotes')


def test_row_80_a_value_is_missing_or_the_file_was_cut() -> None:
    refused(f"text,label\na\nb,{LABEL}\n", "t.csv:2: expected 2 columns, found 1")
    refused(
        f"text,label\na,{LABEL}\nb", "t.csv:3: expected 2 columns, found 1; the last line has no line end"
    )
    result = accepted(f"text,label\na,{LABEL}\nb,{LABEL}")
    assert "t.csv: the last line has no line end; is the file whole?" in result.stderr


def test_row_81_names_of_columns_twice_or_missing() -> None:
    refused(f"text,text,label\na,b,{LABEL}\n", 't.csv:1: columns 1 and 2 are both called "text"')
    refused(f",,\na,b,{LABEL}\n", "t.csv:1: no column has a name in the header")
    refused(f"title,,\na,b,{LABEL}\n", 't.csv:1: the header names only "title", and column 2 has no name')
    result = accepted(f"text,,label\na,b,{LABEL}\n")
    assert "t.csv:1: column 2 has no name (line 2 holds a value): passed over" in result.stderr


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(["NA", "None", "null", "nan", "N/A"], id="row 82"),
        pytest.param(["01", "1", "True", "1e5", "1.0"], id="row 83"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_row_82_and_83_labels_stay_the_text_they_are(labels: list[str], ending: str) -> None:
    listed = json.dumps(labels)
    Path("task.toml").write_text(
        INTENT_TOML.replace('["card_arrival", "Refund_not_showing_up", "lost card"]', listed)
    )
    if ending == ".csv":
        content = "text,label\n" + "".join(f"a,{label}\n" for label in labels)
    else:
        content = "".join(json.dumps({"text": "a", "label": label}) + "\n" for label in labels)
    accepted(content, name=f"t{ending}")
    assert answers() == labels


def test_row_84_labels_that_look_alike() -> None:
    content = f"text,label\na,{LABEL}\nb,{LABEL} \nc,{LABEL}\u200b\nd,Lost card\n"
    refused(
        content,
        't.csv:3: label "lost card " has space around it; --strip takes it off',
        't.csv:4: label "lost card\\u200b" is not in task.toml (did you mean "lost card"?)',
        't.csv:5: label "Lost card" is not in task.toml (did you mean "lost card"?)',
    )
    accepted(f"text,label\na,{LABEL}\nb,\t{LABEL} \n", "--strip")
    assert answers() == [LABEL, LABEL]


@pytest.mark.parametrize(("separator", "shown"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_row_85_other_separators_are_found_and_shown(separator: str, shown: str) -> None:
    result = accepted(f"text{separator}label\na, b{separator}{LABEL}\n")
    assert f't.csv: columns are separated by "{shown}"' in result.stderr
    assert texts() == ["a, b"]
    accepted(f"text:label\na, b:{LABEL}\n", "--sep", ":")
    assert texts() == ["a, b"]


def test_row_86_line_ends_of_all_kinds() -> None:
    accepted(f"text,label\ra,{LABEL}\rb,{LABEL}\r")
    assert texts() == ["a", "b"]
    accepted(f'text,label\r\na,{LABEL}\n"b\r\nb",{LABEL}\rc,{LABEL}\r\n')
    assert texts() == ["a", "b\r\nb", "c"]
    refused(f'text,label\ra,{LABEL}\r"b\rb",{LABEL}\rc,nope\r', 't.csv:5: label "nope"')


def test_row_87_a_value_of_200_kilobytes() -> None:
    long = "é" * 100_000
    accepted(f'text,label\n{long},{LABEL}\n"{long}",{LABEL}\n')
    assert texts() == [long, long]


def test_row_88_half_characters_and_bytes_that_are_no_utf8() -> None:
    surrogate = f"text,label\na,{LABEL}\nx\ud83dy,{LABEL}\n".encode("utf-8", "surrogatepass")
    refused(surrogate, "t.csv:3: byte 0xed is not UTF-8 (byte offset 24 of the file)")
    refused(
        f"text,label\na,{LABEL}\n".encode() + b"\xc3\x28,lost card\n", "t.csv:3: byte 0xc3", "byte offset 23"
    )
    refused('{"text": "\\ud83d", "label": "lost card"}\n', "t.jsonl:1:", "half a character", name="t.jsonl")


def test_row_89_a_comment_before_the_header() -> None:
    content = f"# exported by hand\ntext,label\na,{LABEL}\n"
    refused(content, 't.csv:1: no column "text"', "# exported by hand; is its first line a comment")
    with (
        open_table(table(content)) as rows,
        pytest.raises(DataError, match="2: expected 1 column, found 2; is the"),
    ):
        list(rows)
    refused(
        f"# exported, by hand\ntext,label\na,{LABEL}\n",
        't.csv:1: no column "text"',
        "the table has: # exported",
    )


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl"])
def test_row_90_rows_are_read_as_they_come(ending: str) -> None:
    """However long the table: the first rows are there when hardly any of it has been read."""
    row = (
        f"{'long text ' * 20},{LABEL}\n"
        if "csv" in ending
        else json.dumps({"text": "x" * 200, "label": LABEL}) + "\n"
    )
    content = (("text,label\n" if "csv" in ending else "") + row * 30_000).encode()
    name = table(gzip.compress(content, 0) if ending.endswith("gz") else content, f"t{ending}")
    with open_table(name) as rows:
        reading = iter(rows)
        next(reading)
        read, whole = rows.progress
        assert read < whole / 10
        assert sum(1 for _ in reading) == 30_000 - 1


def test_row_91_a_file_that_grows_while_it_is_read() -> None:
    table("text,label\n" + f"a,{LABEL}\n" * 40_000)

    def grow(*_: int) -> None:
        with Path("t.csv").open("a") as handle:
            handle.write(f"late,{LABEL}\n")

    with pytest.raises(ConflictError, match="the file changed while it was read") as caught:
        convert(INTENT, "t.csv", "out.jsonl", progress=grow)
    assert caught.value.exit_code == 9
    assert not Path("out.jsonl").exists()


def test_row_91_streams_are_kept_first(here: Path) -> None:
    content = f"text;label\na;{LABEL}\n"
    os.mkfifo("pipe")
    feeder = subprocess.Popen(["sh", "-c", f"printf 'text;label\na;{LABEL}\n' > pipe"])
    assert run("pipe", "-o", "out.jsonl").exit_code == 0
    assert feeder.wait(HANG_S) == 0
    assert texts() == ["a"]
    result = CliRunner().invoke(app, ["convert", "-", "-o", "again.jsonl"], input=content)
    assert result.exit_code == 0
    assert Path("again.jsonl").read_bytes() == Path("out.jsonl").read_bytes()


def test_row_92_spreadsheets() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["text", "label", "day"], ["a", LABEL, None], ["b", LABEL, None], ["=1+1", LABEL, None]):
        sheet.append(row)
    sheet.merge_cells("B2:C2")
    book.save("t.xlsx")
    result = run("t.xlsx", "-o", "out.jsonl")
    assert result.exit_code == 7
    assert "t.xlsx:4: the text is empty" in result.stderr  # a formula that was never calculated has no value
    result = run("t.xlsx", "-o", "out.jsonl", "--on-error", "skip")
    assert result.exit_code == 0
    assert "warning: t.xlsx: read the values of sheet" in result.stderr
    assert "warning: t.xlsx: of merged cells, only the first one has the value" in result.stderr
    assert texts() == ["a", "b"]
    with Path("out.rejected.csv").open(newline="") as handle:
        assert [row[0] for row in csv.reader(handle)] == ["line", "4"]


def test_every_row_of_the_table_has_its_test(shared_data: Path) -> None:
    faults = shared_data.parent / "faults.md"
    rows = [line.split("|")[1].strip() for line in faults.read_text().splitlines() if line.startswith("|")]
    tested = Path(__file__).read_text()
    with contextlib.suppress(ValueError):
        rows.remove("#")
    for row in rows:
        if row.isdigit() and 70 <= int(row) <= 92:
            assert f"test_row_{row}_" in tested or f"_and_{row}_" in tested, row
