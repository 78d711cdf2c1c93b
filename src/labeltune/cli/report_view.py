"""A report as a terminal shows it: the figures of the text in tables, with bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.cli.output import Bar, Grid
from labeltune.evaluation.report.sentences import (
    COVERAGE_HEADINGS,
    INTERVAL,
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
from labeltune.evaluation.report.table import HEADERS, average_lines, label_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.evaluation.metrics.quality import FieldQuality, Level
    from labeltune.evaluation.report.model import Calibration, Comparison, FieldProbabilities, Report

__all__ = ["report_blocks"]


def report_blocks(report: Report) -> Iterator[str | Grid]:
    """Sentences and tables, in the order of the text."""
    quality = report.quality
    yield head_line(report)
    yield _figures(quality)
    yield from notes(report)
    for field in quality.fields:
        yield _labels(field)
        if len(quality.fields) > 1:
            yield _figures(field)
        if (probabilities := report.probabilities.get(field.shape.name)) is not None:
            yield probability_line(probabilities)
            yield _ranking(field, probabilities)
    if report.calibration is not None:
        yield calibration_line(report.calibration)
        yield _coverage(report.calibration)
    for comparison in report.comparisons:
        yield f"Compared with {comparison.other}: {comparison.verdict}."
        yield _differences(comparison, shown_metrics(quality))
        yield comparison_tail(comparison)
        yield from spending_lines(comparison)
        yield from example_lines(comparison, report.rows)


def _figures(level: Level) -> Grid:
    rows: list[tuple[str | Bar, ...]] = []
    for name in shown_metrics(level):
        value, interval = level.metrics[name], level.interval(name)
        low, high = (value, value) if interval is None else (interval.low, interval.high)
        spread = "" if interval is None else f"{low:.4f} to {high:.4f}"
        rows.append((name, f"{value:.4f}", spread, Bar(value, low, high)))
    return Grid(("metric", "value", INTERVAL, "0 to 1"), tuple(rows))


def _labels(field: FieldQuality) -> Grid:
    lows, highs = field.score_intervals.get("f1", (field.scores.f1, field.scores.f1))
    rows: list[tuple[str | Bar, ...]] = [
        (
            line.name,
            line.precision,
            line.recall,
            line.f1,
            line.support,
            Bar(float(field.scores.f1[place]), float(lows[place]), float(highs[place])),
        )
        for place, line in enumerate(label_lines(field))
    ]
    rows.append(("", "", "", "", "", ""))
    rows += [
        (line.name, line.precision, line.recall, line.f1, line.support, "") for line in average_lines(field)
    ]
    return Grid(("label", *HEADERS, "f1, 0 to 1"), tuple(rows), title=field.shape.name)


def _ranking(field: FieldQuality, probabilities: FieldProbabilities) -> Grid:
    rows = zip(field.shape.labels, probabilities.ranking, strict=True)
    return Grid(("label", *RANKING_HEADINGS), tuple((label, *ranking_cells(one)) for label, one in rows))


def _coverage(calibration: Calibration) -> Grid:
    return Grid(COVERAGE_HEADINGS, tuple(coverage_cells(line) for line in calibration.coverage))


def _differences(comparison: Comparison, names: list[str]) -> Grid:
    return Grid(
        ("metric", "difference", INTERVAL),
        tuple(
            (name, f"{one.difference:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}")
            for name, one in comparison.differences(names)
        ),
    )
