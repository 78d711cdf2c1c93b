"""What was trained and evaluated in a folder, from its ledger alone: nothing is asked of a provider."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.tuning.ledger import FILE_NAME, STATE_FOLDER, open_ledger

if TYPE_CHECKING:
    import os

    from labeltune.tuning.ledger import EvaluationEntry, JobEntry

__all__ = ["HEADLINE", "Run", "list_runs"]

HEADLINE = "macro_f1"
"""The metric that stands for an evaluation where there is room for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training with the last evaluation of its model, or a model that was evaluated here only."""

    at: float
    """seconds since the epoch"""
    provider: str
    data: str | None
    rows: int | None
    task: str | None
    base_model: str | None
    model: str | None
    job: str | None
    evaluated: EvaluationEntry | None
    training_usd: float | None

    @property
    def usd(self) -> float | None:
        """What the training and the evaluated predictions cost, as far as it is known."""
        prediction = None if self.evaluated is None else self.evaluated.usd
        known = [usd for usd in (self.training_usd, prediction) if usd is not None]
        return sum(known) if known else None

    def document(self) -> dict[str, Any]:
        """The run as JSON values."""
        evaluated = self.evaluated
        shown = None
        if evaluated is not None:
            shown = {
                "at": evaluated.evaluated_at,
                "predictions": evaluated.predictions,
                "rows": evaluated.rows,
                "task": evaluated.task,
            }
        values = asdict(self)
        del values["evaluated"]
        return {
            **values,
            "evaluated": shown,
            "metrics": None if evaluated is None else evaluated.metrics,
            "intervals": None if evaluated is None else evaluated.intervals,
            "prediction_usd": None if evaluated is None else evaluated.usd,
            "cost_usd": self.usd,
        }


def list_runs(state: str | os.PathLike[str] = STATE_FOLDER, *, limit: int) -> list[Run]:
    """The newest runs of a folder, newest first. Raises as `open_ledger` does."""
    if not (Path(state) / FILE_NAME).exists():
        return []
    with open_ledger(state) as ledger:
        jobs, evaluations = ledger.all_jobs(), ledger.evaluations()
    scores = {(one.provider, one.model): one for one in evaluations}
    runs = [_trained(provider, job, scores.pop((provider, job.model or ""), None)) for provider, job in jobs]
    runs += [_evaluated(one) for one in scores.values()]
    return sorted(runs, key=lambda run: -run.at)[:limit]


def _trained(provider: str, job: JobEntry, score: EvaluationEntry | None) -> Run:
    return Run(
        at=job.intended_at,
        provider=provider,
        data=job.data,
        rows=job.rows,
        task=job.task,
        base_model=job.base_model,
        model=job.model,
        job=job.job_id,
        evaluated=score,
        training_usd=job.usd,
    )


def _evaluated(one: EvaluationEntry) -> Run:
    return Run(
        at=one.evaluated_at,
        provider=one.provider,
        data=None,
        rows=None,
        task=one.task,
        base_model=None,
        model=one.model,
        job=None,
        evaluated=one,
        training_usd=None,
    )
