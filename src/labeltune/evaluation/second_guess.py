"""What a person sees beside a doubtful answer: the labels that come next, a place for the right ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from labeltune.task.corrections import questions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.task import Task
    from labeltune.task.corrections import Question

__all__ = ["SecondGuesses"]


class SecondGuesses:
    """The columns of a review file beside those of the predictions.

    Where the predictions have probabilities, `second_label` is the likeliest answer but the predicted one,
    and `second_confidence` the probability of its label, of a path the last one's. Of a multi field it is the
    prediction with its least certain label turned, and the probability of that. `correct_label` is for people
    to fill in. A column that the table has already stays what it is.
    """

    def __init__(self, predictions: Predictions, task: Task, header: Sequence[str]) -> None:
        self._predictions, self._questions = predictions, questions_of(task)
        self._shares = predictions.probabilities
        names = self._names()
        self._kept = [place for place, name in enumerate(names) if name not in header]
        self.columns = [names[place] for place in self._kept]

    def _names(self) -> list[str]:
        names: list[str] = []
        for question in self._questions if self._shares is not None else ():
            second = question.column("second")
            names += [second, second.replace("_labels", "_label").removesuffix("_label") + "_confidence"]
        return names + [question.column("correct") for question in self._questions]

    def cells(self, row: int) -> list[str]:
        """The cells of a row; empty ones where nothing is known."""
        cells: list[str] = []
        if self._shares is not None:
            valid = bool(self._predictions.pairs.valid[self._predictions.patterns.inverse[row]])
            predicted = self._predictions.pairs.pred[self._predictions.patterns.inverse[row]]
            for question in self._questions:
                cells += _second(question, self._shares[row], predicted) if valid else ["", ""]
        cells += [""] * len(self._questions)
        return [cells[place] for place in self._kept]


def _second(question: Question, shares: FloatArray, predicted: BoolArray) -> list[str]:
    """The second answer of a question and its confidence; `shares` and `predicted` (n_labels,)."""
    task = question.task
    by_field = [
        dict(
            zip(field.labels, zip(shares[part].tolist(), predicted[part].tolist(), strict=True), strict=True)
        )
        for field in question.fields
        for part in [task.slices[field.name]]
    ]
    if question.is_multi:
        own = by_field[0]
        known = {label: 1 - p if on else p for label, (p, on) in own.items() if not math.isnan(p)}
        if not known:
            return ["", ""]
        turned = max(known, key=lambda label: known[label])
        answer = tuple(label for label, (_, on) in own.items() if on != (label == turned))
        return [question.spell(answer), f"{known[turned]:.6g}"]
    best: tuple[float, float] = (-1.0, -1.0)
    second: tuple[str, ...] = ()
    for path in question.paths:
        found = [own[label] for own, label in zip(by_field, path, strict=True)]
        rank = found[-1][0], math.prod(p for p, _ in found)
        if not all(on for _, on in found) and rank > best:  # not of NaN
            best, second = rank, path
    return [question.spell(second), f"{best[0]:.6g}"] if second else ["", ""]
