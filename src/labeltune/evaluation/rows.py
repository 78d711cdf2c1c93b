"""Rows that a person should see, fetched from the table once it is known which."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.predictions import UNNAMED_PROBLEM
from labeltune.evaluation.report.model import ShownRow
from labeltune.evaluation.second_guess import SecondGuesses
from labeltune.files.tables import UnusualTableError, neutralise
from labeltune.files.writing import atomic_write
from labeltune.task.columns import PROBLEM, UNSURE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.evaluation.metrics.patterns import IntArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.tables import Table
    from labeltune.task import Task

__all__ = ["SHOWN_ERRORS", "fetch", "pick_errors", "show_rows", "write_review"]

SHOWN_ERRORS = 2_000
"""How many wrong rows a report holds at most."""
_TEXT_LENGTH = 600


def pick_errors(predictions: Predictions, *, count: int = SHOWN_ERRORS) -> IntArray:
    """The places of wrong rows, in the order of the file; if there are too many, the surest, a quarter of the
    room, and some of every kind.
    """
    wrong = np.flatnonzero(~predictions.pairs.right[predictions.patterns.inverse])
    surest = wrong[:0]
    if predictions.confidence is not None and len(wrong) > count:
        ranked = np.argsort(-predictions.confidence[wrong], kind="stable")  # NaN comes last
        surest = wrong[ranked[: count // 4]]
        wrong = np.setdiff1d(wrong, surest)
    return np.sort(np.append(surest, _spread(wrong, predictions.patterns.inverse, count - len(surest))))


def _spread(rows: IntArray, patterns: IntArray, count: int) -> IntArray:
    """The first `count` of `rows` when their patterns take turns."""
    by_pattern = rows[np.argsort(patterns[rows], kind="stable")]
    kinds = patterns[by_pattern]
    starts = np.flatnonzero(np.append(True, kinds[1:] != kinds[:-1])) if len(kinds) else kinds
    turn = np.arange(len(kinds)) - np.repeat(starts, np.diff(np.append(starts, len(kinds))))
    picked: IntArray = by_pattern[np.argsort(turn, kind="stable")][:count]
    return picked


def fetch(table: Table, wanted: IntArray) -> dict[int, list[str]]:
    """The values of the rows at these places, in the order of the file."""
    with suppress(UnusualTableError):
        return _fetch_from_blocks(table, np.sort(wanted))
    places = set(wanted.tolist())
    return {place: list(values) for place, (_, values) in enumerate(table) if place in places}


def _fetch_from_blocks(table: Table, wanted: IntArray) -> dict[int, list[str]]:
    """The same for places in rising order. Raises `UnusualTableError`."""
    found: dict[int, list[str]] = {}
    start = 0
    for block in table.blocks():
        first, last = np.searchsorted(wanted, [start, start + len(block)])
        found |= {place: block.row(place - start) for place in wanted[first:last].tolist()}
        start += len(block)
    return found


def show_rows(
    predictions: Predictions, table: Table, task: Task, lines: Iterable[int]
) -> dict[int, ShownRow]:
    """The rows that begin on these lines, by line."""
    places = np.flatnonzero(np.isin(predictions.lines, list(lines)))
    columns = [table.header.index(column) for column in task.text]
    problem = table.header.index(PROBLEM) if PROBLEM in table.header else None
    shown = {}
    for place, values in fetch(table, places).items():
        confidence = np.nan if predictions.confidence is None else predictions.confidence[place]
        valid = predictions.pairs.valid[predictions.patterns.inverse[place]]
        line = int(predictions.lines[place])
        shown[line] = ShownRow(
            line=line,
            id="" if predictions.ids is None else predictions.ids[place],
            text=_shortened("\n\n".join(values[column].strip() for column in columns)),
            true=predictions.true(place),
            predicted=predictions.predicted(place),
            problem="" if valid else (problem is not None and values[problem]) or UNNAMED_PROBLEM,
            confidence=None if np.isnan(confidence) else float(confidence),
            unsure=bool(predictions.unsure[place]),
        )
    return shown


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"


def write_review(predictions: Predictions, table: Table, task: Task, *, below: float, path: str) -> int:
    """Write the rows whose confidence is below a limit, and unsure ones, as CSV; returns how many.

    Beside the table's columns stand those of `SecondGuesses`, which `labeltune merge` reads. The lowest
    confidence comes first; before it rows without a valid answer or without a confidence.
    """
    confidence = predictions.confidence
    if confidence is None:
        confidence = np.full(predictions.rows, np.nan)
    valid = predictions.pairs.valid[predictions.patterns.inverse]
    sure = np.where(valid & ~np.isnan(confidence), confidence, -1.0)
    wanted = np.flatnonzero((sure < below) | predictions.unsure)
    wanted = wanted[np.argsort(sure[wanted], kind="stable")]
    rows = fetch(table, wanted)
    problem = table.header.index(PROBLEM) if PROBLEM in table.header else None
    guesses = SecondGuesses(predictions, task, table.header)
    # What was safe to open in a spreadsheet stays so.
    marked = neutralise if table.marked else list
    with atomic_write(path) as handle:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(marked([*table.header, *guesses.columns]))
        for place in wanted.tolist():
            if problem is not None and valid[place]:
                rows[place][problem] = UNSURE if predictions.unsure[place] else ""
            writer.writerow(marked([*rows[place], *guesses.cells(place)]))
        text.detach()
    return len(wanted)
