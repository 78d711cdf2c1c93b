"""A report as plain text, for the terminal and for logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.report.table import classification_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.metrics.intervals import Interval
    from labeltune.metrics.quality import Level, Quality
    from labeltune.report.model import Report

__all__ = ["format_text", "percent"]


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
    for field in quality.fields:
        yield ""
        yield field.shape.name
        yield classification_table(field)
        if len(quality.fields) > 1:
            yield from _figures(field)


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
