"""What a model's predictions scored, kept in the ledger: `models list` and `runs` show it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from labeltune.errors import LabeltuneError
from labeltune.tuning.ledger import EvaluationEntry, open_ledger

if TYPE_CHECKING:
    import os

    from labeltune.evaluation.metrics.quality import Quality
    from labeltune.evaluation.report.model import Spent
    from labeltune.task import Task

__all__ = ["remember"]


def remember(
    path: str, task: Task, quality: Quality, spent: Spent, *, state: str | os.PathLike[str]
) -> list[str]:
    """Keep what predictions scored whose run is known. Returns a warning where that cannot be kept: the
    report is true without it.
    """
    entry = EvaluationEntry(
        evaluated_at=time.time(),
        predictions=path,
        provider=spent.provider,
        model=spent.model,
        task=task.fingerprint,
        rows=quality.rows,
        metrics={name: float(value) for name, value in quality.metrics.items()},
        intervals={
            name: {"low": float(one.low), "high": float(one.high)}
            for name in quality.intervals
            if (one := quality.interval(name)) is not None
        },
        usd=spent.usd,
    )
    try:
        with open_ledger(state) as ledger:
            ledger.record_evaluation(entry)
    except LabeltuneError as error:
        return [f"the scores are not kept for `labeltune runs`: {error}"]
    return []
