"""The engine `encoder`: an encoder such as BERT or ModernBERT, fine-tuned with a head for each question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import (
    ForgetsState,
    copied_files,
    read_folder,
)
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.common.records import Template
from labeltune.local.engines.encoder.manifest import ABOUT, STATE
from labeltune.local.engines.encoder.options import OPTIONS, Options
from labeltune.local.engines.neural.base_model import check_source, fetch_base, licence_on_this_disk
from labeltune.local.engines.neural.extra import need_torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Base, Fetched, Hyperparameters, Message, Record
    from labeltune.local.engines.common.onnx_form import TextConversion
    from labeltune.local.engines.encoder.learning import EncoderRun
    from labeltune.local.engines.encoder.network import Network
    from labeltune.local.engines.encoder.texts import Windows

__all__ = ["Encoder"]

_ANSWER_TOKENS = 8_192
"""Tokens that are read together when answering."""


class Encoder(ForgetsState):
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "encoder"
    preparation = "Loading the base model and reading texts"
    about = ABOUT
    state = frozenset({STATE})
    options: ClassVar[Mapping[str, str]] = OPTIONS
    slow: ClassVar[bool] = True

    def __init__(
        self,
        *,
        template: Template,
        speaker: Speaker,
        windows: Windows,
        network: Network,
        tilt: Sequence[float] | None,
    ) -> None:
        self._template, self._speaker = template, speaker
        self._windows, self._network = windows, network
        self._tilt = np.array(0.0 if tilt is None else tilt)

    @classmethod
    def check(cls, base: Base) -> None:
        """See `Engine`."""
        options = Options.of(base)
        need_torch(cls.name)
        found = check_source(base)
        if found is not None:
            options.window_of(found.config)

    @classmethod
    def fetch(cls, base: Base, tell: Callable[[str], None]) -> Fetched:
        """See `Fetching`."""
        return fetch_base(base, tell)

    @classmethod
    def licence(cls, base: Base) -> str:
        """See `Portable`."""
        return licence_on_this_disk(base) or "not known"

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
    ) -> EncoderRun:
        """See `Engine`. Raises `AccessError` for a base that is not there or cannot be loaded."""
        cls.check(base)
        from labeltune.local.engines.encoder.learning import EncoderRun

        return EncoderRun(training, validation, hyperparameters, base=base, seed=seed, resume=resume)

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """See `Engine`. Raises `AccessError` where torch is not installed."""
        need_torch(cls.name)
        from labeltune.local.engines.encoder.network import saved_network
        from labeltune.local.engines.encoder.texts import Windows
        from labeltune.local.engines.neural.device import choose_device
        from labeltune.local.engines.neural.saving import read_tensors

        values, _ = read_folder(folder, about=ABOUT, names=frozenset({"model"}))
        model: dict[str, Any] = values["model"]
        names = frozenset({"tokenizer.json", "weights.safetensors"})
        files = copied_files(folder, about=ABOUT, names=names)
        speaker = Speaker(format_from_json(model["answers"]), model["decisions"])
        network = saved_network(
            model["config"],
            read_tensors(files["weights.safetensors"]),
            outputs=speaker.layout.n_outputs,
            pooling=model["pooling"],
        )
        return cls(
            template=Template.from_json(model["template"]),
            speaker=speaker,
            windows=Windows(files["tokenizer.json"], model["window"]),
            network=network.to(choose_device("float32").torch),
            tilt=model["tilt"],
        )

    def answer(self, conversations: Sequence[Sequence[Message]], *, top_logprobs: int = 0) -> list[Answer]:
        """See `Engine`. An answer's probabilities depend on its company by less than 1e-5."""
        return self._speaker.answers(self._scores(conversations), top_logprobs)

    @classmethod
    def to_onnx(cls, folder: Path, out: Path, *, around: tuple[str, str] | None) -> TextConversion:
        """See `Portable`."""
        from labeltune.local.engines.common.onnx_form import need_onnx, write_tokenizer

        need_onnx()
        files = copied_files(folder, about=ABOUT, names=frozenset({"tokenizer.json"}))
        write_tokenizer(files["tokenizer.json"], out, window=None)
        return cls.load(folder).write_as_onnx(out, around)

    def write_as_onnx(self, out: Path, around: tuple[str, str] | None) -> TextConversion:
        """Write this model as ONNX; see `Portable.to_onnx`."""
        from labeltune.local.engines.common.onnx_form import conversion, write_known
        from labeltune.local.engines.encoder.onnx_form import CODE, write_onnx

        def scores(conversation: Sequence[Message]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = self._scores([conversation])[0]
            return found

        # Where the graph will be computed, too.
        self._network.to("cpu")
        found = conversion(self._speaker, self._template, around, scores=scores, code=CODE)
        tilt = np.broadcast_to(self._tilt, self._speaker.layout.n_outputs)
        write_onnx(out / "model.onnx", self._network, self._speaker, tilt)
        write_known(out / "labels.json", found, **self._windows.to_json())
        return found

    def _scores(self, conversations: Sequence[Sequence[Message]]) -> NDArray[np.float64]:
        """The scores of conversations, (n, k)."""
        from labeltune.local.engines.encoder.model import scores_of

        texts = self._windows.of([self._template.text(conversation) for conversation in conversations])
        scores: NDArray[np.float64] = scores_of(self._network, texts, tokens=_ANSWER_TOKENS)
        return np.asarray(scores - self._tilt)
