"""`labeltune run`: the whole way in one command, and only what is not done when it is run again."""

from __future__ import annotations

import csv
import inspect
import json
import shlex
from pathlib import Path

import pytest

from cli.remote import LABELS, document, here, ran, run
from labeltune.cli.run import run as command
from labeltune.studies import whole_way
from tasks import intent_toml

__all__ = ["here"]


def write_table(path: Path, rows: int = 60, ending: str = "please") -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label"])
        for row in range(rows):
            label = LABELS[row % len(LABELS)]
            writer.writerow([f"{row}: a question about my {label} {ending}", label])
    return path


@pytest.fixture
def table(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Path("task.toml").unlink(missing_ok=True)
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    return write_table(here / "data.csv")


WAY = ("run", "data.csv", "--model", "linear")


def commands(stderr: str) -> list[str]:
    """The commands that were taken, by their first word; with `*` if that was done before."""
    lines = [line for line in stderr.splitlines() if line.startswith("$ labeltune ")]
    return [line.split()[2] + "*" * line.endswith("# done before") for line in lines]


def test_from_a_table_to_a_page_in_one_command(table: Path) -> None:
    result = ran(*WAY)
    assert result.stdout == "run/report.html\n"
    assert commands(result.stderr) == [
        "init", "split", "convert", "convert", "check", "train", "predict", "evaluate",
    ]  # fmt: skip
    assert {path.name for path in Path("run").iterdir()} >= {
        "task.toml", "train.csv", "validation.csv", "test.csv", "train.jsonl", "validation.jsonl",
        "predictions.csv", "report.html", "report.json",
    }  # fmt: skip
    assert "12 of 12 texts got the right label: 100 % (74 to 100)." in result.stderr
    assert "<html" in Path("run/report.html").read_text(encoding="utf-8")
    numbers = json.loads(Path("run/report.json").read_text(encoding="utf-8"))
    assert numbers["schema_version"] == 1
    assert numbers["metrics"]["accuracy"] == 1.0


def test_each_step_is_the_command_that_it_prints(table: Path) -> None:
    first = ran(*WAY)
    # Pasted one after the other into a fresh folder, the commands come to the same report.
    before = Path("run/report.json").read_bytes()
    predictions = Path("run/predictions.csv").read_bytes()
    for path in Path("run").iterdir():
        path.unlink()
    for line in first.stderr.splitlines():
        if line.startswith("$ labeltune "):
            ran(*shlex.split(line)[2:])
    assert Path("run/predictions.csv").read_bytes() == predictions
    assert ran("evaluate", "run/predictions.csv", "-t", "run/task.toml", "--json").stdout
    assert json.loads(before)["rows"] == 12


def test_again_it_does_only_what_is_not_done(table: Path) -> None:
    first = document(ran(*WAY, "--json", "-q"))
    assert [step["done_before"] for step in first["steps"]] == [False] * 8
    again = ran(*WAY)
    assert commands(again.stderr) == [
        "split*", "convert*", "convert*", "check*", "train", "predict*", "evaluate*",
    ]  # fmt: skip
    assert "belongs to this run" in again.stderr
    second = document(ran(*WAY, "--json", "-q"))
    assert (second["model"], second["metrics"]) == (first["model"], first["metrics"])
    Path("run/report.html").unlink()
    assert commands(ran(*WAY).stderr)[-2:] == ["predict*", "evaluate"]
    # They are the command's own, and made anew from answers that are kept if they are not what it left.
    Path("run/predictions.csv").write_text("edited", encoding="utf-8")
    remade = ran(*WAY)
    assert commands(remade.stderr)[-2:] == ["predict", "evaluate*"]
    assert "12 answers kept" in remade.stderr


def test_an_edited_table_or_task_is_followed(table: Path) -> None:
    first = document(ran(*WAY, "--json", "-q"))
    write_table(table, ending="thanks")
    result = ran(*WAY)
    assert "*" not in "".join(commands(result.stderr))
    assert "thanks" in Path("run/train.jsonl").read_text(encoding="utf-8")
    task = Path("run/task.toml")
    task.write_text(
        task.read_text(encoding="utf-8").replace("user = ", "user = ").replace("{text}", "Say: {text}")
    )
    third = ran(*WAY)
    assert commands(third.stderr)[0] == "split"
    assert "Say: " in Path("run/train.jsonl").read_text(encoding="utf-8")
    assert document(ran(*WAY, "--json", "-q"))["model"] != first["model"]


def test_the_part_train_is_trained_on_wherever_it_stands_in_the_sizes(table: Path) -> None:
    sizes = "extra=0.1,test=0.2,validation=0.1,train=0.6"
    result = ran(*WAY, "--sizes", sizes)
    (train,) = [line for line in result.stderr.splitlines() if line.startswith("$ labeltune train ")]
    assert shlex.split(train)[3:5] == ["run/train.jsonl", "run/validation.jsonl"]
    assert Path("run/extra.csv").exists()
    assert not Path("run/extra.jsonl").exists()


def test_a_task_that_is_there_is_taken(table: Path) -> None:
    ran("init", "data.csv", "-q")
    result = ran(*WAY)
    assert commands(result.stderr)[0] == "split"
    assert not Path("run/task.toml").exists()


def test_without_texts_the_page_has_none(table: Path) -> None:
    """Nor is the page of before taken for it. Some labels are wrong, so that there are rows to show."""
    lines = table.read_text(encoding="utf-8").splitlines()
    wrong = [line.rpartition(",")[0] + f",{LABELS[0]}" for line in lines[2:20:3]]
    table.write_text("\n".join([*lines[:2], *wrong, *lines[20:]]) + "\n", encoding="utf-8")
    first = document(ran(*WAY, "--json", "-q"))
    assert first["headline"]["right"]["rows"] < first["headline"]["right"]["of"]
    assert "a question about my" in Path("run/report.html").read_text(encoding="utf-8")
    hidden = ran(*WAY, "--no-texts")
    assert commands(hidden.stderr)[-2:] == ["predict*", "evaluate"]
    assert "a question about my" not in Path("run/report.html").read_text(encoding="utf-8")
    assert first["headline"]["text"] in hidden.stderr
    # Said again where nothing is left to do.
    assert first["headline"]["text"] in ran(*WAY, "--no-texts").stderr


def test_what_cannot_be(table: Path) -> None:
    for argv, said in [
        (("--sizes", "train=0.5,dev=0.5"), "expected a part train to learn from and a part test to measure"),
        (("--task", "other.toml"), "other.toml: there is no such task file"),
    ]:
        result = run(*WAY, *argv)
        assert result.exit_code == 2, result.stderr
        assert said in result.stderr
    in_a_file = run(*WAY, "-o", "data.csv")
    assert in_a_file.exit_code == 8, in_a_file.exception
    assert "where a folder is wanted" in in_a_file.stderr
    assert run("run", "-", "--model", "linear").exit_code == 2
    assert run("run", "none.csv").exit_code == 2
    missing = run("run", "none.csv", "--json")
    assert json.loads(missing.stdout)["error"]["exit_code"] == 2


def test_without_a_key_it_says_both_ways_on(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABELTUNE_PROVIDER")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    result = run("run", "data.csv", "--model", "gpt-4.1-mini")
    assert result.exit_code == 4
    assert "--provider local" in result.stderr


def test_an_error_of_check_ends_it(table: Path) -> None:
    rows = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([*rows[:1], *(f"text {row},one label" for row in range(40))]))
    Path("task.toml").write_text(intent_toml("one label", "another"), encoding="utf-8")
    result = run(*WAY)
    assert result.exit_code == 11, result.stderr
    assert "nothing to learn" in result.stderr
    assert commands(result.stderr)[-1] == "check"


def test_how_to_read_the_table_is_said_to_each_command_that_reads_one(table: Path) -> None:
    table.write_text(table.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    result = ran(*WAY, "--sep", ";")
    assert result.stdout == "run/report.html\n"


def test_json_lines_are_not_overwritten_by_their_chat_files(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as handle:
        lines = [json.dumps(row) for row in csv.DictReader(handle)]
    Path("data.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = ran("run", "data.jsonl", "--model", "linear")
    assert "-o run/train.chat.jsonl" in result.stderr
    assert '"label"' in Path("run/train.jsonl").read_text(encoding="utf-8")


def test_the_defaults_are_those_of_the_library() -> None:
    parameters = inspect.signature(command).parameters
    assert str(parameters["out"].default) == whole_way.DEFAULT_FOLDER
    assert parameters["sizes"].default == whole_way.DEFAULT_SIZES
