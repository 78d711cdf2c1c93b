"""A report as a terminal shows it: a summary first, tables with bars after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labeltune.cli.output import Bar, Grid, Line
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
    short_notes,
    shown_metrics,
    spending_lines,
)
from labeltune.evaluation.report.table import HEADERS, average_lines, confusions, label_lines, worst_first
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.cli.output import Block
    from labeltune.evaluation.metrics.quality import FieldQuality, Level
    from labeltune.evaluation.report.model import Calibration, Comparison, FieldProbabilities, Report
    from labeltune.evaluation.report.table import Line as TableLine

__all__ = ["report_blocks"]


WORST = 10
"""How many labels and how many confusions a terminal shows, unless all are asked for."""


def report_blocks(report: Report, *, everything: bool = False) -> Iterator[Block]:
    """First what is asked first, then the worst labels and the commonest confusions; or all there is."""
    yield Line(str(report.headline), "lead")
    yield from _verdicts(report)
    yield _figures(report.quality)
    yield head_line(report)
    yield from notes(report) if everything else short_notes(report)
    left_out = 0
    for field in report.quality.fields:
        yield from _field(report, field, everything=everything)
        left_out += max(0, len(field.shape.labels) - WORST)
    if report.calibration is not None:
        yield calibration_line(report.calibration)
        if everything:
            yield _coverage(report.calibration)
    for comparison in report.comparisons:
        yield f"Compared with {comparison.other}:"
        yield _differences(comparison, shown_metrics(report.quality))
        yield comparison_tail(comparison)
        yield from spending_lines(comparison)
        yield from example_lines(comparison, report.rows)
    if not everything:
        more = f"{counted(left_out, 'more label')}" if left_out else "averages, and how all was measured"
        yield Line(f"… {more}: --all", "soft")


def _verdicts(report: Report) -> Iterator[Line]:
    """Gates, and what was found in comparing."""
    for gate in report.gates:
        yield Line(f"{gate}", "good" if gate.passed else "bad")
    for comparison in report.comparisons:
        better = comparison.shown and comparison.result.differences[comparison.HEADLINE].difference > 0
        tone: Literal["good", "bad", "lead"] = "good" if better else "bad" if comparison.shown else "lead"
        yield Line(f"{comparison.verdict}", tone)


def _field(report: Report, field: FieldQuality, *, everything: bool) -> Iterator[Block]:
    yield _labels(field, everything=everything)
    if len(report.quality.fields) > 1 and everything:
        yield _figures(field)
    found = confusions(field)
    if found:
        yield _confusions(field, found if everything else found[:WORST])
    probabilities = report.probabilities.get(field.shape.name)
    if probabilities is not None:
        yield probability_line(probabilities)
        if everything:
            yield _ranking(field, probabilities)


def _figures(level: Level) -> Grid:
    rows: list[tuple[str | Bar, ...]] = []
    for name in shown_metrics(level):
        value, interval = level.metrics[name], level.interval(name)
        low, high = (value, value) if interval is None else (interval.low, interval.high)
        spread = "" if interval is None else f"{low:.4f} to {high:.4f}"
        rows.append((name, f"{value:.4f}", spread, Bar(value, low, high)))
    return Grid(("metric", "value", INTERVAL, "0 to 1"), tuple(rows))


def _labels(field: FieldQuality, *, everything: bool) -> Grid:
    """The labels, the worst first, and with all of them the averages."""
    lows, highs = field.score_intervals.get("f1", (field.scores.f1, field.scores.f1))
    lines, places = label_lines(field), worst_first(field)
    shown = places if everything else places[:WORST]
    rows: list[tuple[str | Bar, ...]] = []
    for place in shown:
        bar = Bar(float(field.scores.f1[place]), float(lows[place]), float(highs[place]))
        rows.append((*_cells(lines[place]), bar))
    if everything:
        rows.append(("", "", "", "", "", ""))
        rows += [(*_cells(line), "") for line in average_lines(field)]
    which = "worst first" if len(shown) == len(places) else f"the {len(shown)} worst of {len(places):,}"
    return Grid(("label", *HEADERS, "f1, 0 to 1"), tuple(rows), title=f"{field.shape.name}: {which}")


def _cells(line: TableLine) -> tuple[str, ...]:
    return (line.name, line.precision, line.recall, line.f1, line.support)


def _confusions(field: FieldQuality, shown: list[tuple[str, str, int]]) -> Grid:
    rows = tuple((truth, predicted, f"{count:,}") for truth, predicted, count in shown)
    title = f"{field.shape.name}: commonest confusions"
    return Grid(("true", "predicted", "rows"), rows, title=title, names=2)


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
