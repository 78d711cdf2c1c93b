from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from tasks import INTENT_TOML, TOXIC_TOML
from waiting import HANG_S

if TYPE_CHECKING:
    from typer.testing import Result

runner = CliRunner()

ROWS = 12
GOOD = "text,label\n" + "".join(f"text {n},lost card\n" for n in range(ROWS))
BAD = GOOD + "one too many,lost card,x\n\nno such label,lost crad\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(INTENT_TOML)
    Path("good.csv").write_text(GOOD)
    Path("bad.csv").write_text(BAD)
    return tmp_path


def convert(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return runner.invoke(app, ["convert", *arguments], input=stdin)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_result_is_the_path() -> None:
    result = convert("good.csv")
    assert (result.exit_code, result.stdout) == (0, "good.jsonl\n")
    assert result.stderr.split("\n") == [
        "good.csv: 12 of 12 rows are records in good.jsonl",
        "→ labeltune check good.jsonl, then: labeltune train good.jsonl --model gpt-4.1-mini-2025-04-14",
        "",
    ]
    lines = Path("good.jsonl").read_text().splitlines()
    assert len(lines) == ROWS
    assert json.loads(lines[3])["messages"][1:] == [
        {"role": "user", "content": "text 3"},
        {"role": "assistant", "content": "lost card"},
    ]


def test_quiet() -> None:
    result = convert("good.csv", "-o", "out.jsonl", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out.jsonl\n", "")


def test_json() -> None:
    result = convert("good.csv", "--json")
    document = json.loads(result.stdout)
    assert document.pop("seconds") >= 0
    assert document == {
        "schema_version": 1,
        "input": "good.csv",
        "output": "good.jsonl",
        "rows": 12,
        "written": 12,
        "left_out": {},
        "rejected": None,
        "repeated": 0,
    }
    assert "12 of 12 rows" in result.stderr


def test_rows_left_out_are_counted() -> None:
    Path("task.toml").write_text(TOXIC_TOML)
    header = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate\n"
    Path("c.csv").write_text(header + "1,a,1,0,0,0,0,0\n2,b,0,0,0,0,0,0\n" * 8)
    result = convert("c.csv", "--json")
    assert json.loads(result.stdout)["left_out"] == {"no_label": 8}
    assert "8 of 16 rows are records in c.jsonl\n  left out: 8 no_label\n" in result.stderr
    assert "warning: 8 records: no provider trains on fewer than 10" in result.stderr


# bad rows


def test_bad_rows_stop(here: Path) -> None:
    before = names(here)
    Path("bad.jsonl").write_text("old")
    result = convert("bad.csv")
    assert (result.exit_code, result.stdout) == (7, "")
    assert result.stderr == (
        'error: bad.csv:14: expected 2 columns, found 3; a value that holds "," is written in quotes\n'
        'bad.csv:16: label "lost crad" is not in task.toml (did you mean "lost card"?)\n'
    )
    assert names(here) == sorted([*before, "bad.jsonl"])
    assert Path("bad.jsonl").read_text() == "old"


def test_bad_rows_as_json() -> None:
    result = convert("bad.csv", "--json", "-q")
    assert result.exit_code == 7
    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == 7
    assert [(finding["code"], finding["where"]) for finding in error["findings"]] == [
        ("ragged_row", {"file": "bad.csv", "line": 14}),
        ("unknown_label", {"file": "bad.csv", "line": 16}),
    ]


def test_bad_rows_are_skipped() -> None:
    result = convert("bad.csv", "--on-error", "skip", "-o", "train.jsonl")
    assert (result.exit_code, result.stdout) == (0, "train.jsonl\n")
    assert "12 of 14 rows are records in train.jsonl" in result.stderr
    assert "  left out: 1 unknown_label" in result.stderr
    assert "warning: bad rows are in train.rejected.csv" in result.stderr
    assert len(Path("train.jsonl").read_text().splitlines()) == ROWS
    with Path("train.rejected.csv").open(newline="") as handle:
        header, *rejected = csv.reader(handle)
    assert header == ["line", "reason", "text", "label"]
    assert [(row[0], *row[2:]) for row in rejected] == [
        ("14", "one too many", "lost card,x"),
        ("16", "no such label", "lost crad"),
    ]
    assert "did you mean" in rejected[1][1]


def test_skipped_rows_as_json() -> None:
    document = json.loads(convert("bad.csv", "--on-error", "skip", "--json").stdout)
    assert document["rejected"] == "bad.rejected.csv"
    assert (document["rows"], document["written"]) == (14, 12)
    assert document["left_out"] == {"ragged_row": 1, "unknown_label": 1}


def test_no_more_than_twenty_are_shown() -> None:
    Path("many.csv").write_text(GOOD + "x\n" * 31)
    result = convert("many.csv")
    assert result.exit_code == 7
    assert result.stderr.count("many.csv:") == 20
    assert "… and 11 more\n→ mend these rows" in result.stderr


def test_text_cannot_drive_the_terminal() -> None:
    Path("t.csv").write_text("text,label\na,\x1b[2J[/red]\u202e\n")
    result = convert("t.csv")
    assert result.exit_code == 7
    assert 'label "\\x1b[2J[/red]\\u202e" is not in task.toml' in result.stderr


# usage, settings, files


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["missing.csv"], 2, "missing.csv: there is no such file"),
        (["."], 2, ".: many tables become a folder of chat files"),
        (["/"], 2, "/: many tables become a folder of chat files"),
        ([".", "-o", "."], 2, "the output must lie outside of the folder"),
        (["good.csv", "-t", "other.toml"], 2, "other.toml"),
        (["good.csv", "--on-error", "ask"], 2, "--on-error ask: expected stop or skip"),
        (["good.csv", "--encoding", "utf-99"], 2, "--encoding utf-99: no such encoding of text"),
        (["good.csv", "--sep", "::"], 2, "--sep '::': expected one character"),
        (["good.csv", "--format", "cvs"], 2, 'no such format (did you mean "csv"?)'),
        (["good.csv", "--format", "excel"], 7, "not an Excel file that can be read"),
        (["good.csv", "-o", "good.csv"], 2, "an input is never overwritten"),
        (["good.csv", "-o", "task.toml"], 2, "an input is never overwritten"),
        (["good.csv", "-o", "no/such.jsonl"], 8, "no/such.jsonl: cannot be written"),
        (["good.csv", "-o", "-", "--json"], 2, "--json and --output - would both write to standard output"),
        (["good.csv", "--sep", ";"], 7, 'good.csv:1: no column "text"'),
        (["empty.csv"], 7, "empty.csv: no rows"),
        (["packed.csv"], 7, "packed.csv: this is gzip, not csv"),
        ([], 2, "Missing argument"),
        (["good.csv", "--frobnicate"], 2, "No such option"),
    ],
)
def test_wrong_input(here: Path, arguments: list[str], exit_code: int, message: str) -> None:
    Path("empty.csv").touch()
    Path("packed.csv").write_bytes(b"\x1f\x8b\x08\0")
    before = {path: path.read_bytes() for path in here.iterdir()}
    result = convert(*arguments)
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert result.stdout == "" or "--json" in arguments
    assert {path: path.read_bytes() for path in here.iterdir()} == before


def test_the_task_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("task.toml").rename("elsewhere.toml")
    assert convert("good.csv").exit_code == 2
    monkeypatch.setenv("LABELTUNE_TASK", "elsewhere.toml")
    assert convert("good.csv").exit_code == 0


def test_the_same_command_again_gives_the_same_bytes() -> None:
    assert convert("good.csv").exit_code == 0
    first = Path("good.jsonl").read_bytes()
    assert convert("good.csv").exit_code == 0
    assert Path("good.jsonl").read_bytes() == first


# standard input and output


def test_a_pipe_in_and_out(here: Path) -> None:
    convert("good.csv")
    expected = Path("good.jsonl").read_text()
    Path("good.jsonl").unlink()
    before = names(here)
    for arguments in (["-"], ["good.csv", "-o", "-"], ["-", "-o", "-"]):
        result = convert(*arguments, stdin=GOOD)
        assert (result.exit_code, result.stdout) == (0, expected)
        assert "12 of 12 rows are records on standard output" in result.stderr
        assert "→" not in result.stderr
    assert names(here) == before


def test_standard_output_gets_nothing_before_all_is_well() -> None:
    result = convert("-", stdin=BAD)
    assert (result.exit_code, result.stdout) == (7, "")
    assert "stdin:14: expected 2 columns" in result.stderr


def test_standard_input_in_other_formats() -> None:
    record = json.dumps({"text": "a", "label": "lost card"}) + "\n"
    expected = convert("-", stdin="text,label\na,lost card\n").stdout
    assert expected.count("\n") == 1
    assert convert("-", stdin=record * 1).stdout == expected
    assert convert("-", stdin="text;label\na;lost card\n").stdout == expected
    assert convert("-", "--format", "tsv", stdin="text\tlabel\na\tlost card\n").stdout == expected
    assert convert("-", stdin="text,label\na,lost card\n".encode("utf-16")).stdout == expected


def test_standard_input_with_bad_rows_skipped() -> None:
    result = convert("-", "--on-error", "skip", stdin=BAD)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == ROWS
    assert Path("stdin.rejected.csv").read_text().count("\n") == 3
    assert convert("-", "-o", "x.jsonl", "--on-error", "skip", "--json", stdin=BAD).exit_code == 0
    assert Path("x.rejected.csv").exists()


def test_options_of_text_tables() -> None:
    Path("t.csv").write_bytes("text|label\ncafé, bar|lost card \n".encode("cp1252"))
    result = convert("t.csv", "--encoding", "cp1252", "--sep", "pipe", "--strip", "-o", "-", "-q")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["messages"][1]["content"] == "café, bar"


# as a process

HEAVY = {"pandas", "numpy", "sklearn", "openai", "scipy", "pyarrow", "rich", "http", "ssl", "urllib3"}


def test_ten_rows_need_no_heavy_module(here: Path) -> None:
    script = (
        "import sys\n"
        "sys.argv = ['labeltune', 'convert', 'good.csv', '-q']\n"
        "from labeltune.__main__ import main\n"
        "try:\n    main()\nfinally:\n    print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=HANG_S
    )
    assert (done.returncode, done.stdout) == (0, "good.jsonl\n")
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()


def test_a_closed_pipe_is_not_an_error_of_ours(here: Path) -> None:
    Path("big.csv").write_text("text,label\n" + f"{'x' * 500},lost card\n" * 2_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "labeltune", "convert", "big.csv", "-o", "-", "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(HANG_S) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


PEAK = """\
import sys
from pathlib import Path
sys.argv = ["labeltune", "convert", "-", "-o", "out.jsonl", "-q"]
from labeltune.__main__ import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process its peak memory")
def test_memory_does_not_grow_with_the_table(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table ten times as long needs no more memory, quoted or not, with a sink of its own or not."""
    monkeypatch.setenv("TMPDIR", str(here))

    def peak(megabytes: int) -> int:
        """In KiB, of a process that is sent a table and keeps it on disk."""
        block = (
            "a plain line of text that goes on for a while,lost card\n" * 9
            + '"quoted, 😀\n""two""",lost card\n'
        ) * 200
        process = subprocess.Popen(
            [sys.executable, "-c", PEAK],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(b"text,label\n")
        sent = 0
        while sent < megabytes << 20:
            sent += process.stdin.write(block.encode())
        _, told = process.communicate(timeout=HANG_S)
        assert process.returncode == 0
        assert Path("out.jsonl").stat().st_size > sent
        return int(told)

    small, large = peak(4), peak(40)
    assert large < small + 4_096
    assert large < 64 * 1024
    assert not list(here.glob(".labeltune-*"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "validation.csv",
            "→ labeltune train TRAIN validation.jsonl measures with it while it trains",
        ),
        ("dev.csv", "→ labeltune train TRAIN dev.jsonl measures with it while it trains"),
        ("test.csv", "→ predict takes the table itself: it measures a model that has not seen it"),
        ("train.csv", "→ labeltune check train.jsonl, then: labeltune train train.jsonl"),
    ],
)
def test_the_hint_is_about_the_part_that_it_is(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    Path(name).write_text(GOOD)
    assert hint in convert(name).stderr.splitlines()


def test_the_hint_names_a_model_of_the_provider_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "http://127.0.0.1:9/v1")
    assert convert("good.csv").stderr.endswith("labeltune train good.jsonl --model BASE\n")
    monkeypatch.delenv("LABELTUNE_PROVIDER")
    Path("task.toml").write_text(INTENT_TOML + '\n[defaults]\nprovider = "local"\nmodel = "linear"\n')
    assert convert("good.csv").stderr.endswith("labeltune train good.jsonl\n")
