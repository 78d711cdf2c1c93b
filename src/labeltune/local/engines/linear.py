"""The engine `linear`: a linear model of words and pieces of words, trained in seconds on a processor."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import Step
from labeltune.local.engines.answers import AnswerFormat, Verdict
from labeltune.local.engines.calibration import platt, temperature, thresholds
from labeltune.local.engines.features import Vocabulary
from labeltune.local.engines.folder import read_folder, write_folder
from labeltune.local.engines.formats import format_from_json, read_format
from labeltune.local.engines.optimiser import Layout, MiniBatch, Optimiser, likeness_of
from labeltune.local.engines.records import Template, content_of
from labeltune.local.engines.weighting import feature_scales, row_lengths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from labeltune.local.engines import Answer, Hyperparameters, Message, Record

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["Linear", "LinearRun"]

_ABOUT = {"engine": "linear", "format": 1}

_FOLDS = 3
_ENOUGH_VALIDATION = 1_000
"""With so many validation examples, and ten per label, calibration needs no cross-validation."""
_LARGEST_MODEL = 200_000_000
"""Weights of all models together while training; features are given up, the rarest first, to stay below."""
_MOST_FEATURES = 1_000_000
_MANY_EXAMPLES = 1_000
"""From so many examples on, what occurs in only one of them is no feature."""
_VALIDATIONS = 100
"""How many steps of a run report a validation batch."""

_MODEL = frozenset({"model", "vocabulary", "weights", "intercepts", "scales"})


@dataclass(frozen=True, slots=True)
class _Examples:
    """Texts with their targets, bool (n, labels)."""

    texts: list[str]
    targets: Bools


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
        decisions: Sequence[Mapping[str, Any]],
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
            for head, decision in zip(answer_format.heads, decisions, strict=True)
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
        values, arrays = read_folder(folder, about=_ABOUT, names=_MODEL)
        model = values["model"]
        return cls(
            template=Template.from_json(model["template"]),
            answer_format=format_from_json(model["answers"]),
            vocabulary=Vocabulary.from_json(values["vocabulary"]),
            weights=arrays["weights"],
            intercepts=arrays["intercepts"],
            scales=arrays["scales"],
            decisions=model["decisions"],
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


class LinearRun:
    """A training of `Linear` under way."""

    hyperparameters: Mapping[str, int | float]
    trained_tokens: int

    def __init__(
        self,
        training: Sequence[Record],
        validation: Sequence[Record],
        hyperparameters: Hyperparameters,
        *,
        seed: int,
        resume: Path | None,
    ) -> None:
        if not training:
            raise TrainingRefusedError("there are no examples to learn from")
        self.hyperparameters = resolve(hyperparameters, len(training))
        self._epochs = int(self.hyperparameters["n_epochs"])
        self._seed = seed
        self.trained_tokens = self._epochs * sum(map(_tokens, training))
        conversations = [record[:-1] for record in training]
        self._template = Template.of(conversations)
        answers = [content_of(record[-1]) for record in training]
        if len(set(answers)) == 1:
            raise TrainingRefusedError(
                f"all {len(training):,} examples have the same answer: there is nothing to learn",
                hint="train on examples of at least two different answers",
            )
        self._format = read_format(answers, self._template.declared_labels())
        self._layout = Layout(self._format.heads)
        examples = self._examples(training)
        if len(set(examples.texts)) == 1:
            raise TrainingRefusedError(
                f"all {len(training):,} examples have the same messages but different answers: "
                "there is nothing to tell them apart by",
                hint="check that the prompt has the text in it",
            )
        self._validation = self._examples(validation)
        self._fingerprint = self._fingerprint_of(examples)
        self._prepare(examples)
        self._step = 0
        if resume is not None:
            self._resume(resume)

    def _examples(self, records: Sequence[Record]) -> _Examples:
        """The texts and targets of those records whose answers can be answered."""
        targets, fits = self._format.targets([content_of(record[-1]) for record in records])
        texts = [
            self._template.text(record[:-1])
            for record, fit in zip(records, fits.tolist(), strict=True)
            if fit
        ]
        return _Examples(texts, targets[fits])

    def _prepare(self, examples: _Examples) -> None:
        """Features, mini-batches, folds: all that does not change while training."""
        outputs = self._layout.n_outputs
        self._n = len(examples.texts)
        self._targets, texts = examples.targets, examples.texts
        enough = len(self._validation.texts) >= max(_ENOUGH_VALIDATION, 10 * outputs)
        models = 1 if enough else 1 + _FOLDS
        self._vocabulary = Vocabulary.of(
            texts,
            rows=2 if self._n >= _MANY_EXAMPLES else 1,
            largest=min(_MOST_FEATURES, _LARGEST_MODEL // (models * outputs)),
        )
        names = _label_names(self._format)
        if names is not None:
            texts = texts + names
            self._targets = np.concatenate([self._targets, np.eye(outputs, dtype=np.bool_)])
        self._seen = np.ones((len(texts), models), dtype=np.bool_)
        self._fold = _folds(examples.targets, models - 1, self._seed)
        for number in range(1, models):
            self._seen[: self._n][self._fold == number, number] = False
        size = int(self.hyperparameters["batch_size"])
        order = np.random.default_rng([self._seed, 0]).permutation(len(texts))
        self._batches = [self._batch(texts, order[i : i + size]) for i in range(0, len(order), size)]
        self._total_steps = self._epochs * len(self._batches)
        self._scales = feature_scales(
            self._batches,
            self._targets,
            self._seen,
            n_features=len(self._vocabulary),
            n_words=self._vocabulary.n_words,
        )
        lengths = row_lengths(self._batches, self._scales, len(texts))
        few = self._batches[:3]
        self._optimiser = Optimiser(
            self._layout,
            targets=self._targets,
            seen=self._seen,
            scales=self._scales,
            lengths=lengths,
            likeness=max(likeness_of(batch, self._scales[:, 0], lengths[:, 0]) for batch in few),
            learning_rate=float(self.hyperparameters["learning_rate_multiplier"]),
        )
        rows = np.arange(len(self._validation.texts))
        self._valid = [
            self._batch(self._validation.texts, rows[i : i + max(size, 256)])
            for i in range(0, len(rows), max(size, 256))
        ]
        self._valid_lengths = row_lengths(self._valid, self._scales[:, :1], len(rows))

    def _batch(self, texts: Sequence[str], rows: NDArray[np.int64]) -> MiniBatch:
        return MiniBatch.of(rows, (self._vocabulary.features(texts[row]) for row in rows.tolist()))

    def __iter__(self) -> Iterator[Step]:
        """See `Run`."""
        per_epoch = len(self._batches)
        every = max(1, self._total_steps // _VALIDATIONS)
        while self._step < self._total_steps:
            epoch, place = divmod(self._step, per_epoch)
            order = np.random.default_rng([self._seed, 1, epoch]).permutation(per_epoch)
            batch = self._batches[order[place]]
            probabilities = self._optimiser.step(batch)
            self._step += 1
            real = batch.rows < self._n
            loss, accuracy = (
                self._layout.loss_and_accuracy(probabilities[real], self._targets[batch.rows[real]])
                if real.any()
                else (0.0, 1.0)
            )
            if not math.isfinite(loss):
                raise TrainingRefusedError(
                    f"the loss is not finite any more after {self._step} steps",
                    hint="use a smaller learning-rate multiplier",
                )
            epoch_end = place + 1 == per_epoch
            valid: dict[str, float] = {}
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
                **valid,
            )

    def _validate(self, batches: Sequence[MiniBatch]) -> tuple[float, float]:
        rows = np.concatenate([batch.rows for batch in batches])
        scores = np.concatenate([self._valid_scores(batch) for batch in batches])
        return self._layout.loss_and_accuracy(
            self._layout.probabilities(scores), self._validation.targets[rows]
        )

    def _valid_scores(self, batch: MiniBatch) -> Floats:
        """Scores of validation examples by the model, float (b, labels)."""
        scores = batch.x @ self._optimiser.weights[batch.columns, 0]
        scores /= np.maximum(self._valid_lengths[batch.rows], 1e-12)
        return np.asarray(scores + self._optimiser.intercepts()[0], dtype=np.float32)

    def _held_out(self) -> tuple[NDArray[np.float64], Bools]:
        """Scores and targets of examples that the scoring model has not seen."""
        scores, targets = [], []
        if self._seen.shape[1] > 1:
            for batch in self._batches:
                rows = batch.rows
                own = np.flatnonzero(rows < self._n)
                scores.append(self._optimiser.scores(batch)[own, self._fold[rows[own]]])
                targets.append(self._targets[rows[own]])
        for batch in self._valid:
            scores.append(self._valid_scores(batch))
            targets.append(self._validation.targets[batch.rows])
        return np.concatenate(scores).astype(np.float64), np.concatenate(targets)

    def _decisions(self) -> list[dict[str, Any]]:
        """For each head what makes its scores probabilities and its probabilities decisions."""
        scores, targets = self._held_out()
        decisions: list[dict[str, Any]] = []
        for head, part in zip(self._format.heads, self._layout.slices, strict=True):
            z, y = scores[:, part], targets[:, part]
            if head.kind == "choice":
                decisions.append({"slope": temperature(z, y.argmax(axis=1)), "offset": 0.0, "thresholds": []})
            else:
                slope, offset = platt(z, y)
                p = 1 / (1 + np.exp(-np.clip(slope * z + offset, -30, 30)))
                found = thresholds(p, y).tolist()
                decisions.append({"slope": slope, "offset": offset, "thresholds": found})
        return decisions

    def save(self, folder: Path) -> None:
        """See `Run`. A finished model is saved without the optimiser's state."""
        finished = self._step == self._total_steps
        values = {
            "model": {
                "template": self._template.to_json(),
                "answers": self._format.to_json(),
                "decisions": self._decisions(),
            },
            "vocabulary": self._vocabulary.to_json(),
            "training": {"step": self._step, "fingerprint": self._fingerprint},
        }
        optimiser = self._optimiser
        arrays: dict[str, NDArray[Any]] = {
            "weights": optimiser.weights[:, 0],
            "intercepts": optimiser.intercepts()[0],
            "scales": self._scales[:, 0],
        }
        if not finished:
            arrays |= {
                "all_weights": optimiser.weights,
                "all_bias": optimiser.bias,
                "shares": optimiser.shares,
            }
        write_folder(folder, about=_ABOUT, values=values, arrays=arrays)

    def _resume(self, folder: Path) -> None:
        values, arrays = read_folder(
            folder, about=_ABOUT, names=frozenset({"training", "all_weights", "all_bias", "shares"})
        )
        training = values["training"]
        if training["fingerprint"] != self._fingerprint:
            raise TrainingRefusedError(
                f"{folder}: this training began with other examples, hyperparameters or another seed",
                hint="start it anew",
            )
        self._step = int(training["step"])
        if self._step < self._total_steps:
            self._optimiser.weights = arrays["all_weights"]
            self._optimiser.bias = arrays["all_bias"]
            self._optimiser.shares = arrays["shares"]

    def _fingerprint_of(self, examples: _Examples) -> str:
        digest = hashlib.sha256()
        settings = [self.hyperparameters, self._seed, self._format.to_json(), self._template.to_json()]
        digest.update(json.dumps([settings, examples.texts, self._validation.texts]).encode())
        digest.update(examples.targets.tobytes())
        digest.update(self._validation.targets.tobytes())
        return digest.hexdigest()


def resolve(asked: Hyperparameters, examples: int) -> dict[str, int | float]:
    """The numbers for what was asked, with every `"auto"` chosen for this many examples.

    Raises `TrainingRefusedError` if a number makes no sense.
    """
    epochs = 10 if asked.n_epochs == "auto" else asked.n_epochs
    size = min(64, max(16, examples // 300)) if asked.batch_size == "auto" else asked.batch_size
    rate = 1.0 if asked.learning_rate_multiplier == "auto" else asked.learning_rate_multiplier
    for name, value in (("n_epochs", epochs), ("batch_size", size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise TrainingRefusedError(f"{name} is {value!r}, expected a whole number from 1 on, or 'auto'")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
        raise TrainingRefusedError(
            f"learning_rate_multiplier is {rate!r}, expected a number above 0, or 'auto'"
        )
    assert isinstance(epochs, int)
    assert isinstance(size, int)
    return {"n_epochs": epochs, "batch_size": size, "learning_rate_multiplier": float(rate)}


def _tokens(record: Record) -> int:
    # As the local provider counts a request: four characters a token, and four for the message.
    return sum((len(content_of(message)) + 3) // 4 + 4 for message in record)


def _folds(targets: Bools, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold from 1 on for each example, shape (n,), every answer spread evenly; 0 where there are none."""
    n = len(targets)
    if not folds:
        return np.zeros(n, dtype=np.int64)
    shuffled = np.random.default_rng([seed, 2]).permutation(n)
    _, answers = np.unique(np.packbits(targets, axis=1), axis=0, return_inverse=True)
    order = shuffled[np.argsort(answers.ravel()[shuffled], kind="stable")]
    fold = np.empty(n, dtype=np.int64)
    fold[order] = np.arange(n) % folds + 1
    return fold


def _label_names(answer_format: AnswerFormat) -> list[str] | None:
    """The names of the labels as texts of their own, if there is one choice among words."""
    if len(answer_format.heads) != 1 or answer_format.heads[0].kind != "choice":
        return None
    names = ["".join(c if c.isalnum() else " " for c in label) for label in answer_format.heads[0].labels]
    return names if all(any(len(word) > 2 for word in name.split()) for name in names) else None
