"""What a report holds; the other modules here only show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.metrics.intervals import Interval
    from labeltune.metrics.quality import Quality

__all__ = ["GateResult", "Report"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """One quality gate: what was asked of a figure, and what was measured."""

    name: str
    asked: str
    """what was asked, such as `at least 0.8`"""
    measured: float
    interval: Interval | None
    passed: bool

    def __str__(self) -> str:
        interval = self.interval
        spread = "" if interval is None else f" (95 % interval {interval.low:.4f} to {interval.high:.4f})"
        verdict = "met" if self.passed else "not met"
        return f"gate {verdict}: {self.name} is {self.measured:.4f}{spread}, asked for {self.asked}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The measured quality of one file of predictions."""

    source: str
    quality: Quality
    problems: Mapping[str, int] = field(default_factory=dict)
    """how many answers were invalid for which reason"""
    gates: tuple[GateResult, ...] = ()
