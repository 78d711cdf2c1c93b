"""The words that decided in wrong rows, where the model that answered can still be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import AccessError, LabeltuneError, SettingsError
from labeltune.evaluation.rows import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labeltune.evaluation.predictions import Predictions
    from labeltune.evaluation.report.model import ShownRow, Spent
    from labeltune.files.tables import Table
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["try_reasons"]

_WORDS = 8
_DIGITS = 3
_LOCAL = "local:"
"""How the identity of a local provider begins; its folder follows."""


def try_reasons(
    rows: Mapping[int, ShownRow],
    lines: Iterable[int],
    *,
    predictions: Predictions,
    table: Table,
    task: Task,
    spent: Spent | None,
) -> tuple[dict[int, ShownRow], list[str]]:
    """The rows, by line, with reasons for the valid answers on these lines, from the model that gave them.

    Where it is not known, is gone or cannot say why, the rows as they were and a warning: the report is true
    without.
    """
    try:
        return _with_reasons(rows, lines, predictions, table, task, spent), []
    except LabeltuneError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return dict(rows), [f"no row tells the words that decided: {error}{hint}"]


def _with_reasons(
    rows: Mapping[int, ShownRow],
    lines: Iterable[int],
    predictions: Predictions,
    table: Table,
    task: Task,
    spent: Spent | None,
) -> dict[int, ShownRow]:
    # What asks takes a while to import, and most reports go without.
    from labeltune.prediction.reasons import explain_rows, top_words

    if spent is None or not spent.model:
        raise SettingsError(
            f"which model made {table.source} is not known here",
            hint="evaluate where predict ran, and its output as predict wrote it",
        )
    asked = {line for line in lines if not rows[line].problem}
    places = np.flatnonzero(np.isin(predictions.lines, list(asked)))
    values = fetch(table, places)
    found = explain_rows(
        [values[place] for place in places.tolist()],
        table.header,
        task=task,
        model=spent.model,
        provider=_provider(spent.provider),
    )
    reasons = {
        int(predictions.lines[place]): tuple(
            (word, round(weight, _DIGITS)) for word, weight in top_words(each, _WORDS)
        )
        for place, each in zip(places.tolist(), found, strict=True)
    }
    return {line: replace(row, reasons=reasons.get(line, ())) for line, row in rows.items()}


def _provider(identity: str) -> Provider:
    """The provider that a journal names. Raises `AccessError` for a local one whose folder is gone."""
    from labeltune.providers import resolve_provider

    if not identity.startswith(_LOCAL):
        return resolve_provider(identity)
    folder = Path(identity.removeprefix(_LOCAL))
    if not folder.is_dir():
        raise AccessError(f"the models of {folder} are no longer there")
    return replace(resolve_provider("local"), directory=folder)
