"""Quality gates: a figure, a limit, and whether it was kept."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labeltune.errors import SettingsError, did_you_mean
from labeltune.evaluation.metrics.intervals import Interval
from labeltune.evaluation.metrics.paired import rows_needed
from labeltune.evaluation.metrics.ranking import RANKING_METRICS
from labeltune.evaluation.report.model import GateResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labeltune.evaluation.metrics.quality import FieldQuality, Quality
    from labeltune.evaluation.report.model import Calibration, Comparison, FieldProbabilities, SureAnswers

__all__ = ["Figure", "Gate", "check_gate", "check_gates", "check_not_worse"]

_SCORES = ("precision", "recall", "f1")
_LOSSES = ("log_loss", "brier")
"""What can be larger than 1."""
_COVERAGE, _SURE_ACCURACY = "coverage", "sure_accuracy"
_CALIBRATION_ERROR = "expected_calibration_error"

Figure = tuple[float, "Interval | None"]
"""What a gate looks at: the figure, and its interval if it has one."""


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
        highest = sys.float_info.max if name.strip().rpartition(".")[2] in _LOSSES else 1
        if not (equals and name.strip() and -1 <= limit <= highest):
            raise SettingsError(
                f'--fail-{side} "{text}": expected METRIC=X with a number X, such as macro_f1=0.8'
            )
        return cls(name.strip(), side, limit)


def check_gates(
    gates: Iterable[Gate],
    quality: Quality,
    probabilities: Mapping[str, FieldProbabilities],
    calibration: Calibration | None,
    sure: SureAnswers | None = None,
) -> tuple[GateResult, ...]:
    """Measure each gate. Raises `SettingsError` for one on something that is not measured."""
    gates = tuple(gates)
    known = dict(_figures(quality, probabilities, calibration)) if gates else {}
    if sure is not None:
        known |= _sure_figures(sure)
    unknown = next((gate for gate in gates if gate.name not in known), None)
    if unknown is not None:
        raise _not_measured(unknown, known)
    return tuple(check_gate(gate, known[gate.name]) for gate in gates)


def check_gate(gate: Gate, figure: Figure) -> GateResult:
    """Whether a figure keeps to its gate."""
    measured, interval = figure
    passed = measured >= gate.limit if gate.side == "under" else measured <= gate.limit
    words = "at least" if gate.side == "under" else "at most"
    return GateResult(gate.name, f"{words} {gate.limit:g}", measured, interval, passed)


def check_not_worse(comparison: Comparison, margin: float | None = None, *, rows: int) -> GateResult:
    """Not met if the predictions are shown to be worse: the whole interval of the difference is below 0.

    With a margin they must be shown to be as good but for so much: met if the whole interval is above it
    (a test of non-inferiority). Where it is not for want of rows, the gate says how many of so many `rows`
    it would take.
    """
    one = comparison.result.differences[comparison.HEADLINE]
    asked, passed = "an interval that is not all below 0", one.high >= 0
    if margin is not None:
        asked, passed = f"an interval that is all above {-margin:g}", one.low > -margin
        needed = rows_needed(one, rows, beyond=-margin)
        if not passed and one.difference > -margin and needed is not None:
            asked += f", which such a difference has with about {needed:,} rows in four cases of five"
    return GateResult(
        f"{comparison.HEADLINE} minus that of {comparison.other}",
        asked,
        one.difference,
        Interval(one.low, one.high),
        passed=passed,
    )


def _figures(
    quality: Quality, probabilities: Mapping[str, FieldProbabilities], calibration: Calibration | None
) -> Iterator[tuple[str, Figure]]:
    """Everything that `METRIC`, `FIELD.METRIC` and `FIELD.LABEL.SCORE` can stand for.

    What probabilities are worth is told by field; where there is only one, its name may be left out.
    """
    yield "invalid_rate", (quality.invalid_rate, quality.invalid_interval)
    yield from ((name, (value, quality.interval(name))) for name, value in quality.metrics.items())
    if calibration is not None:
        yield _CALIBRATION_ERROR, (calibration.error, calibration.interval)
    if len(quality.fields) == 1:
        yield from ((name, one) for each in probabilities.values() for name, one in each.figures.items())
    for field in quality.fields:
        prefix = f"{field.shape.name}."
        yield from ((prefix + name, (value, field.interval(name))) for name, value in field.metrics.items())
        its = probabilities.get(field.shape.name)
        if its is not None:
            yield from ((prefix + name, one) for name, one in its.figures.items())
        for place, label in enumerate(field.shape.labels):
            scores = {score: _label_figure(field, place, score) for score in _SCORES}
            if its is not None:
                scores |= its.ranking[place].figures
            yield from ((f"{prefix}{label}.{score}", one) for score, one in scores.items())


def _sure_figures(sure: SureAnswers) -> dict[str, Figure]:
    shares = {_COVERAGE: sure.coverage, _SURE_ACCURACY: sure.accuracy}
    return {name: (one.value, one.interval) for name, one in shares.items() if one is not None}


def _label_figure(field: FieldQuality, place: int, score: str) -> Figure:
    measured = float(getattr(field.scores, score)[place])
    if score not in field.score_intervals:
        return measured, None
    low, high = field.score_intervals[score]
    return measured, Interval(float(low[place]), float(high[place]))


def _not_measured(gate: Gate, known: Mapping[str, Figure]) -> SettingsError:
    metric = gate.name.rpartition(".")[2]
    if metric in (*RANKING_METRICS, *_LOSSES):
        hint = (
            f"{metric} needs probabilities, which `predict --probabilities` writes, and a label that "
            "some rows have and others have not; of several fields, FIELD.METRIC"
        )
    elif metric == _CALIBRATION_ERROR:
        hint = "it needs valid answers with a confidence"
    elif metric in (_COVERAGE, _SURE_ACCURACY):
        hint = "it needs answers that are unsure: --thresholds with a file of a task with single fields"
    else:
        whole = [name for name in known if "." not in name]
        hint = (
            f"a gate names one of {', '.join(whole)}; FIELD.METRIC; or FIELD.LABEL.precision, .recall or .f1"
        )
    return SettingsError(
        f'--fail-{gate.side}: "{gate.name}" is not measured here{did_you_mean(gate.name, known)}', hint=hint
    )
