"""Which wrong rows a report shows where there are too many, and in which order."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.evaluate import EvaluateOptions, evaluate
from labeltune.evaluation.reading import read_predictions
from labeltune.evaluation.report.page import report_data
from labeltune.evaluation.rows import pick_errors
from labeltune.files.tables import open_table
from tasks import INTENT

if TYPE_CHECKING:
    from pathlib import Path

LABELS = INTENT.labels


def written(path: Path) -> str:
    """400 wrong rows, most of one kind; the confidence rises with the row, of the last three none is known."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "predicted_intent", "confidence"])
        for row in range(400):
            said = LABELS[2] if row % 40 == 0 else LABELS[1]
            writer.writerow([f"text {row}", LABELS[0], said, "" if row >= 397 else f"{row / 400}"])
    return str(path)


def test_the_surest_mistakes_are_always_among_them(tmp_path: Path) -> None:
    with open_table(written(tmp_path / "p.csv")) as table:
        predictions = read_predictions(table, INTENT)
    picked = pick_errors(predictions, count=40)
    assert len(set(picked.tolist())) == 40
    assert set(range(387, 397)) <= set(picked.tolist())
    rare = [row for row in picked.tolist() if row % 40 == 0]
    assert len(rare) >= 9
    assert np.array_equal(pick_errors(predictions), np.arange(400))


def test_the_surest_come_first_and_those_without_a_confidence_last(tmp_path: Path) -> None:
    report = evaluate(
        written(tmp_path / "p.csv"), INTENT, EvaluateOptions(bootstrap=0, errors=True, date="2026-01-31")
    )
    rows = report_data(report)["rows"]
    lines = [row[0] for row in rows]
    assert lines[:3] == [398, 397, 396]
    assert lines[-3:] == [399, 400, 401]
    assert all(len(row) == 8 for row in rows)
