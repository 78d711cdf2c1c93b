"""The engine `encoder`: an encoder such as BERT or ModernBERT, fine-tuned with a head for each question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import copied_files, read_folder
from labeltune.local.engines.common.formats import format_from_json
from labeltune.local.engines.common.records import Template
from labeltune.local.engines.encoder.manifest import ABOUT
from labeltune.local.engines.encoder.options import OPTIONS, Options
from labeltune.local.engines.neural.base_model import check_source
from labeltune.local.engines.neural.extra import need_torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from labeltune.local.engines import Answer, Base, Hyperparameters, Message, Record
    from labeltune.local.engines.encoder.learning import EncoderRun
    from labeltune.local.engines.encoder.network import Network
    from labeltune.local.engines.encoder.texts import Windows

__all__ = ["Encoder"]

_ANSWER_TOKENS = 8_192
"""Tokens that are read together when answering."""


class Encoder:
    """A trained model: `load` it and `answer`."""

    name: ClassVar[str] = "encoder"
    preparation = "Loading the base model and reading texts"
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
        Options.of(base)
        need_torch(cls.name)
        check_source(base)

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
        from labeltune.local.engines.encoder.model import scores_of

        texts = self._windows.of([self._template.text(conversation) for conversation in conversations])
        scores = scores_of(self._network, texts, tokens=_ANSWER_TOKENS) - self._tilt
        return self._speaker.answers(scores, top_logprobs)
