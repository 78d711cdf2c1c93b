"""Rows that a person should see, fetched from the table once it is known which."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from labeltune.files import atomic_write
from labeltune.report.model import ShownRow

if TYPE_CHECKING:
    from labeltune.evaluate.predictions import Predictions
    from labeltune.metrics.patterns import IntArray
    from labeltune.tables import Table
    from labeltune.task import Task

__all__ = ["SHOWN_ERRORS", "shown_errors", "write_review"]

SHOWN_ERRORS = 2_000
"""How many wrong rows a report holds at most."""
_TEXT_LENGTH = 600


def shown_errors(
    predictions: Predictions, table: Table, task: Task, *, count: int = SHOWN_ERRORS
) -> tuple[ShownRow, ...]:
    """Wrong rows, in the order of the file; if there are too many, some of every kind of error."""
    wrong = np.flatnonzero(~predictions.pairs.right[predictions.patterns.inverse])
    wanted = np.sort(_spread(wrong, predictions.patterns.inverse, count))
    rows = _fetch(table, wanted)
    return tuple(_shown(predictions, place, values, task, table.header) for place, values in rows.items())


def _spread(rows: IntArray, patterns: IntArray, count: int) -> IntArray:
    """The first `count` of `rows` when their patterns take turns."""
    by_pattern = rows[np.argsort(patterns[rows], kind="stable")]
    kinds = patterns[by_pattern]
    starts = np.flatnonzero(np.append(True, kinds[1:] != kinds[:-1])) if len(kinds) else kinds
    turn = np.arange(len(kinds)) - np.repeat(starts, np.diff(np.append(starts, len(kinds))))
    picked: IntArray = by_pattern[np.argsort(turn, kind="stable")][:count]
    return picked


def _fetch(table: Table, wanted: IntArray) -> dict[int, list[str]]:
    """The values of the rows at these places, in the order of the file."""
    places = set(wanted.tolist())
    return {place: list(values) for place, (_, values) in enumerate(table) if place in places}


def _shown(
    predictions: Predictions, place: int, values: list[str], task: Task, header: tuple[str, ...]
) -> ShownRow:
    text = "\n\n".join(values[header.index(column)].strip() for column in task.text)
    line = predictions.pairs[predictions.patterns.inverse[place : place + 1]]
    labels = np.array(task.labels, dtype=object)
    confidence = predictions.confidence
    sure = None if confidence is None or np.isnan(confidence[place]) else float(confidence[place])
    cells = dict(zip(header, values, strict=False))
    return ShownRow(
        line=int(predictions.lines[place]),
        id="" if predictions.ids is None else predictions.ids[place],
        text=text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…",
        true=tuple(labels[line.true[0]]),
        predicted=tuple(labels[line.pred[0]]),
        problem="" if line.valid[0] else cells.get("problem") or "no answer",
        confidence=sure,
    )


def write_review(predictions: Predictions, table: Table, *, below: float, path: str) -> int:
    """Write the rows whose confidence is below a limit as CSV, lowest first; returns how many.

    Rows without a valid answer or without a confidence come first of all.
    """
    confidence = predictions.confidence
    if confidence is None:
        confidence = np.full(predictions.rows, np.nan)
    valid = predictions.pairs.valid[predictions.patterns.inverse]
    sure = np.where(valid & ~np.isnan(confidence), confidence, -1.0)
    wanted = np.flatnonzero(sure < below)
    wanted = wanted[np.argsort(sure[wanted], kind="stable")]
    rows = _fetch(table, wanted)
    with atomic_write(path) as handle:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.header)
        writer.writerows(rows[place] for place in wanted.tolist())
        text.detach()
    return len(wanted)
