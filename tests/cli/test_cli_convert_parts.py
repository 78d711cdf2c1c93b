"""`labeltune convert` of a folder: argv to files, messages and exit code."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from labeltune.cli.app import app
from tasks import INTENT, INTENT_TOML

if TYPE_CHECKING:
    from typer.testing import Result

LABELS = INTENT.labels
ROWS = [(f'text {row} "quoted", and\nbroken', LABELS[row % 3]) for row in range(60)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(INTENT_TOML)
    return tmp_path


def table(name: str, rows: list[tuple[str, str]]) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        return
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows])


def convert(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["convert", *arguments])


def names(folder: str) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file() and "_labeltune" not in path.parts
    )


def test_the_joined_parts_are_the_chat_file_of_the_whole_table() -> None:
    table("whole.csv", ROWS)
    assert convert("whole.csv").exit_code == 0
    table("in/a/1.csv", ROWS[:20])
    table("in/a/2.jsonl", ROWS[20:25])
    table("in/b/1.csv", ROWS[25:])
    result = convert("in", "-o", "out/")
    assert (result.exit_code, result.stdout) == (0, "out/\n"), result.stderr
    assert "3 of 3 parts are in out/, 3 of them new" in result.stderr
    assert "60 of 60 rows are records" in result.stderr
    assert names("out") == ["_SUCCESS", "_labeltune.json", "a/1.jsonl", "a/2.jsonl", "b/1.jsonl"]
    joined = b"".join(Path("out", name).read_bytes() for name in names("out") if name.endswith(".jsonl"))
    assert joined == Path("whole.jsonl").read_bytes()


def test_only_what_changed_is_made_again() -> None:
    for number in range(3):
        table(f"in/{number}.csv", ROWS[20 * number :][:20])
    assert convert("in", "-o", "out").exit_code == 0
    before = {name: Path("out", name).stat().st_ino for name in names("out")}
    assert "0 of them new" in convert("in", "-o", "out").stderr
    table("in/1.csv", ROWS[:5])
    result = convert("in", "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert "1 of them new" in result.stderr
    assert Path("out/0.jsonl").stat().st_ino == before["0.jsonl"]
    assert len(Path("out/1.jsonl").read_text().splitlines()) == 5
    Path("task.toml").write_text(INTENT_TOML.replace("Name the intent.", "Say the intent."))
    assert "3 of them new" in convert("in", "-o", "out").stderr
    assert all("Say the intent." in Path(f"out/{number}.jsonl").read_text() for number in range(3))


def test_a_part_that_is_refused_does_not_stop_the_others() -> None:
    table("in/a.csv", ROWS[:10])
    table("in/b.csv", [*ROWS[:10], ("text", "no such label")])
    table("in/c.csv", ROWS[:10])
    result = convert("in", "-o", "out")
    assert result.exit_code == 7
    assert "1 of 3 parts were refused" in result.stderr
    assert "in/b.csv:" in result.stderr
    assert names("out") == ["_labeltune.json", "a.jsonl", "c.jsonl"]
    result = convert("in", "-o", "out", "--on-error", "skip", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["parts"], told["written"], told["rows"], told["refused"]) == (3, 30, 31, {})
    assert told["rejected"] == "out/_rejected"
    assert names("out") == [
        *("_SUCCESS", "_labeltune.json", "_rejected/b.rejected.csv"),
        *("a.jsonl", "b.jsonl", "c.jsonl"),
    ]
    table("in/b.csv", ROWS[:10])
    assert convert("in", "-o", "out", "--on-error", "skip").exit_code == 0
    assert "_rejected/b.rejected.csv" not in names("out")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["in"], 2, "many tables become a folder"),
        (["in", "-o", "in/out"], 2, "must lie outside"),
        (["in", "-o", "-"], 2, "do not go to standard output"),
        (["in", "-o", "out.jsonl"], 2, "many parts go to a folder"),
        (["in", "-o", "out/*.csv"], 2, "chat files end in .jsonl"),
        (["in", "-o", "out", "--repeat-rare", "2"], 2, "--repeat-rare counts labels over a whole table"),
        (["in/*.tsv", "-o", "out"], 7, "nothing matches"),
        (["twins", "-o", "out"], 7, "a.csv and a.jsonl would both become a.jsonl"),
    ],
)
def test_what_is_refused(arguments: list[str], exit_code: int, said: str) -> None:
    table("in/a.csv", ROWS[:10])
    table("twins/a.csv", ROWS[:10])
    table("twins/a.jsonl", ROWS[:10])
    result = convert(*arguments)
    assert result.exit_code == exit_code
    assert said in result.stderr
    assert not Path("out").exists()


def test_the_output_of_predict_is_not_written_into() -> None:
    from labeltune.files.parts import list_parts, open_output

    table("in/a.csv", ROWS[:10])
    with open_output("out", list_parts("in", "out"), {}, command="predict"):
        pass
    result = convert("in", "-o", "out")
    assert result.exit_code == 9
    assert "is the output of predict" in result.stderr
