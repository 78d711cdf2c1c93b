"""From scores to verdicts: calibrated probabilities, and what is decided by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.answers import Verdict
from labeltune.local.engines.common.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer
    from labeltune.local.engines.common.answers import AnswerFormat, Head

    Floats = NDArray[np.float64]

__all__ = ["Speaker"]


class Speaker:
    """Answers for scores, as `calibration.decisions` says to decide."""

    def __init__(self, answer_format: AnswerFormat, decided: Sequence[Mapping[str, Any]]) -> None:
        self._format = answer_format
        self.layout = Layout(answer_format.heads)
        self._deciders = [
            _Decider(head, decision) for head, decision in zip(answer_format.heads, decided, strict=True)
        ]

    def answers(self, scores: Floats, top: int) -> list[Answer]:
        """The answer for each row of scores, float (n, labels), with `top` alternatives at each decision."""
        verdicts = [
            decider.verdicts(scores[:, part])
            for decider, part in zip(self._deciders, self.layout.slices, strict=True)
        ]
        return [self._format.answer(of_one, top) for of_one in zip(*verdicts, strict=True)]


class _Decider:
    """From the scores of one head to its verdict."""

    def __init__(self, head: Head, decision: Mapping[str, Any]) -> None:
        self._is_choice = head.kind == "choice"
        self._at_least_one = head.at_least_one
        self._slope = float(decision["slope"])
        self._offset = float(decision["offset"])
        self._thresholds = np.array(decision["thresholds"], dtype=np.float64)
        # What a choice leans by; only where rare labels were counted more.
        self._leaning = np.array(decision.get("leaning", 0.0), dtype=np.float64)

    def verdicts(self, scores: Floats) -> list[Verdict]:
        """The verdict of each row of scores, float (n, labels)."""
        z = self._slope * scores + self._offset
        if self._is_choice:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            return list(map(Verdict, (z + self._leaning).argmax(axis=1)[:, None], p))
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        holds = p >= self._thresholds
        if self._at_least_one:
            none = np.flatnonzero(~holds.any(axis=1))
            t = self._thresholds
            holds[none, (z[none] - np.log(t / (1 - t))).argmax(axis=1)] = True
        return list(map(Verdict, map(np.flatnonzero, holds), p))
