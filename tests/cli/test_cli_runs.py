"""`labeltune runs`: what was trained and evaluated in a folder."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from cli.remote import LABELS, document, here, ran
from labeltune.task import read_task
from labeltune.tuning.ledger import open_ledger
from labeltune.tuning.ledger_tables import _ADDED

__all__ = ["here"]


def test_nothing_yet(here: Path) -> None:
    result = ran("runs")
    assert result.stdout == ""
    assert "nothing was trained" in result.stderr
    assert document(ran("runs", "--json")) == {"runs": []}
    assert not Path(".labeltune").exists(), "looking makes nothing"


def test_a_row_for_each_training_with_its_last_scores(here: Path) -> None:
    model = ran("train", "train.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    second = ran("train", "train.jsonl", "--model", "linear", "--epochs", "2", "-q").stdout.strip()
    rows = [json.loads(line)["messages"] for line in Path("valid.jsonl").read_text().splitlines()]
    lines = [f"{row[1]['content']},{row[2]['content']}" for row in rows]
    Path("test.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    ran("predict", "test.csv", "--model", model, "--accept-changes", "-q")
    ran("evaluate", "predictions.csv", "--bootstrap", "0", "-q")
    report = document(ran("evaluate", "predictions.csv", "--json", "-q"))

    newer, older = document(ran("runs", "--json"))["runs"]
    assert (newer["model"], newer["metrics"], newer["intervals"]) == (second, None, None)
    fingerprint = read_task("task.toml").fingerprint
    expected = {
        "model": model,
        "data": "train.jsonl",
        "rows": 30,
        "base_model": "linear",
        "task": fingerprint,
    }
    assert {key: older[key] for key in expected} == expected
    assert older["metrics"] == report["metrics"]
    assert older["intervals"] == report["intervals"] | report["exact_intervals"]
    assert older["evaluated"]["predictions"] == "predictions.csv"
    assert older["cost_usd"] == 0.0
    shown = ran("runs").stdout.splitlines()
    assert [line.split()[0] for line in shown] == [second, model]
    assert f"{report['metrics']['macro_f1']:.3f} (" in shown[1]
    assert [line.split()[0] for line in ran("runs", "--limit", "1").stdout.splitlines()] == [second]


def test_predictions_of_nobody_known_are_not_remembered(here: Path) -> None:
    one, two = LABELS[:2]
    Path("p.csv").write_text(f"text,label,predicted_intent\na,{one},{one}\nb,{two},{two}\n")
    Path(".labeltune").mkdir()
    ran("evaluate", "p.csv", "-q")
    assert document(ran("runs", "--json")) == {"runs": []}


def test_a_ledger_of_the_first_version_is_brought_up(here: Path) -> None:
    model = ran("train", "train.jsonl", "--model", "linear", "--epochs", "1", "-q").stdout.strip()
    with sqlite3.connect(".labeltune/ledger.db") as connection:
        connection.execute("DROP TABLE evaluations")
        for column in ("data", "rows", "usd"):
            assert column in _ADDED
            connection.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    (one,) = document(ran("runs", "--json"))["runs"]
    assert (one["model"], one["data"], one["rows"]) == (model, None, None)
    with open_ledger() as ledger:
        assert ledger.evaluations() == []
