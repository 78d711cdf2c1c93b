"""The engine `linear`: a linear model of words and pieces of words, trained in seconds on a processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import AccessError
from labeltune.local.engines import Base
from labeltune.local.engines.common.class_weight import CLASS_WEIGHT, is_balanced
from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import read_folder
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.common.records import Template
from labeltune.local.engines.linear.features import Vocabulary
from labeltune.local.engines.linear.manifest import ABOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Hyperparameters, Message, Record
    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.linear.learning import LinearRun

    Floats = NDArray[np.float32]

__all__ = ["Linear"]

_ALONE = Base("linear")
_MODEL = frozenset({"model", "vocabulary", "weights", "intercepts", "scales"})


class Linear:
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "linear"
    options: ClassVar[Mapping[str, str]] = CLASS_WEIGHT

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
        self._speaker = Speaker(answer_format, decided)
        self._vocabulary = vocabulary
        self._weights = weights
        self._intercepts = intercepts
        self._scales = scales

    @classmethod
    def check(cls, base: Base) -> None:
        """See `Engine`."""
        base.check_options(cls.options)
        is_balanced(base)
        if base.source:
            raise AccessError(f"{base}: linear needs no folder and no name: it is `linear` alone")

    @classmethod
    def fit(
        cls,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        base: Base = _ALONE,
        seed: int,
        resume: Path | None = None,
    ) -> LinearRun:
        """See `Engine`."""
        # What only learning needs takes longer to import than a model to load: who answers goes without.
        from labeltune.local.engines.linear.learning import LinearRun

        cls.check(base)
        return LinearRun(
            training, validation, hyperparameters, balanced=is_balanced(base), seed=seed, resume=resume
        )

    @classmethod
    def load(cls, folder: Path) -> Linear:
        """See `Engine`."""
        return cls.of(*read_folder(folder, about=ABOUT, names=_MODEL))

    @classmethod
    def of(cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Linear:
        """The model of what `Linear.load` reads."""
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
        scores = np.empty((len(conversations), self._speaker.layout.n_outputs))
        for row, conversation in enumerate(conversations):
            scores[row] = self.scores(self.text(conversation))
        return self._speaker.answers(scores, top_logprobs)

    def text(self, conversation: Sequence[Message]) -> str:
        """What varies in a conversation from one to the other."""
        return self._template.text(conversation)

    def scores(self, text: str) -> Floats:
        """The scores of a text, float (k,). One text at a time: a sum's last bits depend on its company."""
        numbers, values = self._vocabulary.features(text)
        weighted = values * self._scales.take(numbers)
        length = np.sqrt(weighted @ weighted)
        if length == 0:
            return self._intercepts
        return np.asarray(self._intercepts + (values / length) @ self._weights.take(numbers, axis=0))
