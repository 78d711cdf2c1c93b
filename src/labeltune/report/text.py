"""A report as plain text, for the terminal and for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.report.table import classification_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.metrics.intervals import Interval
    from labeltune.metrics.quality import Level, Quality
    from labeltune.report.model import Calibration, Comparison, FieldProbabilities, OtherAnswer, Report

__all__ = ["format_text", "invalid_line", "method", "percent", "probability_line"]

_NAMED = 5


def percent(share: float) -> str:
    """A share as per cent, with as many places as it takes to see it is not nothing."""
    return f"{100 * share:.2f} %"


def format_text(report: Report) -> str:
    """The whole report; ends without a line end."""
    return "\n".join(_lines(report)).rstrip("\n")


def _lines(report: Report) -> Iterator[str]:
    quality = report.quality
    yield f"{report.source}: {quality.rows:,} rows, {invalid_line(quality, report.problems)}"
    yield ""
    yield from _figures(quality)
    yield ""
    yield method(quality)
    if report.tuned_on is not None:
        yield f"Labels of multi fields are predicted by the thresholds of {report.tuned_on}."
    for field in quality.fields:
        yield ""
        yield field.shape.name
        yield classification_table(field)
        if len(quality.fields) > 1:
            yield from _figures(field)
        if (probabilities := report.probabilities.get(field.shape.name)) is not None:
            yield probability_line(probabilities)
    if report.calibration is not None:
        yield ""
        yield from _confidence(report.calibration)
    for comparison in report.comparisons:
        yield ""
        yield from _comparison(comparison)


def invalid_line(quality: Quality, problems: object) -> str:
    """How many rows have no valid answer, and why."""
    if not quality.invalid:
        return "every answer valid"
    interval = quality.invalid_interval
    spread = f"95 % interval {100 * interval.low:.2f} to {percent(interval.high)}"
    reasons = problems.items() if isinstance(problems, dict) else ()
    why = ", ".join(f"{problem} {count:,}" for problem, count in reasons)
    return (
        f"{quality.invalid:,} without a valid answer, counted as wrong "
        f"({percent(quality.invalid_rate)}, {spread}): {why}"
    )


def _figures(level: Level) -> Iterator[str]:
    width = max(len(name) for name in level.metrics)
    for name, value in level.metrics.items():
        yield f"{name:>{width}s}  {value:7.4f}{_spread(level.intervals.get(name))}"


def probability_line(probabilities: FieldProbabilities) -> str:
    """One sentence on the losses of one field."""
    return (
        f"Probabilities: log loss {probabilities.log_loss:.4f}, Brier score {probabilities.brier:.4f} "
        f"({probabilities.rows:,} rows)."
    )


def _confidence(calibration: Calibration) -> Iterator[str]:
    yield (
        f"Confidence: expected calibration error {percent(calibration.error)} over {calibration.rows:,} "
        "answers."
    )
    yield "confidence from   rows kept   exact match   for review   errors found"
    for line in calibration.coverage:
        accuracy = "-" if line.accuracy is None else f"{line.accuracy:.4f}"
        yield (f"{line.limit:>15.4g}{line.kept:>12,}{accuracy:>14}{line.review:>13,}{line.errors_found:>15,}")


def _comparison(comparison: Comparison) -> Iterator[str]:
    result = comparison.result
    yield f"Compared with {comparison.other}: {comparison.verdict}."
    width = max(len(name) for name in result.differences)
    for name, one in result.differences.items():
        yield f"{name:>{width}s}  {one.difference:+7.4f}   {one.low:+.4f} to {one.high:+.4f}"
    adjusted = "" if comparison.p_holm == result.p else f", {comparison.p_holm:.3g} after Holm's correction"
    yield (
        f"Rows right here and wrong there: {result.won:,}{_lines_named(comparison.won)}; the reverse: "
        f"{result.lost:,}{_lines_named(comparison.lost)}; exact McNemar p = {result.p:.3g}{adjusted}."
    )


def _lines_named(answers: Sequence[OtherAnswer]) -> str:
    if not answers:
        return ""
    more = ", …" if len(answers) > _NAMED else ""
    return f" (lines {', '.join(str(answer.line) for answer in answers[:_NAMED])}{more})"


def _spread(interval: Interval | None) -> str:
    return "" if interval is None else f"   {interval.low:.4f} to {interval.high:.4f}"


def method(quality: Quality) -> str:
    """One sentence on where the intervals come from."""
    if not quality.bootstrap:
        return "No intervals: --bootstrap 0."
    return (
        f"Intervals hold 95 %: percentiles of {quality.bootstrap:,} bootstrap resamples of the rows "
        f"(seed {quality.seed}); those of plain proportions are exact (Clopper–Pearson)."
    )
