"""Quality gates: a figure, a limit, and whether it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labeltune.errors import SettingsError, did_you_mean
from labeltune.metrics.intervals import Interval
from labeltune.report.model import GateResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.metrics.quality import FieldQuality, Quality
    from labeltune.report.model import Comparison

__all__ = ["Gate", "check_gates", "check_not_worse"]

_SCORES = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a figure must not fall under, or go over."""

    name: str
    side: Literal["under", "over"]
    limit: float

    @classmethod
    def parse(cls, text: str, side: Literal["under", "over"]) -> Gate:
        """Read `METRIC=X`. Raises `SettingsError`."""
        name, equals, number = text.rpartition("=")
        try:
            limit = float(number)
        except ValueError:
            limit = float("nan")
        if not (equals and name.strip() and -1 <= limit <= 1):
            raise SettingsError(
                f'--fail-{side} "{text}": expected METRIC=X with a number X, such as macro_f1=0.8'
            )
        return cls(name.strip(), side, limit)


def check_gates(gates: Iterable[Gate], quality: Quality) -> tuple[GateResult, ...]:
    """Measure each gate. Raises `SettingsError` for one on something that is not measured."""
    return tuple(_check(gate, quality) for gate in gates)


def _check(gate: Gate, quality: Quality) -> GateResult:
    measured, interval = _figure(gate, quality)
    passed = measured >= gate.limit if gate.side == "under" else measured <= gate.limit
    words = "at least" if gate.side == "under" else "at most"
    return GateResult(gate.name, f"{words} {gate.limit:g}", measured, interval, passed)


def check_not_worse(comparison: Comparison) -> GateResult:
    """Not met if the predictions are shown to be worse: the whole interval of the difference is below 0."""
    one = comparison.result.differences[comparison.HEADLINE]
    return GateResult(
        f"{comparison.HEADLINE} minus that of {comparison.other}",
        "an interval that is not all below 0",
        one.difference,
        Interval(one.low, one.high),
        passed=one.high >= 0,
    )


def _figure(gate: Gate, quality: Quality) -> tuple[float, Interval | None]:
    """What `METRIC`, `FIELD.METRIC` or `FIELD.LABEL.SCORE` stands for."""
    if gate.name == "invalid_rate":
        return quality.invalid_rate, quality.invalid_interval
    if gate.name in quality.metrics:
        return quality.metrics[gate.name], quality.interval(gate.name)
    known = ["invalid_rate", *quality.metrics]
    for field in quality.fields:
        prefix = f"{field.shape.name}."
        known += [prefix + name for name in field.metrics]
        known += [f"{prefix}{label}.{score}" for label in field.shape.labels for score in _SCORES]
        name = gate.name.removeprefix(prefix)
        if name == gate.name:
            continue
        if name in field.metrics:
            return field.metrics[name], field.interval(name)
        label, _, score = name.rpartition(".")
        if label in field.shape.labels and score in _SCORES:
            return _label_figure(field, label, score)
    raise SettingsError(
        f'--fail-{gate.side}: "{gate.name}" is not measured here{did_you_mean(gate.name, known)}',
        hint=f"a gate names one of {', '.join(known[: 1 + len(quality.metrics)])}; FIELD.METRIC; "
        "or FIELD.LABEL.precision, .recall or .f1",
    )


def _label_figure(field: FieldQuality, label: str, score: str) -> tuple[float, Interval | None]:
    place = field.shape.labels.index(label)
    measured = float(getattr(field.scores, score)[place])
    if score not in field.score_intervals:
        return measured, None
    low, high = field.score_intervals[score]
    return measured, Interval(float(low[place]), float(high[place]))
