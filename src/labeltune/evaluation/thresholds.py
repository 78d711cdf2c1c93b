"""Choose thresholds on predictions for validation data: the use case behind `labeltune thresholds`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import SettingsError
from labeltune.evaluation.metrics.tuning import choose_threshold
from labeltune.evaluation.predictions import require_probabilities
from labeltune.evaluation.reading import read_predictions
from labeltune.evaluation.written import open_predictions
from labeltune.files.threshold_file import Thresholds, TunedOn, row_sample
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.evaluation.metrics.tuning import Choice
    from labeltune.task import Task

__all__ = ["Tuning", "tune_thresholds"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """Thresholds, and what each label scores with its own on the rows that it was chosen on."""

    thresholds: Thresholds
    choices: Mapping[str, Mapping[str, Choice]]


def tune_thresholds(
    path: str, task: Task, *, min_precision: float | None = None, read: ReadOptions = NOTHING_TOLD
) -> Tuning:
    """Choose the threshold of every label of the task's multi fields: the best F1, or recall at a precision.

    Raises `SettingsError` for a task without a multi field, `DataError` for a table without probabilities.
    """
    fields = [field for field in task.fields if field.type == "multi"]
    if not fields:
        raise SettingsError(
            f"{task.source}: thresholds are for multi fields, and the task has none",
            hint="a single field always takes the likeliest label",
        )
    with open_predictions(path, task, read) as table:
        predictions = read_predictions(table, task)
        sha256 = table.sha256()
    probabilities = require_probabilities(predictions, task)
    given = ~np.isnan(probabilities).any(axis=1)
    true = predictions.pairs.true[predictions.patterns.inverse[given]]
    choices = {
        field.name: {
            label: choose_threshold(true[:, place], probabilities[given, place], min_precision=min_precision)
            for place, label in enumerate(field.labels, task.slices[field.name].start)
        }
        for field in fields
    }
    objective = "f1" if min_precision is None else f"recall at precision >= {min_precision:g}"
    tuned_on = TunedOn(
        name=Path(path).name,
        sha256=sha256,
        rows=int(given.sum()),
        sample=row_sample(predictions.texts[given].tolist()),
    )
    levels = {
        name: {label: choice.threshold for label, choice in labels.items()}
        for name, labels in choices.items()
    }
    return Tuning(Thresholds(objective, tuned_on, levels), choices)
