"""A report as plain text, for logs and pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.evaluation.report.sentences import (
    COVERAGE_HEADINGS,
    RANKING_HEADINGS,
    calibration_line,
    comparison_tail,
    coverage_cells,
    example_lines,
    head_line,
    notes,
    probability_line,
    ranking_cells,
    shown_metrics,
    spending_lines,
)
from labeltune.evaluation.report.table import classification_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.quality import FieldQuality, Level
    from labeltune.evaluation.report.model import Calibration, Comparison, FieldProbabilities, Report

__all__ = ["format_text"]

_COVERAGE_LAYOUT = "{:>15}{:>12}{:>14}{:>19}{:>13}{:>15}"


def format_text(report: Report) -> str:
    """The whole report; ends without a line end."""
    return "\n".join(_lines(report)).rstrip("\n")


def _lines(report: Report) -> Iterator[str]:
    quality = report.quality
    yield str(report.headline)
    yield ""
    yield head_line(report)
    yield ""
    yield from _figures(quality)
    yield ""
    yield from notes(report)
    for field in quality.fields:
        yield ""
        yield field.shape.name
        yield classification_table(field)
        if len(quality.fields) > 1:
            yield from _figures(field)
        if (probabilities := report.probabilities.get(field.shape.name)) is not None:
            yield probability_line(probabilities)
            yield from _ranking(field, probabilities)
    if report.calibration is not None:
        yield ""
        yield from _confidence(report.calibration)
    for comparison in report.comparisons:
        yield ""
        yield from _comparison(comparison, report)


def _figures(level: Level) -> Iterator[str]:
    names = shown_metrics(level)
    width = max(len(name) for name in names)
    for name in names:
        value = level.metrics[name]
        yield f"{name:>{width}s}  {value:7.4f}{_spread(level.interval(name))}"


def _ranking(field: FieldQuality, probabilities: FieldProbabilities) -> Iterator[str]:
    width = max(len(label) for label in field.shape.labels)
    layout = f"{{:>{width}}}{{:>19}}{{:>17}}{{:>10}}{{:>17}}"
    yield layout.format("", *RANKING_HEADINGS)
    for label, one in zip(field.shape.labels, probabilities.ranking, strict=True):
        yield layout.format(label, *ranking_cells(one))


def _confidence(calibration: Calibration) -> Iterator[str]:
    yield calibration_line(calibration)
    yield _COVERAGE_LAYOUT.format(*COVERAGE_HEADINGS)
    yield from (_COVERAGE_LAYOUT.format(*coverage_cells(line)) for line in calibration.coverage)


def _comparison(comparison: Comparison, report: Report) -> Iterator[str]:
    yield f"Compared with {comparison.other}: {comparison.verdict}."
    differences = comparison.differences(shown_metrics(report.quality))
    width = max(len(name) for name, _ in differences)
    for name, one in differences:
        yield f"{name:>{width}s}  {one.difference:+7.4f}   {one.low:+.4f} to {one.high:+.4f}"
    yield comparison_tail(comparison)
    yield from spending_lines(comparison)
    yield from example_lines(comparison, report.rows)


def _spread(interval: Interval | None) -> str:
    return "" if interval is None else f"   {interval.low:.4f} to {interval.high:.4f}"
