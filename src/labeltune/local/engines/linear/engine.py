"""The engine `linear`: a linear model of words and pieces of words, trained in seconds on a processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import AccessError
from labeltune.local.engines import Base, Explanation, Hyperparameters, WordWeight
from labeltune.local.engines.common.class_weight import CLASS_WEIGHT, is_balanced
from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import ForgetsState, read_folder
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.common.records import Template
from labeltune.local.engines.linear.features import Vocabulary
from labeltune.local.engines.linear.manifest import ABOUT, STATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, HeldOut, Message, Record
    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.common.onnx_form import TextConversion
    from labeltune.local.engines.linear.learning import LinearRun

    Floats = NDArray[np.float32]

__all__ = ["Linear"]

_ALONE = Base("linear")
_NOTHING = 1e-9
"""A word that adds less adds nothing: it is what is left of adding up."""
_MODEL = frozenset({"model", "vocabulary", "weights", "intercepts", "scales"})


class Linear(ForgetsState):
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "linear"
    preparation = "Reading features"
    about = ABOUT
    state = STATE
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
        self.template = template
        self._speaker = Speaker(answer_format, decided)
        self.vocabulary = vocabulary
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
    def cross_validate(
        cls, training: Sequence[Record], fold: NDArray[np.int64], *, base: Base = _ALONE, seed: int
    ) -> HeldOut:
        """See `CrossValidating`."""
        from labeltune.local.engines.linear.learning import LinearRun

        cls.check(base)
        return LinearRun(
            training,
            (),
            Hyperparameters(),
            balanced=is_balanced(base),
            seed=seed,
            resume=None,
            fold=fold,
        ).cross_validated()

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

    @classmethod
    def to_onnx(cls, folder: Path, out: Path, *, around: tuple[str, str] | None) -> TextConversion:
        """See `Portable`."""
        return cls.load(folder).write_as_onnx(out, around)

    def explain(self, conversations: Sequence[Sequence[Message]]) -> list[Explanation]:
        """See `Explaining`."""
        return [self._explain(conversation) for conversation in conversations]

    def _explain(self, conversation: Sequence[Message]) -> Explanation:
        scores = self.scores(self.text(conversation)).astype(np.float64)
        (verdicts,) = self._speaker.verdicts(scores[None, :])
        contrasts = self._speaker.contrasts(verdicts)
        words, constants = self.added(conversation, [contrast.direction for contrast in contrasts])
        reasons = [
            contrast.reason(scores, words=of_label, constant=constant)
            for contrast, of_label, constant in zip(contrasts, words, constants, strict=True)
        ]
        return Explanation(self._speaker.probabilities(verdicts), tuple(reasons))

    def added(
        self, conversation: Sequence[Message], directions: Sequence[NDArray[np.float64]]
    ) -> tuple[list[tuple[WordWeight, ...]], list[float]]:
        """What the words of a conversation add to `direction · scores`, and what is added to every text; both
        for each direction, float (k,).
        """
        from labeltune.local.engines.linear.reasons import word_shares

        text = self.text(conversation)
        numbers, values = self.vocabulary.features(text)
        towards = np.array(directions).T
        weights = self._unit(numbers, values).astype(np.float64)[:, None]
        added = weights * (self._weights.take(numbers, axis=0) @ towards)
        shares = word_shares(self.vocabulary, text, numbers, added)
        spans = self.template.located(conversation, shares)
        words = [
            tuple(
                WordWeight(*span, weight)
                for span, of_word in zip(spans, shares.values(), strict=True)
                if abs(weight := float(of_word[direction])) > _NOTHING
            )
            for direction in range(len(directions))
        ]
        return words, (self._intercepts @ towards).tolist()

    def write_as_onnx(self, out: Path, around: tuple[str, str] | None) -> TextConversion:
        """Write this model as ONNX; see `Portable.to_onnx`."""
        from labeltune.local.engines.common.onnx_form import conversion, need_onnx, write_known
        from labeltune.local.engines.linear.onnx_form import CODE, features_of, write_onnx

        need_onnx()
        found = conversion(
            self._speaker,
            self.template,
            around,
            scores=lambda conversation: self.scores(self.text(conversation)),
            code=CODE,
        )
        write_onnx(
            out / "model.onnx",
            arrays=self.arrays,
            heads=self._speaker.heads,
            decisions=self._speaker.decided,
        )
        write_known(out / "features.json", found, **features_of(self.vocabulary))
        return found

    @classmethod
    def licence(cls, base: Base) -> str:  # noqa: ARG003  # the signature of `Portable`
        """See `Portable`."""
        return "none: it was trained from nothing but the training file"

    @property
    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """Weights (features, k), intercepts (k,) and scales (features,)."""
        return self._weights, self._intercepts, self._scales

    def text(self, conversation: Sequence[Message]) -> str:
        """What varies in a conversation from one to the other."""
        return self.template.text(conversation)

    def scores(self, text: str) -> Floats:
        """The scores of a text, float (k,). One text at a time: a sum's last bits depend on its company."""
        numbers, values = self.vocabulary.features(text)
        return np.asarray(
            self._intercepts + self._unit(numbers, values) @ self._weights.take(numbers, axis=0)
        )

    def _unit(self, numbers: NDArray[np.int32], values: Floats) -> Floats:
        """What the features of a text are multiplied with their weights by, float (features,)."""
        weighted = values * self._scales.take(numbers)
        length = np.sqrt(weighted @ weighted)
        return np.asarray(values / length, dtype=np.float32) if length else np.zeros_like(values)
