"""A report as the JSON document that the contract fixes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from labeltune.evaluation.metrics.intervals import LEVEL
from labeltune.evaluation.metrics.ranking import RANKING_METRICS
from labeltune.evaluation.report.sentences import few_row_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.quality import FieldQuality
    from labeltune.evaluation.report.headline import Headline
    from labeltune.evaluation.report.model import (
        Calibration,
        Comparison,
        FieldProbabilities,
        HumanRows,
        OtherAnswer,
        Report,
        ShownRow,
        Spent,
        SureAnswers,
    )
    from labeltune.evaluation.report.shares import Share

__all__ = ["report_document"]


def report_document(report: Report) -> dict[str, Any]:
    """Plain values, ready for `json.dumps`; keys are never renamed, only added."""
    quality = report.quality
    return {
        "headline": _headline(report.headline),
        "rows": quality.rows,
        "invalid": quality.invalid,
        "invalid_rate": quality.invalid_rate,
        "invalid_rate_interval": _interval(quality.invalid_interval),
        "problems": dict(report.problems),
        "metrics": dict(quality.metrics),
        "intervals": _intervals(quality.intervals),
        "exact_intervals": _intervals(quality.exact),
        "interval_method": {
            "bootstrap": quality.bootstrap,
            "seed": quality.seed,
            "level": LEVEL,
            "method": "bias-corrected percentiles, one row more",
            "means_over_labels": "Wilson, effective sample size by empirical Bayes",
            "exact": "Clopper-Pearson",
            "few_rows": [field.shape.name for field in quality.fields if field.few_rows],
        },
        "fields": {
            field.shape.name: _field(field, report.probabilities.get(field.shape.name))
            for field in quality.fields
        },
        "thresholds": report.tuned_on,
        "unsure": None if report.sure is None else _sure(report.sure),
        "human_rows": None if report.human is None else _human(report.human),
        "calibration": None if report.calibration is None else _calibration(report.calibration),
        "reviewed": report.reviewed,
        "cost": _spent(report.spent),
        "comparisons": [_comparison(comparison, report) for comparison in report.comparisons],
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
        "warnings": [*report.warnings, *few_row_lines(quality)],
    }


def _headline(headline: Headline) -> dict[str, Any]:
    checked = headline.checked
    return {
        "text": str(headline),
        "right": _share(headline.right),
        "checked": None
        if checked is None
        else {
            "rows": checked.rows if checked.rest is not None else None,
            "chosen": checked.chosen if checked.rest is not None else None,
            "rest": None if checked.rest is None else _share(checked.rest),
            "promised": checked.promised if checked.chosen == "promise" else None,
        },
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}


def _intervals(intervals: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    return {name: _interval(interval) for name, interval in intervals.items()}


def _field(field: FieldQuality, probabilities: FieldProbabilities | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "metrics": dict(field.metrics),
        "intervals": _intervals(field.intervals),
        "exact_intervals": _intervals(field.exact),
        "labels": {label: _label(field, place) for place, label in enumerate(field.shape.labels)},
        "confusion": _confusion(field),
    }
    if probabilities is not None:
        macro = probabilities.macro
        document["probabilities"] = {
            "rows": probabilities.rows,
            **{name: macro.value(name) for name in RANKING_METRICS},
            "log_loss": probabilities.log_loss.mean,
            "brier": probabilities.brier.mean,
            "intervals": {
                name: _interval(interval)
                for name, (_, interval) in probabilities.figures.items()
                if interval is not None
            },
            "interval_method": {
                **dict.fromkeys(RANKING_METRICS, "bootstrap"),
                **dict.fromkeys(("log_loss", "brier"), "normal"),
            },
            "resampled_groups": probabilities.groups,
        }
        for label, one in zip(field.shape.labels, probabilities.ranking, strict=True):
            document["labels"][label] |= {name: one.value(name) for name in RANKING_METRICS}
            document["labels"][label]["intervals"] |= _intervals(one.intervals)
    return document


def _human(human: HumanRows) -> dict[str, Any]:
    return {
        "rows": human.rows,
        "metrics": dict(human.quality.metrics),
        "intervals": _intervals(human.quality.intervals),
        "exact_intervals": _intervals(human.quality.exact),
    }


def _sure(sure: SureAnswers) -> dict[str, Any]:
    limit = sure.limit
    return {
        "rows": sure.unsure,
        "below": None if limit is None else limit.below,
        "promised": None if limit is None else {"accuracy": limit.accuracy, "probability": limit.probability},
        "coverage": _share(sure.coverage),
        "accuracy": None if sure.accuracy is None else _share(sure.accuracy),
        "accuracy_of_all": _share(sure.accuracy_of_all),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "rows": share.count,
        "of": share.of,
        "share": share.value,
        "interval": _interval(share.interval),
    }


def _calibration(calibration: Calibration) -> dict[str, Any]:
    return {
        "rows": calibration.rows,
        "expected_error": calibration.error,
        "expected_error_interval": None if calibration.interval is None else _interval(calibration.interval),
        "bins": [asdict(one) for one in calibration.bins],
        "coverage": [asdict(line) for line in calibration.coverage],
    }


def _comparison(comparison: Comparison, report: Report) -> dict[str, Any]:
    result = comparison.result
    return {
        "other": comparison.other,
        "rows": result.rows,
        "differences": {name: asdict(one) for name, one in comparison.differences(result.differences)},
        "mcnemar": {
            "p": result.p,
            "p_holm": comparison.p_holm,
            "won": result.won,
            "lost": result.lost,
        },
        "examples": {
            name: [_example(answer, report.rows[answer.line], texts=report.texts) for answer in answers]
            for name, answers in (("won", comparison.won), ("lost", comparison.lost))
        },
        "cost": {"predictions": _spent(comparison.spent), "other": _spent(comparison.spent_there)},
        "verdict": comparison.verdict,
    }


def _spent(spent: Spent | None) -> dict[str, Any] | None:
    return None if spent is None else asdict(spent)


def _example(answer: OtherAnswer, row: ShownRow, *, texts: bool) -> dict[str, Any]:
    return {
        **({"file": row.file} if row.file else {}),
        "line": row.line,
        "id": row.id or None,
        "text": row.text if texts else None,
        "true": list(row.true),
        "predicted": None if row.problem else list(row.predicted),
        "other": list(answer.predicted) if answer.valid else None,
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
    if field.shape.single:
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
