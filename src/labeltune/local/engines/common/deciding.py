"""From scores to verdicts: calibrated probabilities, and what is decided by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines import Reason
from labeltune.local.engines.common.answers import Verdict
from labeltune.local.engines.common.formats import plain_label
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.common.subsets import Counts, logit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, WordWeight
    from labeltune.local.engines.common.answers import AnswerFormat, Head

    Floats = NDArray[np.float64]

__all__ = ["Contrast", "Speaker"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A label that was decided for, as a sum: its score is `direction · scores + offset + counted`.

    The score of a label of a choice is ln(p / q) against the next likely one; of a label of a subset it is
    ln(p / (1 - p)).
    """

    label: str
    against: str | None
    chosen: bool
    direction: Floats
    """What the scores of all outputs count, float (k,)."""
    offset: float
    counted: float = 0.0
    """What it adds how many other labels may hold; see `subsets`."""

    def reason(
        self, scores: Floats, *, words: tuple[WordWeight, ...], constant: float, rest: float = 0.0
    ) -> Reason:
        """What a text of these scores was decided by: `constant + rest` and the words make up
        `direction · scores`.
        """
        return Reason(
            label=self.label,
            against=self.against,
            chosen=self.chosen,
            score=float(self.direction @ scores) + self.offset + self.counted,
            bias=constant + self.offset,
            rest=rest + self.counted,
            words=words,
        )


class Speaker:
    """Answers for scores, as `calibration.decisions` says to decide."""

    def __init__(self, answer_format: AnswerFormat, decided: Sequence[Mapping[str, Any]]) -> None:
        self._format = answer_format
        self.heads = answer_format.heads
        self.decided = decided
        self.layout = Layout(answer_format.heads)
        self._deciders = [
            _Decider(head, decision) for head, decision in zip(answer_format.heads, decided, strict=True)
        ]

    def answers(self, scores: Floats, top: int) -> list[Answer]:
        """The answer for each row of scores, float (n, labels), with `top` alternatives at each decision."""
        return [self._format.answer(of_one, top) for of_one in self.verdicts(scores)]

    def verdicts(self, scores: Floats) -> list[tuple[Verdict, ...]]:
        """The verdicts of each row of scores, float (n, labels), one for each head."""
        verdicts = [
            decider.verdicts(scores[:, part])
            for decider, part in zip(self._deciders, self.layout.slices, strict=True)
        ]
        return list(zip(*verdicts, strict=True))

    def contrasts(self, verdicts: Sequence[Verdict]) -> list[Contrast]:
        """What was decided about one row, one for each label; for a subset that is empty the likeliest."""
        found = []
        for head, decider, part, verdict in zip(
            self.heads, self._deciders, self.layout.slices, verdicts, strict=True
        ):
            for label, other, chosen in _pairs(head, verdict):
                signs = np.zeros(len(head.labels))
                signs[label] = 1.0
                if other is not None:
                    signs[other] = -1.0
                direction = np.zeros(self.layout.n_outputs)
                direction[part] = decider.slope * signs
                found.append(
                    Contrast(
                        plain_label(head.labels[label]),
                        None if other is None else plain_label(head.labels[other]),
                        chosen,
                        direction,
                        float(np.broadcast_to(decider.offset, signs.shape) @ signs),
                        _counted(verdict, label),
                    )
                )
        return found

    def probabilities(self, verdicts: Sequence[Verdict]) -> tuple[dict[str, float], ...]:
        """Of each label of each head, as people write them."""
        return tuple(
            dict(zip(map(plain_label, head.labels), verdict.probabilities.tolist(), strict=True))
            for head, verdict in zip(self.heads, verdicts, strict=True)
        )


def _pairs(head: Head, verdict: Verdict) -> list[tuple[int, int | None, bool]]:
    """Each label to be explained, the one that it is held against, and whether it was decided for."""
    if head.kind == "subset":
        likeliest = int(verdict.probabilities.argmax())
        return [(int(label), None, True) for label in verdict.chosen] or [(likeliest, None, False)]
    label = int(verdict.chosen[0])
    others = np.delete(np.arange(len(head.labels)), label)
    if not len(others):
        return [(label, None, True)]
    return [(label, int(others[verdict.probabilities[others].argmax()]), True)]


def _counted(verdict: Verdict, label: int) -> float:
    if verdict.independent is None:
        return 0.0
    after, before = logit(verdict.probabilities[[label]]), logit(verdict.independent[[label]])
    return float((after - before)[0])


class _Decider:
    """From the scores of one head to its verdict."""

    def __init__(self, head: Head, decision: Mapping[str, Any]) -> None:
        self._is_choice = head.kind == "choice"
        self._at_least_one = head.at_least_one
        self.slope = np.array(decision["slope"], dtype=np.float64)
        self.offset = np.array(decision["offset"], dtype=np.float64)
        self._thresholds = np.array(decision["thresholds"], dtype=np.float64)
        self._counts = Counts.of(decision)
        # What a choice leans by; only where rare labels were counted more.
        self._leaning = np.array(decision.get("leaning", 0.0), dtype=np.float64)

    def verdicts(self, scores: Floats) -> list[Verdict]:
        """The verdict of each row of scores, float (n, labels)."""
        z = self.slope * scores + self.offset
        if self._is_choice:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            return list(map(Verdict, (z + self._leaning).argmax(axis=1)[:, None], p))
        independent, p = self._counts.probabilities(z)
        holds = p >= self._thresholds
        if self._at_least_one:
            none = np.flatnonzero(~holds.any(axis=1))
            odds = z[none] + logit(p[none]) - logit(independent[none])
            holds[none, (odds - logit(self._thresholds)).argmax(axis=1)] = True
        return [
            Verdict(np.flatnonzero(held), of_one, alone, self._counts)
            for held, of_one, alone in zip(holds, p, independent, strict=True)
        ]
