"""`labeltune predict --thresholds`: labels of multi fields by chosen thresholds, from answers already paid for."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

import tasks
from cli.remote import document, here, ran, run

__all__ = ["here"]

WORDS = {"joy": "lovely", "anger": "awful", "neutral": "plain"}


def write_rows(path: Path, rows: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "text", "labels"])
        for row in range(rows):
            labels = [label for label in WORDS if source.random() < 0.4]
            said = [WORDS[label] for label in labels if source.random() < 0.7]
            writer.writerow([row, f"{path.stem} {row} {' '.join(said)} day", "|".join(labels)])


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_thresholds_decide_over_the_same_answers(here: Path) -> None:
    (here / "task.toml").write_text(tasks.EMOTION_TOML)
    for name, rows, seed in (("train", 120, 1), ("validation", 60, 2), ("test", 40, 3)):
        write_rows(here / f"{name}.csv", rows, seed)
    made = document(
        ran("baseline", "train.csv", "validation.csv", "-o", "v.csv", "--probabilities", "--json")
    )
    ran("thresholds", "v.csv", "-o", "t.toml", "--min-precision", "0.9")
    asked = ("predict", "test.csv", "--model", made["model"], "--probabilities")
    ran(*asked, "-o", "plain.csv")
    tuned = document(ran(*asked, "-o", "tuned.csv", "--thresholds", "t.toml", "--json"))
    assert (tuned["rows"], tuned["invalid"]) == (40, 0)
    levels = document(ran("thresholds", "v.csv", "-o", "t.toml", "--min-precision", "0.9", "--json"))[
        "fields"
    ]["emotions"]
    changed = 0
    for before, after in zip(rows_of("plain.csv"), rows_of("tuned.csv"), strict=True):
        labels = {label: after[f"predicted_{label}"] for label in WORDS}
        for label, level in levels.items():
            over = level is not None and float(after[f"probability_{label}"]) >= level
            assert labels[label] == str(int(over))
        assert after["answer"] == before["answer"]
        same = labels == {label: before[f"predicted_{label}"] for label in WORDS}
        assert after["confidence"] == (before["confidence"] if same else "")
        changed += not same
    assert changed
    # What evaluate makes of the plain predictions with the same file.
    figures = [
        json.loads(ran("evaluate", *argv, "--json", "-q").stdout)["metrics"]
        for argv in (["plain.csv", "--thresholds", "t.toml"], ["tuned.csv"])
    ]
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--thresholds", "missing.toml"], "missing.toml: cannot be read"),
        (["--thresholds", "task.toml"], "task.toml: "),
        (["--thresholds", "t.toml", "--no-confidence"], "--thresholds needs log-probabilities"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_asked(here: Path, argv: list[str], message: str) -> None:
    (here / "test.csv").write_text("text\na\n")
    result = run("predict", "test.csv", "--model", "ft:linear:none", *argv)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("predictions.csv").exists()
