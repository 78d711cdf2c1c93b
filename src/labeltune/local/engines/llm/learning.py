"""A training of the engine `llm`: what it learns from, how it goes on, and what it saves."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import astuple, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines.common.asked import checked
from labeltune.local.engines.common.calibration import decisions
from labeltune.local.engines.common.class_weight import ClassWeights, is_balanced
from labeltune.local.engines.common.folder import copied_files, read_folder, write_folder
from labeltune.local.engines.common.formats import read_format
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.common.learnable import check_answers, check_texts, left_out
from labeltune.local.engines.common.records import Template, content_of
from labeltune.local.engines.llm.adapter import quiet, read_base, read_config, with_lora
from labeltune.local.engines.llm.chat import Chat
from labeltune.local.engines.llm.deciding import Decider, choices_of, stepwise, uncalibrated
from labeltune.local.engines.llm.examples import Examples, common_beginning, window_of
from labeltune.local.engines.llm.grammar import Grammar
from labeltune.local.engines.llm.learner import Learner
from labeltune.local.engines.llm.legal import Legal
from labeltune.local.engines.llm.manifest import ABOUT, STATE
from labeltune.local.engines.llm.saved import ADAPTER, Saved
from labeltune.local.engines.llm.scoring import Scorer
from labeltune.local.engines.neural.base_model import find_base
from labeltune.local.engines.neural.device import Need, choose_device, precision_of
from labeltune.local.engines.neural.loop import Loop, Plan
from labeltune.local.engines.neural.lora import Lora
from labeltune.local.engines.neural.saving import read_tensors, tensor_files
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Base, Hyperparameters, Record, Step
    from labeltune.local.engines.llm.examples import Example

__all__ = ["LlmRun"]

RATE, RATE_WIDTH, RATE_POWER = 5e-4, 2000, 0.781
"""The learning rate of multiplier 1 at this width of a model; at others times (2000 / width) to this power.
Fitted for LoRA on Llama models by Schulman and others ("LoRA Without Regret", Thinking Machines Lab 2025)."""
NARROWEST = 512
"""Narrower models, which nobody fitted, learn at the rate of this width."""

_SEEN = 2400
"""So many examples are learnt from if nobody says how many epochs, between 2 and 20 epochs."""
_ENOUGH = 50
"""With fewer examples held out there is nothing to calibrate by."""
_SOME = 256
"""No more are decided anew at every checkpoint."""
_CALIBRATING = 1e-5
"""To calibrate by, probabilities are looked at more closely than to answer: their logarithms count."""
_MICRO_TOKENS = 8192


def rate_of(width: int) -> float:
    """The learning rate of multiplier 1 for a model of this width, in its hidden layers."""
    return RATE * math.pow(RATE_WIDTH / max(width, NARROWEST), RATE_POWER)


class LlmRun:
    """A training of `Llm` under way."""

    hyperparameters: Mapping[str, int | float]
    trained_tokens: int
    notes: Sequence[str]

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
        quiet()
        asked = checked(hyperparameters)
        self._template = Template.of([record[:-1] for record in training])
        self._format = _format_of(training, self._template)
        self._layout = Layout(self._format.heads)
        self._lora = Lora.of(base)
        self._device = choose_device(precision_of(base))
        self._base = find_base(base)
        self._chat = Chat(self._base.folder)
        self._window = window_of(base, self._base.config)
        self._legal = Legal(Grammar(self._format), self._chat.spell, self._chat.end)
        self._seed = seed
        learnt, valid = self._examples(training), self._examples(validation)
        self.notes = [*_notes(learnt, valid, self._window), *left_out(len(valid.rows), len(validation))]
        self._tilt: Sequence[float] = ()
        rows = self._weighted(base, learnt)
        rows, held = _split(learnt, valid, rows, seed)
        self._held, self._common = held, common_beginning([row.prompt for row in rows])
        self.hyperparameters = _chosen(asked, len(rows))
        # What does not fit into memory is told of before its bytes are hashed: that may take minutes.
        self._prepare(rows, valid.rows)
        self._about_base = self._base.to_json()
        self._fingerprint = self._fingerprint_of(asked, base, training, validation)
        epochs = int(self.hyperparameters["n_epochs"])
        self.trained_tokens = epochs * sum(len(row.prompt) + len(row.answer.ids) for row in rows)
        if resume is not None:
            self._resume(resume)

    def _examples(self, records: Sequence[Record]) -> Examples:
        return Examples.of(
            records,
            answer_format=self._format,
            template=self._template,
            chat=self._chat,
            legal=self._legal,
            window=self._window,
        )

    def _weighted(self, base: Base, learnt: Examples) -> list[Example]:
        """The examples to learn from, with what their loss counts."""
        if not is_balanced(base):
            return learnt.rows
        if [head.kind for head in self._format.heads] != ["choice"]:
            raise TrainingRefusedError(
                "class_weight=balanced: an answer that is a set, or has several fields, has no one class",
                hint="leave it out: rare labels of a set are named by thresholds of their own",
            )
        weights = ClassWeights.balanced(self._layout, learnt.targets)
        self._tilt = weights.tilt.astype(np.float64).tolist()
        return [
            replace(row, weight=float(weight))
            for row, weight in zip(learnt.rows, weights.weights[:, 0], strict=True)
        ]

    def _prepare(self, rows: Sequence[Example], valid: Sequence[Example]) -> None:
        config = read_config(self._base.folder)
        micro = self._micro_tokens(config, [*rows, *valid], kept=int(bool(valid)))
        model: Any = read_base(self._base.folder, self._device)
        self._layers = self._lora.layers(model)
        self._module = with_lora(model, rank=self._lora.rank, names=self._layers, seed=self._seed)
        self._learner = Learner(self._module, rows, valid, pad=self._chat.pad, device=self._device)
        multiplier = float(self.hyperparameters["learning_rate_multiplier"])
        plan = Plan(
            n_epochs=int(self.hyperparameters["n_epochs"]),
            batch_size=int(self.hyperparameters["batch_size"]),
            learning_rate=multiplier * rate_of(config.hidden_size),
            seed=self._seed,
            micro_tokens=micro,
            decay="cosine",
        )
        self._loop: Loop[Example] = Loop(self._learner, plan, self._device)

    def _micro_tokens(self, config: Any, rows: Sequence[Example], *, kept: int) -> int:
        """Tokens of a micro-batch. Raises `TrainingRefusedError` if the training does not fit into the memory
        that is free before the model is loaded.
        """
        need = Need(
            weights=self._base.n_weights,
            # An adapter of rank r has r·(in + out) weights; all of a layer are some 12 hidden².
            trainable=config.num_hidden_layers * self._lora.rank * 18 * config.hidden_size,
            hidden=config.hidden_size,
            layers=config.num_hidden_layers,
            # Logits are computed for answers only, a small part of all tokens.
            outputs=config.vocab_size // 8,
            weight_bytes=2 if self._device.half else 4,
            kept=kept,
        )
        return need.micro_tokens(
            self._device,
            most=_MICRO_TOKENS,
            least=max(row.tokens for row in rows),
            advice="use a smaller model, a smaller #window, or close other programs",
        )

    def __iter__(self) -> Iterator[Step]:
        """See `Run`."""
        yield from self._loop

    def _decisions(self) -> list[dict[str, Any]]:
        """Calibrated on what was held out, as the model is now."""
        if not self._held:
            return uncalibrated(self._layout, self._tilt)
        self._module.eval()
        scorer = Scorer(self._module, pad=self._chat.pad, opening=self._legal.opening, common=self._common)
        prompts = [row.prompt for row, _ in self._held]
        if self._layout.kinds == ["choice"] and not self._tilt:
            choices = scorer.run(prompts, [choices_of(row.answer) for row, _ in self._held])
            return [stepwise([choice for one in choices for choice in one])]
        decider = Decider(self._legal, uncalibrated(self._layout), self._tilt, tolerance=_CALIBRATING)
        found = scorer.run(prompts, [decider.walk() for _ in self._held])
        scores = np.stack([decided.scores for decided in found])
        tilt = np.array(self._tilt, dtype=np.float32) if self._tilt else None
        targets = np.stack([targets for _, targets in self._held])
        # Each label of a set was scored given those before it.
        return decisions(self._layout, scores, targets, tilt, together=False)

    def save(self, folder: Path) -> None:
        """See `Run`. A finished model is saved without the optimiser's state."""
        saved = Saved(
            template=self._template.to_json(),
            answers=self._format.to_json(),
            decisions=self._decisions(),
            tilt=self._tilt,
            window=self._window,
            common=self._common,
            half=self._device.half,
            base=self._about_base,
            rank=self._lora.rank,
            layers=self._layers,
        )
        state, tensors = self._loop.state()
        training = {
            "state": state,
            "fingerprint": self._fingerprint,
            "hyperparameters": dict(self.hyperparameters),
        }
        files = {ADAPTER: self._loop.weights()} | ({STATE: tensors} if tensors else {})
        with tensor_files(folder, files) as copies:
            values = {"model": saved.to_json(), "training": training}
            write_folder(folder, about=ABOUT, values=values, copies=copies)

    def _resume(self, folder: Path) -> None:
        values, _ = read_folder(folder, about=ABOUT, names=frozenset({"training"}))
        training = values["training"]
        if training["fingerprint"] != self._fingerprint:
            raise TrainingRefusedError(
                f"{folder}: this training began with another base model, other examples, hyperparameters or "
                "another seed",
                hint="start it anew",
            )
        files = copied_files(folder, about=ABOUT, names=frozenset({ADAPTER, STATE}))
        tensors = read_tensors(files[STATE]) if STATE in files else {}
        self._loop.restore(training["state"], tensors, read_tensors(files[ADAPTER]))

    def _fingerprint_of(
        self, asked: Hyperparameters, base: Base, training: Sequence[Record], validation: Sequence[Record]
    ) -> str:
        digest = hashlib.sha256()
        settings = [astuple(asked), dict(base.options), self._seed, self._about_base["sha256"]]
        digest.update(json.dumps(settings).encode())
        for part in (training, validation):
            for record in part:
                digest.update(json.dumps(record).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def _format_of(training: Sequence[Record], template: Template) -> Any:
    answers = [content_of(record[-1]) for record in training]
    check_answers(answers)
    # Or there is no conversation at all, which no template writes.
    check_texts(template.text(record[:-1]) for record in training)
    return read_format(answers, template.declared_labels())


def _chosen(asked: Hyperparameters, n: int) -> dict[str, int | float]:
    size, epochs, rate = asked.batch_size, asked.n_epochs, asked.learning_rate_multiplier
    if isinstance(size, str):
        size = 8 if n < 400 else 16
    if isinstance(epochs, str):
        epochs = min(20, max(2, round(_SEEN / n)))
    return {
        "n_epochs": epochs,
        "batch_size": size,
        "learning_rate_multiplier": 1.0 if isinstance(rate, str) else float(rate),
    }


Held = list[tuple["Example", "NDArray[np.bool_]"]]


def _split(learnt: Examples, valid: Examples, rows: list[Example], seed: int) -> tuple[list[Example], Held]:
    """What is learnt from, and what is held out to calibrate by: validation examples if there are enough, or
    a tenth of many examples.
    """
    random = np.random.default_rng([seed, 2])
    if len(valid.rows) >= _ENOUGH:
        chosen = sorted(random.permutation(len(valid.rows))[:_SOME].tolist())
        return rows, [(valid.rows[number], valid.targets[number]) for number in chosen]
    count = min(len(rows) // 10, _SOME)
    if count < _ENOUGH:
        return rows, []
    out = set(random.permutation(len(rows))[:count].tolist())
    kept = [row for number, row in enumerate(rows) if number not in out]
    return kept, [(rows[number], learnt.targets[number]) for number in sorted(out)]


def _notes(learnt: Examples, valid: Examples, window: int) -> list[str]:
    notes = []
    if cut := learnt.cut + valid.cut:
        notes.append(
            f"{counted(cut, 'text is', 'texts are')} longer than the window of {window:,} tokens "
            f"and lost {'its' if cut == 1 else 'their'} middle"
        )
    if learnt.otherwise:
        notes.append(
            f"{learnt.otherwise:,} answers are learnt in other tokens than the tokenizer would write them "
            "in: it joins labels with what stands between them"
        )
    return notes
