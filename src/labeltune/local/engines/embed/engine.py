"""The engine `embed`: what sentence vectors know of the language, beside what words say of the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import AccessError, ModelDamagedError
from labeltune.local.engines import Explanation, Fetched, Hyperparameters
from labeltune.local.engines.common.class_weight import CLASS_WEIGHT, is_balanced
from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import (
    ForgetsState,
    copied_files,
    read_folder,
)
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.embed.manifest import ABOUT, STATE
from labeltune.local.engines.embed.mixing import Mix
from labeltune.local.engines.embed.sources import (
    Sentences,
    describe,
    fetch_folder,
    find_folder,
    licence_on_this_disk,
    pinned,
)
from labeltune.local.engines.linear.engine import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Base, HeldOut, Message, Record
    from labeltune.local.engines.common.onnx_form import TextConversion
    from labeltune.local.engines.embed.learning import EmbedRun
    from labeltune.local.engines.embed.vectors import Vectors

    Floats = NDArray[np.float32]

__all__ = ["Embed"]

_ARRAYS = frozenset({"weights", "intercepts", "scales", "head_weights", "head_intercepts"})
_MODEL = frozenset({"model", "vocabulary", "sentences"}) | _ARRAYS


class Embed(ForgetsState):
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "embed"
    preparation = "Computing sentence vectors"
    about = ABOUT
    state = STATE
    options: ClassVar[Mapping[str, str]] = {
        **CLASS_WEIGHT,
        "prefix": "what the sentence model wants before each text, such as `query: `",
    }

    def __init__(
        self,
        *,
        linear: Linear,
        speaker: Speaker,
        vectors: Vectors,
        weights: Floats,
        intercepts: Floats,
        mix: Mix,
    ) -> None:
        self._linear, self._speaker, self._vectors = linear, speaker, vectors
        self._weights, self._intercepts, self._mix = weights, intercepts, mix

    @property
    def slow(self) -> bool:
        """See `Engine`: whether it waits for a transformer."""
        return self._vectors.slow

    @classmethod
    def check(cls, base: Base) -> None:
        """See `Engine`. A hub's model is not fetched for it."""
        base.check_options(cls.options)
        is_balanced(base)
        folder = find_folder(base)
        if folder is not None:
            _described(base, folder, hashed=False)

    @classmethod
    def fetch(cls, base: Base, tell: Callable[[str], None]) -> Fetched:
        """See `Fetching`."""
        folder = fetch_folder(base, tell)
        exact, revision = pinned(base, folder)
        return Fetched(exact, revision, licence_on_this_disk(exact))

    @classmethod
    def fit(
        cls,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        base: Base,
        seed: int,
        resume: Path | None = None,
    ) -> EmbedRun:
        """See `Engine`. What was begun goes on with the sentence model that it was begun with."""
        from labeltune.local.engines.embed.learning import EmbedRun

        base.check_options(cls.options)
        if resume is None:
            sentences = _described(base, fetch_folder(base), hashed=True)
        else:
            values, _ = read_folder(resume, about=ABOUT, names=frozenset({"sentences"}))
            sentences = _saved(resume, values)
        return EmbedRun(
            training,
            validation,
            hyperparameters,
            sentences=sentences,
            balanced=is_balanced(base),
            seed=seed,
            resume=resume,
        )

    @classmethod
    def cross_validate(
        cls, training: Sequence[Record], fold: NDArray[np.int64], *, base: Base, seed: int
    ) -> HeldOut:
        """See `CrossValidating`."""
        from labeltune.local.engines.embed.learning import EmbedRun

        base.check_options(cls.options)
        return EmbedRun(
            training,
            (),
            Hyperparameters(),
            sentences=_described(base, fetch_folder(base), hashed=True),
            balanced=is_balanced(base),
            seed=seed,
            resume=None,
            fold=fold,
        ).cross_validated()

    @classmethod
    def load(cls, folder: Path) -> Embed:
        """See `Engine`. Raises `AccessError` if a package is missing that the sentence model needs."""
        from labeltune.local.engines.embed.extra import need
        from labeltune.local.engines.embed.vectors import Vectors

        values, arrays = read_folder(folder, about=ABOUT, names=_MODEL)
        sentences = _saved(folder, values)
        need(sentences.kind)
        try:
            vectors = Vectors(sentences)
        except AccessError as error:
            raise ModelDamagedError(str(error), hint=error.hint) from error
        model = values["model"]
        return cls(
            linear=Linear.of(values, arrays),
            speaker=Speaker(format_from_json(model["answers"]), model["decisions"]),
            vectors=vectors,
            weights=arrays["head_weights"],
            intercepts=arrays["head_intercepts"],
            mix=Mix.from_json(model["mix"]),
        )

    @classmethod
    def to_onnx(cls, folder: Path, out: Path, *, around: tuple[str, str] | None) -> TextConversion:
        """See `Portable`."""
        from labeltune.local.engines.common.onnx_form import need_onnx

        need_onnx()
        return cls.load(folder).write_as_onnx(out, around)

    def write_as_onnx(self, out: Path, around: tuple[str, str] | None) -> TextConversion:
        """Write this model as ONNX; see `Portable.to_onnx`."""
        from labeltune.local.engines.common.onnx_form import conversion, write_known, write_tokenizer
        from labeltune.local.engines.embed.onnx_form import code_for, text_vectors, write_onnx
        from labeltune.local.engines.linear.onnx_form import features_of

        linear, sentences, encoder = self._linear, self._vectors.sentences, self._vectors.encoder
        vectors = text_vectors(sentences, encoder, out)
        found = conversion(
            self._speaker,
            linear.template,
            around,
            scores=self._scores,
            code=code_for(vectors),
            tolerance=vectors.tolerance,
        )
        write_onnx(
            out / "model.onnx",
            linear=linear.arrays,
            head=(self._weights, self._intercepts),
            mix=self._mix,
            speaker=self._speaker,
            sentences=sentences,
            encoder=encoder,
        )
        write_tokenizer(sentences.files["tokenizer.json"], out, window=sentences.window or None)
        write_known(out / "features.json", found, **features_of(linear.vocabulary), **vectors.known)
        return found

    def _scores(self, conversation: Sequence[Message]) -> NDArray[np.float64]:
        """The scores of a conversation, (k,)."""
        text = self._linear.text(conversation)
        (vector,) = self._vectors.of([text])
        head = vector @ self._weights + self._intercepts
        linear = self._linear.scores(text)
        return np.asarray(self._mix.scores(self._speaker.layout, linear[None, :], head[None, :])[0])

    @classmethod
    def licence(cls, base: Base) -> str:
        """See `Portable`."""
        return licence_on_this_disk(base) or "not known"

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        """See `Engine`. An answer depends on its own conversation only, to the last bit."""
        texts = [self._linear.text(conversation) for conversation in conversations]
        layout = self._speaker.layout
        linear = np.empty((len(texts), layout.n_outputs), dtype=np.float32)
        head = np.empty_like(linear)
        # One at a time: a sum's last bits depend on its company.
        for row, (text, vector) in enumerate(zip(texts, self._vectors.of(texts), strict=True)):
            linear[row] = self._linear.scores(text)
            head[row] = vector @ self._weights + self._intercepts
        return self._speaker.answers(self._mix.scores(layout, linear, head), top_logprobs)

    def explain(self, conversations: Sequence[Sequence[Message]]) -> list[Explanation]:
        """See `Explaining`. What the vector of the whole text adds is the rest: no word of it is named."""
        vectors = self._vectors.of([self._linear.text(conversation) for conversation in conversations])
        return list(map(self._explain, conversations, vectors))

    def _explain(self, conversation: Sequence[Message], vector: Floats) -> Explanation:
        layout, of_text = self._speaker.layout, vector @ self._weights
        linear = self._linear.scores(self._linear.text(conversation))[None, :]
        scores = self._mix.scores(layout, linear, (of_text + self._intercepts)[None, :])
        (verdicts,) = self._speaker.verdicts(scores)
        first, second, third = self._mix.per_output(layout)
        contrasts = self._speaker.contrasts(verdicts)
        words, constants = self._linear.added(conversation, [each.direction * first for each in contrasts])
        reasons = [
            contrast.reason(
                scores[0],
                words=of_label,
                constant=constant + float(contrast.direction @ (second * self._intercepts + third)),
                rest=float(contrast.direction @ (second * of_text)),
            )
            for contrast, of_label, constant in zip(contrasts, words, constants, strict=True)
        ]
        return Explanation(self._speaker.probabilities(verdicts), tuple(reasons))


def _described(base: Base, folder: Path, *, hashed: bool) -> Sentences:
    prefix = base.options.get("prefix", "")
    return describe(folder, own=not base.source, prefix=prefix, hashed=hashed)


def _saved(folder: Path, values: Mapping[str, Any]) -> Sentences:
    """The sentence model that a saved model holds."""
    return Sentences.from_json(values["sentences"], copied_files(folder, about=ABOUT))
