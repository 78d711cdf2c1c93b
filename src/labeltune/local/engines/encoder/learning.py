"""A training of the engine `encoder`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labeltune.errors import AccessError, TrainingRefusedError
from labeltune.local.engines.common.asked import checked
from labeltune.local.engines.common.calibration import decisions
from labeltune.local.engines.common.class_weight import ClassWeights
from labeltune.local.engines.common.folder import copied_files, read_folder, write_folder
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.common.learnable import left_out
from labeltune.local.engines.encoder.examples import Example, Readings, held_out, notes_on
from labeltune.local.engines.encoder.manifest import ABOUT, STATE
from labeltune.local.engines.encoder.model import EncoderModel, scores_of
from labeltune.local.engines.encoder.network import add_adapters, base_network, pooling_of, whole_weights
from labeltune.local.engines.encoder.options import Options, base_rate, resolved
from labeltune.local.engines.encoder.texts import Windows
from labeltune.local.engines.neural.base_model import find_base
from labeltune.local.engines.neural.device import Need, choose_device
from labeltune.local.engines.neural.loop import Loop, Plan
from labeltune.local.engines.neural.saving import read_tensors, tensor_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Base, Hyperparameters, Record, Step

    Bools = NDArray[np.bool_]

__all__ = ["EncoderRun"]

_MICRO_TOKENS = {"cpu": 4_096, "mps": 8_192, "cuda": 32_768}
_MOST_CALIBRATION = 2_000
"""Validation examples that calibration looks at; more would say the same."""
_ADVICE = "add #rank=8 to the model, use a smaller window or a smaller base, or free some memory"


class EncoderRun:
    """A training of `Encoder` under way."""

    hyperparameters: Mapping[str, int | float]
    trained_tokens: int

    def __init__(
        self,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        base: Base,
        seed: int,
        resume: Path | None,
    ) -> None:
        asked = checked(hyperparameters)
        self._options = Options.of(base)
        self._readings = Readings(training)
        self._layout = Layout(self._readings.format.heads)
        self._base = find_base(base)
        self._windows = Windows(
            self._base.folder / "tokenizer.json", self._options.window_of(self._base.config)
        )
        self._read(training, validation, seed)
        self.hyperparameters = resolved(asked, len(self._learning))
        epochs = int(self.hyperparameters["n_epochs"])
        self.trained_tokens = epochs * sum(len(w) for example in self._learning for w in example.windows)
        # What does not fit into memory is told of before its bytes are hashed: that may take minutes.
        self._prepare(seed)
        self._about_base = {**self._base.to_json(), "options": dict(base.options)}
        self._fingerprint = self._fingerprint_of(asked, seed)
        if resume is not None:
            self._resume(resume)

    def _read(self, training: Sequence[Record], validation: Sequence[Record], seed: int) -> None:
        """Lay out what is learnt from, what is validated by, and what is calibrated by."""
        texts, targets = self._readings.of(training)
        self._tilt: NDArray[np.float32] | None = None
        weights: list[NDArray[np.float32] | None] = [None] * len(texts)
        if self._options.balanced:
            balanced = ClassWeights.balanced(self._layout, targets)
            self._tilt, weights = balanced.tilt, list(balanced.weights)
        examples = [
            Example(windows, target, weight)
            for windows, target, weight in zip(self._windows.of(texts), targets, weights, strict=True)
        ]
        self.notes = notes_on(self._windows, examples, texts)
        valid_texts, valid_targets = self._readings.of(validation)
        self._validation = [
            Example(windows, target, None)
            for windows, target in zip(self._windows.of(valid_texts), valid_targets, strict=True)
        ]
        self.notes += left_out(len(valid_texts), len(validation))
        kept = [] if self._validation else held_out(targets, seed)
        aside = set(kept)
        self._learning = [example for number, example in enumerate(examples) if number not in aside]
        self._calibration = [examples[number] for number in kept] or self._validation[:_MOST_CALIBRATION]
        if kept:
            self.notes.append(
                f"{len(kept):,} training examples are held out to calibrate by, since there is no validation "
                "file"
            )
        elif not self._calibration:
            self.notes.append("too few examples to calibrate by: the probabilities are the network's own")

    def _prepare(self, seed: int) -> None:
        config, options, layout = self._base.config, self._options, self._layout
        self._device = choose_device(options.precision)
        self._pooling = pooling_of(self._base.folder, options.pooling)
        micro_tokens = self._micro_tokens()
        torch.manual_seed(seed)
        network = base_network(self._base, outputs=layout.n_outputs, pooling=self._pooling)
        if self._windows.vocabulary > network.encoder.get_input_embeddings().num_embeddings:
            raise AccessError(
                f"{self._base.folder}: its tokenizer has more tokens than the model",
                hint="copy or fetch the model again",
            )
        self._config = network.encoder.config.to_dict()
        if options.lora:
            add_adapters(network, options.lora)
        self._network = network.to(self._device.torch)
        model = EncoderModel(
            network,
            layout,
            training=self._learning,
            validation=self._validation,
            tilt=self._tilt,
            adapted=options.lora is not None,
        )
        rate = base_rate(int(config["hidden_size"]), lora=options.lora is not None)
        plan = Plan(
            n_epochs=int(self.hyperparameters["n_epochs"]),
            batch_size=int(self.hyperparameters["batch_size"]),
            learning_rate=rate * float(self.hyperparameters["learning_rate_multiplier"]),
            seed=seed,
            micro_tokens=micro_tokens,
        )
        self._loop = Loop(model, plan, self._device)

    def _micro_tokens(self) -> int:
        """Tokens of a micro-batch. Raises `TrainingRefusedError` if the training does not fit into memory."""
        config, lora = self._base.config, self._options.lora
        weights = self._base.n_weights
        hidden, layers = int(config.get("hidden_size", 0)), int(config.get("num_hidden_layers", 0))
        if not hidden or not layers:
            raise AccessError(f"{self._base.folder}: config.json names no hidden_size or num_hidden_layers")
        # An adapter of rank r has r·(in + out) weights; the six matrices of a layer are 12 hidden² in all.
        trainable = layers * lora.rank * 18 * hidden if lora else weights
        need = Need(weights, trainable, hidden, layers, kept=1 if self._validation else 0)
        longest = max(example.tokens for example in (*self._learning, *self._validation))
        most = _MICRO_TOKENS[self._device.kind]
        return need.micro_tokens(self._device, most=most, least=longest, advice=_ADVICE)

    def __iter__(self) -> Iterator[Step]:
        """See `Run`."""
        return iter(self._loop)

    def _decisions(self) -> list[dict[str, Any]]:
        if not self._calibration:
            return [
                {"slope": 1.0, "offset": 0.0, "thresholds": [0.5] * len(head.labels)}
                for head in self._readings.format.heads
            ]
        texts = [example.windows for example in self._calibration]
        scores = scores_of(self._network, texts, tokens=_MICRO_TOKENS[self._device.kind])
        if self._tilt is not None:
            scores -= self._tilt
        targets = np.stack([example.target for example in self._calibration])
        return decisions(self._layout, scores, targets, self._tilt)

    def save(self, folder: Path) -> None:
        """See `Run`. Of several processes the first one saves; what is finished, without a state."""
        if self._loop.processes.rank:
            return
        state, tensors = self._loop.state()
        values = {
            "model": {
                "template": self._readings.template.to_json(),
                "answers": self._readings.format.to_json(),
                "decisions": self._decisions(),
                "tilt": None if self._tilt is None else self._tilt.tolist(),
                "window": self._windows.size,
                "pooling": self._pooling,
                "config": self._config,
            },
            "base": self._about_base,
            "training": {
                "fingerprint": self._fingerprint,
                "hyperparameters": dict(self.hyperparameters),
                "loop": state,
            },
        }
        files = {"weights.safetensors": whole_weights(self._network)}
        if tensors:
            own = self._loop.weights() if self._options.lora else {}
            files[STATE] = {**tensors, **{f"now.{name}": w for name, w in own.items()}}
        with tensor_files(folder, files) as copies:
            copies["tokenizer.json"] = self._base.folder / "tokenizer.json"
            write_folder(folder, about=ABOUT, values=values, copies=copies)

    def _resume(self, folder: Path) -> None:
        values, _ = read_folder(folder, about=ABOUT, names=frozenset({"training"}))
        training = values["training"]
        if training["fingerprint"] != self._fingerprint:
            raise TrainingRefusedError(
                f"{folder}: this training began with another base, other examples, hyperparameters or "
                "another seed",
                hint="start it anew",
            )
        names = frozenset({"weights.safetensors", STATE})
        files = copied_files(folder, about=ABOUT, names=names)
        found = read_tensors(files[STATE]) if STATE in files else {}
        weights = {
            name.removeprefix("now."): tensor for name, tensor in found.items() if name.startswith("now.")
        }
        if not self._options.lora:
            weights = read_tensors(files["weights.safetensors"])
        elif not weights:
            # A finished training has nothing to go on from, and no step left.
            weights = self._loop.weights()
        self._loop.restore(training["loop"], found, weights)

    def _fingerprint_of(self, asked: Hyperparameters, seed: int) -> str:
        digest = hashlib.sha256()
        readings = self._readings
        about = {key: value for key, value in self._about_base.items() if key != "name"}
        settings = [astuple(asked), seed, about, readings.format.to_json(), readings.template.to_json()]
        digest.update(json.dumps(settings).encode())
        for example in (*self._learning, *self._validation, *self._calibration):
            digest.update(json.dumps(example.windows).encode())
            digest.update(example.target.tobytes())
        return digest.hexdigest()
