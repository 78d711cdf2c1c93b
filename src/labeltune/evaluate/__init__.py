"""Compare what was predicted with what is true: the use case behind `labeltune evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labeltune.evaluate.gates import Gate, check_gates
from labeltune.evaluate.predictions import Predictions, read_predictions
from labeltune.evaluate.shapes import shapes_of
from labeltune.metrics.quality import BOOTSTRAP, SEED, measure
from labeltune.report.model import Report

if TYPE_CHECKING:
    from labeltune.task import Task

__all__ = ["EvaluateOptions", "Gate", "Predictions", "evaluate", "read_predictions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked for besides the figures."""

    bootstrap: int = BOOTSTRAP
    seed: int = SEED
    gates: tuple[Gate, ...] = ()


def evaluate(path: str, task: Task, options: EvaluateOptions | None = None) -> Report:
    """Measure the predictions in a table.

    Raises `DataError` for a table that lacks columns or holds what is no label, and `SettingsError` for a
    gate on something that is not measured.
    """
    options = options or EvaluateOptions()
    predictions = read_predictions(path, task)
    quality = measure(
        predictions.pairs,
        predictions.patterns,
        shapes_of(task),
        bootstrap=options.bootstrap,
        seed=options.seed,
    )
    report = Report(source=path, quality=quality, problems=predictions.problems)
    return replace(report, gates=check_gates(options.gates, quality))
