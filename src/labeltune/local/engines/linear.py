"""The engine `linear`: a linear model of words and pieces of words, trained in seconds on a processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.local.engines.answers import AnswerFormat, Verdict
from labeltune.local.engines.features import Vocabulary
from labeltune.local.engines.folder import read_folder
from labeltune.local.engines.formats import format_from_json
from labeltune.local.engines.learning import ABOUT, LinearRun
from labeltune.local.engines.optimiser import Layout
from labeltune.local.engines.records import Template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Hyperparameters, Message, Record

    Floats = NDArray[np.float32]

__all__ = ["Linear", "LinearRun"]

_MODEL = frozenset({"model", "vocabulary", "weights", "intercepts", "scales"})


class Linear:
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "linear"

    def __init__(
        self,
        *,
        template: Template,
        answer_format: AnswerFormat,
        vocabulary: Vocabulary,
        weights: Floats,
        intercepts: Floats,
        scales: Floats,
        decided: Sequence[Mapping[str, Any]],
    ) -> None:
        self._template = template
        self._format = answer_format
        self._vocabulary = vocabulary
        self._weights = weights
        self._intercepts = intercepts
        self._scales = scales
        self._layout = Layout(answer_format.heads)
        self._deciders = [
            _Decider(head.kind == "choice", head.at_least_one, decision)
            for head, decision in zip(answer_format.heads, decided, strict=True)
        ]

    @classmethod
    def fit(
        cls,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        seed: int,
        resume: Path | None = None,
    ) -> LinearRun:
        """See `Engine`."""
        return LinearRun(training, validation, hyperparameters, seed=seed, resume=resume)

    @classmethod
    def load(cls, folder: Path) -> Linear:
        """See `Engine`."""
        values, arrays = read_folder(folder, about=ABOUT, names=_MODEL)
        model = values["model"]
        return cls(
            template=Template.from_json(model["template"]),
            answer_format=format_from_json(model["answers"]),
            vocabulary=Vocabulary.from_json(values["vocabulary"]),
            weights=arrays["weights"],
            intercepts=arrays["intercepts"],
            scales=arrays["scales"],
            decided=model["decisions"],
        )

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        """See `Engine`. An answer depends on its own conversation only, to the last bit."""
        return [self._answer(conversation, top_logprobs) for conversation in conversations]

    def _answer(self, conversation: Sequence[Message], top: int) -> Answer:
        scores = self._scores(self._template.text(conversation))
        verdicts = [
            decider.verdict(scores[part])
            for decider, part in zip(self._deciders, self._layout.slices, strict=True)
        ]
        return self._format.answer(verdicts, top)

    def _scores(self, text: str) -> NDArray[np.float64]:
        numbers, values = self._vocabulary.features(text)
        length = float(np.linalg.norm(values * self._scales[numbers]))
        scores = self._intercepts.copy()
        if length > 0:
            scores += (values / np.float32(length)) @ self._weights[numbers]
        return scores.astype(np.float64)


class _Decider:
    """From the scores of one head to its verdict."""

    def __init__(self, is_choice: bool, at_least_one: bool, decision: Mapping[str, Any]) -> None:
        self._is_choice = is_choice
        self._at_least_one = at_least_one
        self._slope = float(decision["slope"])
        self._offset = float(decision["offset"])
        self._thresholds = np.array(decision["thresholds"], dtype=np.float64)

    def verdict(self, scores: NDArray[np.float64]) -> Verdict:
        z = self._slope * scores + self._offset
        if self._is_choice:
            e = np.exp(z - z.max())
            p = e / e.sum()
            return Verdict(np.array([int(p.argmax())]), p)
        p = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        chosen = np.flatnonzero(p >= self._thresholds)
        if not len(chosen) and self._at_least_one:
            t = self._thresholds
            chosen = np.array([int((z - np.log(t / (1 - t))).argmax())])
        return Verdict(chosen, p)
