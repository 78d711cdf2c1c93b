"""A report as the JSON document that the contract fixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.metrics.intervals import Interval
    from labeltune.metrics.quality import FieldQuality
    from labeltune.report.model import Report

__all__ = ["report_document"]


def report_document(report: Report) -> dict[str, Any]:
    """Plain values, ready for `json.dumps`; keys are never renamed, only added."""
    quality = report.quality
    return {
        "rows": quality.rows,
        "invalid": quality.invalid,
        "invalid_rate": quality.invalid_rate,
        "invalid_rate_interval": _interval(quality.invalid_interval),
        "problems": dict(report.problems),
        "metrics": dict(quality.metrics),
        "intervals": _intervals(quality.intervals),
        "interval_method": {"bootstrap": quality.bootstrap, "seed": quality.seed, "level": 0.95},
        "fields": {field.shape.name: _field(field) for field in quality.fields},
        "comparisons": [],
        "gates": [
            {
                "name": gate.name,
                "asked": gate.asked,
                "measured": gate.measured,
                "interval": None if gate.interval is None else _interval(gate.interval),
                "passed": gate.passed,
            }
            for gate in report.gates
        ],
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}


def _intervals(intervals: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: _interval(interval) for name, interval in intervals.items()}


def _field(field: FieldQuality) -> dict[str, Any]:
    return {
        "metrics": dict(field.metrics),
        "intervals": _intervals(field.intervals),
        "labels": {label: _label(field, place) for place, label in enumerate(field.shape.labels)},
        "confusion": _confusion(field),
    }


def _label(field: FieldQuality, place: int) -> dict[str, Any]:
    scores = field.scores
    return {
        "precision": float(scores.precision[place]),
        "recall": float(scores.recall[place]),
        "f1": float(scores.f1[place]),
        "support": int(scores.support[place]),
        "intervals": {
            name: {"low": float(low[place]), "high": float(high[place])}
            for name, (low, high) in field.score_intervals.items()
        },
    }


def _confusion(field: FieldQuality) -> dict[str, Any]:
    """For a single field true by predicted label, null for no answer; for a multi field four counts."""
    labels = list(field.shape.labels)
    if field.confusion is not None:
        return {"true": labels, "predicted": [*labels, None], "counts": field.confusion.tolist()}
    totals = field.totals
    counts = {
        "true_positives": totals.tp,
        "false_positives": totals.pred - totals.tp,
        "false_negatives": totals.true - totals.tp,
        "true_negatives": totals.rows - totals.true - totals.pred + totals.tp,
    }
    return {
        label: {name: int(count[place]) for name, count in counts.items()}
        for place, label in enumerate(labels)
    }
