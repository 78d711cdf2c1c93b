"""What a report holds; the other modules here only show it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from labeltune.evaluation.metrics.calibration import LOSSES
from labeltune.evaluation.metrics.paired import rows_needed
from labeltune.evaluation.report.headline import Headline, labels_right
from labeltune.evaluation.report.shares import Share
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labeltune.evaluation.metrics.calibration import Bin, Coverage, Loss
    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.paired import Difference, PairedResult
    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.evaluation.metrics.quality import Quality
    from labeltune.evaluation.metrics.ranking import Ranking
    from labeltune.evaluation.report.headline import Checked, Noun
    from labeltune.files.unsure import Unsure

__all__ = [
    "Calibration",
    "Comparison",
    "Curve",
    "FieldProbabilities",
    "GateResult",
    "OtherAnswer",
    "Report",
    "ShownRow",
    "Spent",
    "SureAnswers",
    "Training",
]

SIGNIFICANT = 0.05
"""The p-value from which on a difference is not called shown."""


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


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """What the others predicted for one of our rows."""

    line: int
    predicted: tuple[str, ...]
    valid: bool
    """whether the answer there is valid"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What it took to make predictions; `usd` is None where the model's price is not known."""

    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    latency_median: float | None = None
    """seconds that half of the answers came within; None where it is not known, as of batches"""
    latency_p95: float | None = None
    """seconds that 95 of a hundred came within"""
    provider: str = ""
    """`Provider.identity` of where the model was asked"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """These predictions and others of the same rows."""

    HEADLINE: ClassVar = "macro_f1"
    """The metric that the verdict is about."""

    source: str
    other: str
    result: PairedResult
    p_holm: float
    """McNemar's p-value, adjusted for comparing with several"""
    headline_p_holm: float
    """the bootstrap p-value of the headline metric, adjusted likewise"""
    won: tuple[OtherAnswer, ...]
    """the first rows right in ours and wrong there"""
    lost: tuple[OtherAnswer, ...]
    """the reverse"""
    ranked: Mapping[str, Difference] = field(default_factory=dict)
    """of what probabilities tell, `FIELD.METRIC` of several fields; empty without them"""
    spent: Spent | None = None
    """on our predictions, and how long their answers took, where it is known"""
    spent_there: Spent | None = None

    @property
    def shown(self) -> bool:
        """Whether the headline difference is more than chance makes."""
        one = self.result.differences[self.HEADLINE]
        return (one.low > 0 or one.high < 0) and self.headline_p_holm < SIGNIFICANT

    def differences(self, names: Iterable[str]) -> list[tuple[str, Difference]]:
        """Those of some metrics, by name, then those of probabilities."""
        return [*((name, self.result.differences[name]) for name in names), *self.ranked.items()]

    def scale(self, name: str) -> float:
        """The largest end of all intervals that are drawn to one scale, and 1 if nothing differs. A loss has
        a scale of its own, for it may be larger than 1.
        """
        every = self.differences(self.result.differences)
        drawn = [one for other, one in every if other == name or not (_is_loss(name) or _is_loss(other))]
        return max(abs(end) for one in drawn for end in (one.low, one.high)) or 1.0

    @property
    def has_losses(self) -> bool:
        """Whether some of the metrics are such that less is better."""
        return any(map(_is_loss, self.ranked))

    @property
    def verdict(self) -> str:
        """One sentence that says no more than the numbers do."""
        one, rows = self.result.differences[self.HEADLINE], self.result.rows
        low, high = sorted((100 * one.low, 100 * one.high), key=abs) if self.shown else (0.0, 0.0)
        if self.shown:
            better = self.source if one.difference > 0 else self.other
            return (
                f"{better} is better by {abs(100 * one.difference):.1f} points of macro-F1, "
                f"95 % interval {abs(low):.1f} to {abs(high):.1f}"
            )
        needed = rows_needed(one, rows)
        if needed is None:
            return (
                f"no difference in macro-F1 between {self.source} and {self.other} on {counted(rows, 'row')}"
            )
        if needed <= rows:
            # Large enough alone, but not after the correction for several comparisons.
            return f"no difference in macro-F1 from {self.other} can be shown with {counted(rows, 'row')}"
        return (
            f"no difference in macro-F1 from {self.other} can be shown with {counted(rows, 'row')}; "
            f"about {_rounded(needed):,} would be needed to see one of {abs(100 * one.difference):.1f} points"
        )


def _is_loss(name: str) -> bool:
    return name.rpartition(".")[2] in LOSSES


def _rounded(number: int) -> int:
    """To two digits: more would be a claim."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve, x and y of equal length."""

    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the confidences of answers are worth."""

    rows: int
    """valid answers with a confidence"""
    error: float
    """the expected calibration error"""
    interval: Interval | None
    """of the error; None without resamples"""
    bins: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True, slots=True)
class SureAnswers:
    """What it brings to rely on sure answers only. An answer is right if all its single fields are."""

    unsure: int
    """valid answers that are too doubtful"""
    coverage: Share
    """sure answers, of all rows"""
    accuracy: Share | None
    """right ones, of the sure answers; None if there are none"""
    accuracy_of_all: Share
    """right ones, of all rows"""
    limit: Unsure | None
    """what told them apart; None if the table says it, which does not say how it was chosen"""


@dataclass(frozen=True, slots=True)
class HumanRows:
    """How good the answers are on rows that people vouch for, where other rows are a model's."""

    rows: int
    of: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class FieldProbabilities:
    """What the probabilities of one field's labels are worth."""

    rows: int
    """rows with probabilities"""
    log_loss: Loss
    brier: Loss
    macro: Ranking
    """the mean over the labels that have one"""
    ranking: tuple[Ranking, ...]
    """of each label"""
    groups: int | None
    """how many random groups of rows their intervals are drawn from; None if it is rows, or nothing"""
    curves: tuple[Curve | None, ...]
    """recall and precision of each label; None where a label is on all rows or on none"""

    @property
    def figures(self) -> Mapping[str, tuple[float, Interval | None]]:
        """The figures of the field as a whole, each with its interval; without those that are not defined."""
        return {
            **self.macro.figures,
            "log_loss": (self.log_loss.mean, self.log_loss.interval),
            "brier": (self.brier.mean, self.brier.interval),
        }


@dataclass(frozen=True, slots=True)
class Training:
    """How a job went: its figures by step."""

    source: str
    series: Mapping[str, Curve]
    """by name, such as `train_loss`; x is the step"""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row that a reader should see."""

    line: int
    id: str
    text: str
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    problem: str
    """why there is no valid answer; empty where there is one"""
    confidence: float | None
    unsure: bool = False
    reasons: tuple[tuple[str, float], ...] = ()
    """the words that decided, the weightiest first, and how much each spoke for the predicted labels (above
    0) or against them; empty where that is not known
    """
    file: str = ""
    """the file that the line is of, where there are several"""

    @property
    def where(self) -> str:
        """Where it stands, for readers."""
        return f"{self.file}, line {self.line}" if self.file else f"line {self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The measured quality of one file of predictions."""

    source: str
    quality: Quality
    task: str = ""
    """the name of the task file"""
    date: str = ""
    """the day of the predictions, `2026-01-31`, if it was told"""
    noun: Noun = ("row", "rows")
    """what a row is, and several"""
    checked: Checked | None = None
    """what it brings that people check the least sure answers; None without confidences"""
    texts: bool = True
    """whether rows are shown with their texts"""
    problems: Mapping[str, int] = field(default_factory=dict)
    """how many answers were invalid for which reason"""
    tuned_on: str | None = None
    """which data the thresholds that were applied were tuned on"""
    sure: SureAnswers | None = None
    """None where no answer was said to be unsure"""
    human: HumanRows | None = None
    """None where all rows are people's, or none is"""
    calibration: Calibration | None = None
    """None without confidences"""
    probabilities: Mapping[str, FieldProbabilities] = field(default_factory=dict)
    """by field; empty without probabilities"""
    spent: Spent | None = None
    """on the predictions, where it is known"""
    comparisons: tuple[Comparison, ...] = ()
    wrong: int = 0
    """how many rows are not right as a whole"""
    errors: tuple[int, ...] = ()
    """the lines of wrong rows, if they were asked for; not always all"""
    rows: Mapping[int, ShownRow] = field(default_factory=dict)
    """every row that is named, by line"""
    training: Training | None = None
    reviewed: int | None = None
    """how many rows were written for review"""
    gates: tuple[GateResult, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def headline(self) -> Headline:
        """What is asked first: how many rows are right, and what checking the least sure of them brings."""
        quality = self.quality
        exact = quality.exact["exact_match"]
        right = Share(round(quality.rows * quality.metrics["exact_match"]), quality.rows, exact)
        shapes = [field.shape for field in quality.fields]
        return Headline(right, labels_right(shapes), self.noun, self.checked)

    def without_texts(self) -> Report:
        """The same without a word of any row, to be handed on: lines, ids and labels stay."""
        rows = {line: replace(row, text="", reasons=()) for line, row in self.rows.items()}
        return replace(self, rows=rows, texts=False)
