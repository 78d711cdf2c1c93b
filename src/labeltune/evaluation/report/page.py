"""A report as one HTML page that needs nothing else: no outside address, no script that is not its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labeltune.evaluation.metrics.ranking import RANKING_METRICS
from labeltune.evaluation.report.drawing import heat_map, lines_chart, reliability_points
from labeltune.evaluation.report.meanings import MEANINGS
from labeltune.evaluation.report.model import Curve
from labeltune.evaluation.report.sentences import (
    COVERAGE_HEADINGS,
    calibration_line,
    coverage_cells,
    facts,
    invalid_line,
    named,
    notes,
    probability_line,
    shown_metrics,
    spending_lines,
)
from labeltune.evaluation.report.table import confusions, worst_first
from labeltune.pages import render

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeltune.evaluation.metrics.quality import FieldQuality
    from labeltune.evaluation.report.model import FieldProbabilities, Report, ShownRow

__all__ = ["MAX_DATA_BYTES", "format_html", "report_data"]

MAX_DATA_BYTES = 2_000_000
"""How much of the page the texts of wrong rows may take."""
SHOWN_CONFUSIONS, SHOWN_ONCE = 25, 100
"""How many confusions are shown: of several rows, and of a single one, which are folded."""
SMALL_CURVES = 24
"""How many labels get a curve of their own: those with the lowest average precision."""
SHOWN_CURVES = 6
"""How many of them are to be seen at once."""


def format_html(report: Report) -> str:
    """The page. Everything in it that comes from data is escaped, or stands in a block of JSON."""
    return render(
        "report",
        {
            "report": report,
            "quality": report.quality,
            "facts": facts(report),
            "invalid": invalid_line(report.quality, report.problems),
            "meanings": MEANINGS,
            "fields": [
                _field(field, report.probabilities.get(field.shape.name)) for field in report.quality.fields
            ],
            "reliability": None
            if report.calibration is None
            else reliability_points(report.calibration.bins),
            "unit": lines_chart("", {}, x_range=(0, 1), y_range=(0, 1)),
            "training": _training(report),
            "ranking_metrics": RANKING_METRICS,
            "few": SHOWN_CURVES,
            "coverage_headings": COVERAGE_HEADINGS,
            "data": report_data(report),
        },
        filters=_FILTERS,
    )


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "calibration": calibration_line,
    "coverage": coverage_cells,
    "sentence": probability_line,
    "named": named,
    "notes": notes,
    "spending": spending_lines,
    "shown_metrics": shown_metrics,
}


def _field(field: FieldQuality, probabilities: FieldProbabilities | None) -> dict[str, Any]:
    """What the template needs of one field."""
    scores = field.scores
    ranking = None if probabilities is None else probabilities.ranking
    found = confusions(field)
    return {
        "name": field.shape.name,
        "single": field.shape.single,
        "level": field,
        "labels": [
            {
                "name": field.shape.labels[place],
                "precision": float(scores.precision[place]),
                "recall": float(scores.recall[place]),
                "f1": float(scores.f1[place]),
                "low": _bound(field, place, 0),
                "high": _bound(field, place, 1),
                "support": int(scores.support[place]),
                "predicted": int(field.totals.pred[place]),
                "ranking": None if ranking is None else ranking[place],
            }
            for place in worst_first(field)
        ],
        "ranked": ranking is not None,
        "heat": heat_map(field),
        "confusions": [one for one in found if one[2] > 1][:SHOWN_CONFUSIONS],
        "once": [one for one in found if one[2] == 1][:SHOWN_ONCE],
        "probabilities": probabilities,
        "curves": [] if probabilities is None else _curves(field, probabilities),
    }


def _bound(field: FieldQuality, place: int, side: int) -> float | None:
    return float(field.score_intervals["f1"][side][place]) if "f1" in field.score_intervals else None


def _curves(field: FieldQuality, probabilities: FieldProbabilities) -> list[Any]:
    """A precision–recall chart for each of the labels that are ranked worst."""
    drawn = [
        (one.average_precision or 0.0, label, curve)
        for label, one, curve in zip(
            field.shape.labels, probabilities.ranking, probabilities.curves, strict=True
        )
        if curve is not None
    ]
    drawn.sort(key=lambda item: item[0])
    return [
        lines_chart(
            f"{label} (average precision {precision:.3f})",
            {label: curve},
            x_range=(0, 1),
            y_range=(0, 1),
        )
        for precision, label, curve in drawn[:SMALL_CURVES]
    ]


def _training(report: Report) -> list[Any]:
    """One chart for losses and one for the other figures."""
    if report.training is None:
        return []
    groups: dict[str, dict[str, Curve]] = {"Loss": {}, "Accuracy": {}}
    for name, curve in report.training.series.items():
        groups["Loss" if "loss" in name else "Accuracy"][name] = _thinned(curve)
    return [lines_chart(title, curves) for title, curves in groups.items() if curves]


def _thinned(curve: Curve, points: int = 500) -> Curve:
    step = max(1, len(curve.x) // points)
    return Curve(curve.x[::step], curve.y[::step])


def _surest_first(row: ShownRow) -> float:
    """A row without a confidence comes last."""
    return 1.0 if row.confidence is None else -row.confidence


def report_data(report: Report) -> dict[str, Any]:
    """The wrong rows, for the page's script, the surest answers first; as many as there is room for.

    A row is a list: line, id, text, true labels, predicted ones, problem, confidence, unsure, and where they
    are known the reasons, `[[word, weight], …]`.
    """
    labels = {
        label: place
        for place, label in enumerate(
            dict.fromkeys(label for field in report.quality.fields for label in field.shape.labels)
        )
    }
    rows: list[list[Any]] = []
    room = MAX_DATA_BYTES
    for row in sorted((report.rows[line] for line in report.errors), key=_surest_first):
        entry = [
            row.line,
            row.id,
            row.text,
            [labels[label] for label in row.true],
            [labels[label] for label in row.predicted],
            row.problem,
            row.confidence,
            row.unsure,
            *([row.reasons, row.file] if row.file else [row.reasons] if row.reasons else []),
        ]
        # Escaped for HTML, a character may take six bytes.
        room -= len(json.dumps(entry, ensure_ascii=True))
        if room < 0:
            break
        rows.append(entry)
    return {"labels": list(labels), "rows": rows}
