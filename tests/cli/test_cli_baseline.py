"""`labeltune baseline`: argv to result, messages and exit code; it really trains and predicts."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path
from typing import Any

import pytest

import tasks
from cli.remote import LABELS, document, here, ran, run

__all__ = ["here"]


def write_table(path: Path, rows: int, *, empty: int = 0) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "note"])
        for row in range(rows):
            label = LABELS[row % len(LABELS)]
            writer.writerow([f"{path.stem} {row}: about my {label} please", label, f"kept {row}"])
        writer.writerows([["  ", LABELS[0], ""]] * empty)
    return path


@pytest.fixture
def tables(here: Path) -> Path:
    write_table(here / "train.csv", 30)
    write_table(here / "test.csv", 9)
    return here


def test_from_two_tables_to_predictions_that_can_be_compared(tables: Path) -> None:
    result = ran("baseline", "train.csv", "test.csv")
    assert result.stdout == "baseline.csv\n"
    assert "30 of 30 rows are trained on" in result.stderr
    assert "labeltune evaluate PREDICTIONS --compare baseline.csv" in result.stderr
    with Path("baseline.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["note"] for row in rows] == [f"kept {row}" for row in range(9)]
    assert [row["predicted_intent"] for row in rows] == [row["label"] for row in rows]
    assert all(row["problem"] == "" and float(row["confidence"]) > 0.4 for row in rows)
    # The same again finds its job; another model's predictions of the same rows can be held against it.
    again = document(ran("baseline", "train.csv", "test.csv", "--json", "-q", "-o", "again.csv"))
    assert (again["output"], again["reused"], again["trained_on"]) == ("again.csv", True, 30)
    assert (again["rows"], again["valid"], again["invalid"]) == (9, 9, 0)
    assert Path("again.csv").read_bytes() == Path("baseline.csv").read_bytes()
    [one] = document(ran("evaluate", "again.csv", "--compare", "baseline.csv", "--json"))["comparisons"]
    assert one["verdict"].startswith("no difference in macro-F1")
    assert {side: known["usd"] for side, known in one["cost"].items()} == {"predictions": 0.0, "other": 0.0}
    assert one["cost"]["other"]["requests"] == 9
    assert "Cost there: $0, " in ran("evaluate", "again.csv", "--compare", "baseline.csv").stdout
    # The job is one of the local provider's, made from the task.
    job = document(ran("jobs", "show", again["job_id"], "--json"))["job"]
    assert job["metadata"]["labeltune_task"] == tasks.INTENT.fingerprint
    assert again["model"].startswith("ft:linear:local:baseline:")
    # It is known by the table, not by the chat file that was made in passing.
    [known] = document(ran("runs", "--json"))["runs"]
    assert (known["data"], known["rows"]) == ("train.csv", 30)


def test_it_stays_on_this_machine(tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "http://127.0.0.1:9/v1")
    assert ran("baseline", "train.csv", "test.csv", "-q", "-o", "-").stdout.startswith("text,label,note,")


def test_rows_without_a_text_have_no_answer(tables: Path) -> None:
    write_table(tables / "test.csv", 6, empty=2)
    result = run("baseline", "train.csv", "test.csv", "--probabilities", "--json")
    assert result.exit_code == 3
    assert (document(result)["valid"], document(result)["problems"]) == (6, {"empty": 2})
    assert "2 rows have no valid answer: 2 empty" in result.stderr
    assert "probability_lost card" in Path("baseline.csv").read_text(encoding="utf-8").splitlines()[0]


def test_probabilities_that_no_answer_tells_are_refused_before_training(here: Path) -> None:
    (here / "task.toml").write_text(tasks.TOXIC_TOML)
    (here / "train.csv").write_text("nothing is read of this")
    result = run("baseline", "train.csv", "test.csv", "--probabilities")
    assert result.exit_code == 2
    assert "--probabilities: an answer of the format list tells nothing of the labels" in result.stderr
    assert '[answer] format = "flags"' in result.stderr
    assert not (here / ".labeltune").exists()
    result = run("predict", "train.csv", "--model", "m", "--probabilities")
    assert (result.exit_code, "tells nothing of the labels" in result.stderr) == (2, True)
    (here / "task.toml").write_text(tasks.INTENT_TOML)
    result = run("predict", "train.csv", "--model", "m", "--probabilities", "--no-confidence")
    assert "--probabilities needs log-probabilities, and --no-confidence asks for none" in result.stderr


def test_rows_that_are_not_trained_on_are_told(here: Path) -> None:
    (here / "task.toml").write_text(tasks.TOXIC_TOML)
    header = f"id,comment_text,{','.join(tasks.TOXIC_LABELS)}\n"
    rows = [
        f"{row},words {row} {'bad' if row % 3 else 'fine'},{'1,0,0,0,0,0' if row % 3 == 1 else '0,1,0,0,0,0' if row % 3 else '0,0,0,0,0,0'}\n"
        for row in range(45)
    ]
    Path("train.csv").write_text(header + "".join(rows[:30]), encoding="utf-8")
    Path("test.csv").write_text(header + "".join(rows[30:]), encoding="utf-8")
    result = ran("baseline", "train.csv", "test.csv", "--json")
    assert document(result)["left_out"] == {"no_label": 10}
    assert "10 rows without a label are not trained on" in result.stderr


def test_what_cannot_be(tables: Path) -> None:
    Path("copy.csv").symlink_to("train.csv")
    before = Path("train.csv").read_bytes()
    for argv, code, said in (
        (["train.csv", "copy.csv"], 2, "is both what to train on and what to predict"),
        (["train.csv", "test.csv", "-o", "copy.csv"], 2, "is an input, which is never overwritten"),
        (["train.csv", "test.csv", "-o", "test.csv"], 2, "never overwritten"),
        (["train.csv", "test.csv", "-o", "-", "--json"], 2, "would both write to standard output"),
        (["train.jsonl", "test.csv"], 7, "train.jsonl: is a chat file, expected the table"),
        (["missing.csv", "test.csv"], 2, "missing.csv"),
        (["train.csv", "missing.csv"], 2, "missing.csv"),
        (["train.csv", "test.csv", "--task", "other.toml"], 2, "other.toml"),
    ):
        result = run("baseline", *argv)
        assert (result.exit_code, result.stdout[:1] in ("", "{")) == (code, True), result.stderr
        assert said in result.stderr
    assert Path("train.csv").read_bytes() == before
    assert not Path("baseline.csv").exists()


def test_a_baseline_that_cannot_be_trained_says_why(tables: Path) -> None:
    rows = "".join(f"text {row},{LABELS[0]}\n" for row in range(20))
    Path("few.csv").write_text(f"text,label\ntext,{LABELS[0]}\n", encoding="utf-8")
    few = run("baseline", "few.csv", "test.csv")
    assert few.exit_code == 7
    assert "few.csv: 1 row to train on, expected at least 10" in few.stderr
    Path("train.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    result = run("baseline", "train.csv", "test.csv")
    assert result.exit_code == 10
    assert "all 20 examples have the same answer" in result.stderr
    assert "--new-job" in result.stderr
    assert run("baseline", "train.csv", "test.csv", "--new-job").exit_code == 10


def test_the_default_output_is_that_of_the_library() -> None:
    from labeltune.cli.baseline import baseline
    from labeltune.studies.baseline import DEFAULT_OUTPUT

    parameters: Any = inspect.signature(baseline).parameters
    assert parameters["out"].default == DEFAULT_OUTPUT
