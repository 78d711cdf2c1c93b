"""A training of the engine `linear`: what it learns from, how it goes on, and what it saves."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import HeldOut, Step
from labeltune.local.engines.common.asked import checked
from labeltune.local.engines.common.calibration import decisions
from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.folder import read_folder, write_folder
from labeltune.local.engines.common.formats import read_format
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.common.learnable import check_answers, check_texts, left_out
from labeltune.local.engines.common.records import Template, content_of
from labeltune.local.engines.linear.choosing import choose
from labeltune.local.engines.linear.corpus import Corpus
from labeltune.local.engines.linear.fitting import Examples, Fitting
from labeltune.local.engines.linear.manifest import ABOUT
from labeltune.local.engines.linear.weighting import row_lengths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Hyperparameters, Record
    from labeltune.local.engines.common.answers import AnswerFormat
    from labeltune.local.engines.linear.optimiser import MiniBatch

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["LinearRun"]

_FOLDS = 3
_FOLDS_OF_FEW = 10
_FEW_EXAMPLES = 2_000
"""With fewer examples a model that lacks a third of them is too unlike the whole one to calibrate it by."""
_ENOUGH_VALIDATION = 1_000
"""With so many validation examples, and ten per label, calibration needs no cross-validation,"""
_ENOUGH_OF_LABEL = 100
"""if each label of a subset holds in so many of them: of fewer its threshold is mostly chance."""
_VALIDATIONS = 100
"""How many steps of a run report a validation batch."""


class LinearRun:
    """A training of `Linear` under way.

    An engine that learns something else beside it builds on `_prepare`, `_learn`, `_valid_scores`,
    `_held_out`, `_contents`, `_state` and `_restore`.

    `fold`, int64 (n,) counted from 1, are folds for cross-validation in place of those that it would make:
    see `CrossValidating`.
    """

    about: ClassVar[Mapping[str, Any]] = ABOUT
    hyperparameters: Mapping[str, int | float]
    trained_tokens: int
    notes: Sequence[str]

    def __init__(
        self,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        balanced: bool,
        seed: int,
        resume: Path | None,
        fold: NDArray[np.int64] | None = None,
    ) -> None:
        asked = checked(hyperparameters)
        self._seed, self._balanced, self._given = seed, balanced, fold
        conversations = [record[:-1] for record in training]
        self._template = Template.of(conversations)
        answers = [content_of(record[-1]) for record in training]
        check_answers(answers)
        self._format = read_format(answers, self._template.declared_labels())
        self._layout = Layout(self._format.heads)
        examples = self._examples(training)
        check_texts(examples.texts)
        self._validation = self._examples(validation)
        self.notes = left_out(len(self._validation), len(validation))
        hints = _label_names(self._format)
        saved = None if resume is None else _Saved.read(resume, self.about)
        self.hyperparameters = (
            self._choose(asked, examples, hints) if saved is None else saved.hyperparameters
        )
        self._epochs = int(self.hyperparameters["n_epochs"])
        self.trained_tokens = self._epochs * sum(map(_tokens, training))
        self._fingerprint = self._fingerprint_of(asked, examples)
        self._prepare(examples, hints)
        self._step = 0
        if saved is not None:
            self._resume(saved)

    def _choose(
        self, asked: Hyperparameters, examples: Examples, hints: Examples | None
    ) -> dict[str, int | float]:
        """The numbers for what was asked, with every `"auto"` chosen for these examples."""
        size, epochs, rate = asked.batch_size, asked.n_epochs, asked.learning_rate_multiplier
        size = min(64, max(16, len(examples) // 300)) if isinstance(size, str) else size
        epochs, rate = choose(
            self._layout,
            examples,
            hints=hints,
            balanced=self._balanced,
            size=size,
            seed=self._seed,
            epochs=None if isinstance(epochs, str) else epochs,
            multiplier=None if isinstance(rate, str) else float(rate),
        )
        return {"n_epochs": epochs, "batch_size": size, "learning_rate_multiplier": rate}

    def _examples(self, records: Sequence[Record]) -> Examples:
        """The texts and targets of those records whose answers can be answered."""
        targets, fits = self._format.targets([content_of(record[-1]) for record in records])
        texts = [
            self._template.text(record[:-1])
            for record, fit in zip(records, fits.tolist(), strict=True)
            if fit
        ]
        return Examples(texts, targets[fits])

    def _prepare(self, examples: Examples, hints: Examples | None) -> None:
        """Lay out the training and the validation examples."""
        size = int(self.hyperparameters["batch_size"])
        folds = _FOLDS if len(examples) >= _FEW_EXAMPLES else _FOLDS_OF_FEW
        self._folds = 0 if self._is_validation_enough() else folds
        if self._given is not None:
            self._folds = int(self._given.max())
        fitting = Fitting(
            self._layout,
            examples,
            hints=hints,
            balanced=self._balanced,
            folds=self._folds,
            size=size,
            seed=self._seed,
            given=self._given,
        )
        self._fitting = fitting
        self._optimiser = fitting.optimiser(float(self.hyperparameters["learning_rate_multiplier"]))
        self._total_steps = self._epochs * len(fitting.batches)
        rows = np.arange(len(self._validation))
        size = max(size, 256)
        self._valid = fitting.batches_of(Corpus(self._validation.texts), rows, size)
        self._valid_lengths = row_lengths(self._valid, fitting.scales[:, :1], len(rows))

    def _is_validation_enough(self) -> bool:
        """Whether the validation examples alone tell what to calibrate by.

        A choice takes one number for all its labels, a subset a threshold for each.
        """
        layout, holds = self._layout, self._validation.targets.sum(axis=0)
        often = all(
            kind == "choice" or (holds[part] >= _ENOUGH_OF_LABEL).all()
            for kind, part in zip(layout.kinds, layout.slices, strict=True)
        )
        return often and len(self._validation) >= max(_ENOUGH_VALIDATION, 10 * layout.n_outputs)

    def __iter__(self) -> Iterator[Step]:
        """See `Run`."""
        fitting = self._fitting
        per_epoch = len(fitting.batches)
        every = max(1, self._total_steps // _VALIDATIONS)
        while self._step < self._total_steps:
            epoch, place = divmod(self._step, per_epoch)
            batch = fitting.batches[fitting.order(epoch)[place]]
            scores = self._learn(batch)
            self._step += 1
            real = batch.rows < fitting.n
            loss, accuracy = (
                self._measure(scores[real], fitting.targets[batch.rows[real]]) if real.any() else (0.0, 1.0)
            )
            if not math.isfinite(loss):
                raise TrainingRefusedError(
                    f"the loss is not finite any more after {self._step} steps",
                    hint="use a smaller learning-rate multiplier",
                )
            epoch_end = place + 1 == per_epoch
            valid: dict[str, Any] = {}
            if self._valid and (epoch_end or self._step % every == 0):
                some = self._valid[self._step // every % len(self._valid)]
                valid["valid_loss"], valid["valid_accuracy"] = self._validate([some])
            if self._valid and epoch_end:
                valid["full_valid_loss"], valid["full_valid_accuracy"] = self._validate(self._valid)
            yield Step(
                step=self._step,
                total_steps=self._total_steps,
                epoch=epoch + 1,
                train_loss=loss,
                train_accuracy=accuracy,
                epoch_end=epoch_end,
                rows=int(real.sum()),
                **valid,
            )

    def _learn(self, batch: MiniBatch) -> Floats:
        """Learn from a batch. Returns its scores before that, float (b, labels)."""
        return self._optimiser.step(batch)

    def _validate(self, batches: Sequence[MiniBatch]) -> tuple[float, float]:
        rows = np.concatenate([batch.rows for batch in batches])
        scores = np.concatenate([self._valid_scores(batch) for batch in batches])
        return self._measure(scores, self._validation.targets[rows])

    def _measure(self, scores: Floats, targets: Bools) -> tuple[float, float]:
        return self._layout.loss_and_accuracy(self._layout.probabilities(scores), targets)

    def _valid_scores(self, batch: MiniBatch) -> Floats:
        """Scores of validation examples by the model, float (b, labels)."""
        return self._linear_scores(batch)

    def _linear_scores(self, batch: MiniBatch) -> Floats:
        scores = batch.x() @ self._optimiser.weights[batch.columns, 0]
        scores /= np.maximum(self._valid_lengths[batch.rows], 1e-12)
        return np.asarray(scores + self._optimiser.intercepts()[0], dtype=np.float32)

    def _held_out(self) -> tuple[NDArray[np.float64], Bools]:
        """Scores and targets of examples that the scoring model has not seen: those of the folds in their
        order, if there are folds, and then those of the validation.
        """
        scores = [self._linear_scores(batch) for batch in self._valid]
        targets = [self._validation.targets]
        if self._folds:
            scores.insert(0, self._fitting.held_out(self._optimiser))
            targets.insert(0, self._fitting.targets[: self._fitting.n])
        return np.concatenate(scores).astype(np.float64), np.concatenate(targets)

    def cross_validated(self) -> HeldOut:
        """Train to the end, and tell what each example's label would have been without it."""
        for _ in self:
            pass
        scores, targets = self._held_out()
        decided = decisions(self._layout, scores, targets)
        verdicts = Speaker(self._format, decided).verdicts(scores)
        return HeldOut(
            heads=tuple(head.labels for head in self._format.heads),
            probabilities=np.array(
                [np.concatenate([head.probabilities for head in row]) for row in verdicts]
            ),
        )

    def save(self, folder: Path) -> None:
        """See `Run`. A finished model is saved without the optimiser's state."""
        values, arrays, copies = self._contents()
        training = {
            "step": self._step,
            "fingerprint": self._fingerprint,
            "hyperparameters": dict(self.hyperparameters),
        }
        if self._step < self._total_steps:
            arrays = {**arrays, **self._state()}
        values = {**values, "training": training}
        self._copied(write_folder(folder, about=self.about, values=values, arrays=arrays, copies=copies))

    def _copied(self, files: Mapping[str, Path]) -> None:
        """The copies that were just made."""

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], Mapping[str, Path]]:
        """What the model is: values, arrays, and files to be copied."""
        values = {
            "model": {
                "template": self._template.to_json(),
                "answers": self._format.to_json(),
                "decisions": self._decisions(),
            },
            "vocabulary": self._fitting.vocabulary.to_json(),
        }
        arrays: dict[str, NDArray[Any]] = {
            "weights": self._optimiser.weights[:, 0],
            "intercepts": self._optimiser.intercepts()[0],
            "scales": self._fitting.scales[:, 0],
        }
        return values, arrays, {}

    def _decisions(self) -> list[dict[str, Any]]:
        weights = self._fitting.class_weights
        return decisions(self._layout, *self._held_out(), None if weights is None else weights.tilt)

    def _state(self) -> dict[str, NDArray[Any]]:
        """What else it takes to go on."""
        optimiser = self._optimiser
        return {
            "all_weights": optimiser.weights,
            "all_bias": optimiser.bias,
            "shares": optimiser.shares,
        }

    def _restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `_state` gave."""
        self._optimiser.weights = state["all_weights"]
        self._optimiser.bias = state["all_bias"]
        self._optimiser.shares = state["shares"]

    def _resume(self, saved: _Saved) -> None:
        if saved.fingerprint != self._fingerprint:
            raise TrainingRefusedError(
                f"{saved.folder}: this training began with other examples, hyperparameters or another seed",
                hint="start it anew",
            )
        self._step = saved.step
        if self._step < self._total_steps:
            self._restore(saved.arrays)

    def _settings(self) -> list[Any]:
        """What else decides what comes out, as JSON values."""
        return [self._balanced]

    def _fingerprint_of(self, asked: Hyperparameters, examples: Examples) -> str:
        digest = hashlib.sha256()
        settings = [astuple(asked), self._seed, self._format.to_json(), self._template.to_json()]
        settings += self._settings()
        digest.update(json.dumps(settings).encode())
        for part in (examples, self._validation):
            # Text by text: all of them at once would be the largest thing that a training holds.
            for text in part.texts:
                digest.update(json.dumps(text).encode())
            digest.update(part.targets.tobytes())
        return digest.hexdigest()


_TRAINING = frozenset({"training", "all_weights", "all_bias", "shares", "all_heads", "shown"})
"""What is read to go on; an engine that builds on this one saves the last two."""


@dataclass(frozen=True, slots=True)
class _Saved:
    """What a training left to go on from."""

    folder: Path
    step: int
    fingerprint: str
    hyperparameters: dict[str, int | float]
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def read(cls, folder: Path, about: Mapping[str, Any]) -> _Saved:
        values, arrays = read_folder(folder, about=about, names=_TRAINING)
        return cls(folder=folder, arrays=arrays, **values["training"])


def _tokens(record: Record) -> int:
    # As the local provider counts a request: four characters a token, and four for the message.
    return sum((len(content_of(message)) + 3) // 4 + 4 for message in record)


def _label_names(answer_format: AnswerFormat) -> Examples | None:
    """The names of the labels as examples of their own, if there is one choice among words."""
    if len(answer_format.heads) != 1 or answer_format.heads[0].kind != "choice":
        return None
    names = ["".join(c if c.isalnum() else " " for c in label) for label in answer_format.heads[0].labels]
    if not all(any(len(word) > 2 for word in name.split()) for name in names):
        return None
    return Examples(names, np.eye(len(names), dtype=np.bool_))
