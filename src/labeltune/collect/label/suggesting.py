"""What a model that is there already says of the rows: `predict`, kept like any other run of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.collect.label.ranking import Ranking, margin_of
from labeltune.files.tables import write_table
from labeltune.prediction.predict import predict
from labeltune.task.columns import CONFIDENCE, PROBLEM, predicted_columns, probability_columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from labeltune.collect.label.rows import Rows
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["ask_model"]


def ask_model(
    rows: Rows,
    task: Task,
    model: str,
    provider: Provider,
    *,
    state: Path,
    journal: Path,
    asked: PredictOptions,
    story: Story | None,
) -> Ranking:
    """The model's labels for all rows; answers are kept in `state`, and none is paid for twice.

    `asked` are the options of `predict` that the user chose.

    Raises what `predict` raises.
    """
    wanted = [at for at, column in enumerate(rows.header) if column in task.columns - {*task.label_columns}]
    table, answers = journal.with_suffix(".rows.jsonl"), journal.with_suffix(".answers.jsonl")
    write_table(
        table, [rows.header[at] for at in wanted], ([row.values[at] for at in wanted] for row in rows.rows)
    )
    options = replace(asked, probabilities=True, accept_changes=True, force=True)
    try:
        predict(
            str(table),
            task=task,
            model=model,
            provider=provider,
            output=str(answers),
            options=options,
            story=story,
            state=state,
        )
        with answers.open(encoding="utf-8") as lines:
            return _ranking(task, model, [json.loads(line) for line in lines])
    finally:
        table.unlink(missing_ok=True)
        answers.unlink(missing_ok=True)


def _ranking(task: Task, model: str, answers: list[dict[str, Any]]) -> Ranking:
    margins = np.full(len(answers), np.nan, dtype=np.float32)
    numbers = np.full(len(answers), -1, dtype=np.int32)
    known: dict[Labels, int] = {}
    for place, row in enumerate(answers):
        if row[PROBLEM] not in ("", "unsure"):
            continue
        shares = [_number(row.get(column)) for column in probability_columns(task)]
        numbers[place] = known.setdefault(_labels(task, row), len(known))
        margins[place] = margin_of(task, shares, _number(row.get(CONFIDENCE)))
    return Ranking(model, margins, numbers, list(known))


def _number(cell: Any) -> float | None:
    return None if cell is None or cell == "" else float(cell)


def _labels(task: Task, row: Mapping[str, Any]) -> Labels:
    return tuple(
        (str(row[columns[0]]),)
        if field.type == "single"
        else tuple(
            label for label, column in zip(field.labels, columns, strict=True) if str(row[column]) == "1"
        )
        for field, columns in zip(task.fields, predicted_columns(task), strict=True)
    )
