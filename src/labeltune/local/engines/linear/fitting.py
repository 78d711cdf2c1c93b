"""A training prepared: its features, mini-batches, folds and weights of features; all that learning leaves as
it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.common.class_weight import ClassWeights
from labeltune.local.engines.linear.corpus import CHUNK, Corpus, FeatureCounts
from labeltune.local.engines.linear.optimiser import MiniBatch, Optimiser, likeness_of
from labeltune.local.engines.linear.weighting import feature_scales, row_lengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["Examples", "Fitting", "folds_of"]

_LARGEST_MODEL = 200_000_000
"""Weights of all models together while training; features are given up, the rarest first, to stay below."""
_MOST_FEATURES = 1_000_000
_MANY_EXAMPLES = 1_000
"""From so many examples on, what occurs in only one of them is no feature."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts with their targets, bool (n, labels)."""

    texts: list[str]
    targets: Bools

    def __len__(self) -> int:
        return len(self.texts)

    def some(self, rows: Sequence[int]) -> Examples:
        """Those with these numbers."""
        return Examples([self.texts[row] for row in rows], self.targets[rows])


class Fitting:
    """Examples laid out for 1 + `folds` models side by side.

    The first model sees every example; each of the others lacks one fold, and is its cross-validation.
    `hints` are examples for every model that belong to no fold; they come after the others.

    `seen`: bool (n + hints, models), which example is for which model; `fold` (n,) is the number of the model
    that lacks an example, 0 where there are no folds. `given` (n,) are folds to be taken as they are.
    """

    def __init__(
        self,
        layout: Layout,
        examples: Examples,
        *,
        hints: Examples | None,
        balanced: bool,
        folds: int,
        size: int,
        seed: int,
        given: NDArray[np.int64] | None = None,
    ) -> None:
        models = 1 + folds
        self.layout = layout
        self.n = len(examples)
        self._seed = seed
        texts, self.targets = examples.texts, examples.targets
        if hints is not None:
            texts, self.targets = texts + hints.texts, np.concatenate([self.targets, hints.targets])
        self.texts = texts
        # A hint counts once: its label is as common as any other among the hints.
        self.class_weights = _balanced(layout, examples, len(texts)) if balanced else None
        corpus = Corpus(texts)
        self.vocabulary = corpus.vocabulary(
            self.n,
            rows=2 if self.n >= _MANY_EXAMPLES else 1,
            largest=min(_MOST_FEATURES, _LARGEST_MODEL // (models * layout.n_outputs)),
        )
        self.fold = folds_of(examples.targets, folds, seed) if given is None else given
        self.seen = np.ones((len(texts), models), dtype=np.bool_)
        for number in range(1, models):
            self.seen[: self.n][self.fold == number, number] = False
        order = np.random.default_rng([seed, 0]).permutation(len(texts))
        self.batches = self.batches_of(corpus, order, size)
        self.scales = feature_scales(
            self.batches,
            self.targets,
            self.seen,
            n_features=len(self.vocabulary),
            n_words=self.vocabulary.n_words,
        )
        self._lengths = row_lengths(self.batches, self.scales, len(texts))
        self._likeness = max(
            likeness_of(batch, self.scales[:, 0], self._lengths[:, 0]) for batch in self.batches[:3]
        )

    def batches_of(self, corpus: Corpus, order: NDArray[np.int64], size: int) -> list[MiniBatch]:
        """The mini-batches of a corpus's texts in this order."""
        counts = FeatureCounts(corpus, self.vocabulary)
        together = size * max(1, CHUNK // size)
        batches = []
        for start in range(0, len(order), together):
            rows = order[start : start + together]
            found = counts.of(rows)
            batches += [
                MiniBatch.of(rows[i : i + size], found[i : i + size]) for i in range(0, len(rows), size)
            ]
        return batches

    def optimiser(self, multiplier: float) -> Optimiser:
        """Untrained models."""
        return Optimiser(
            self.layout,
            targets=self.targets,
            seen=self.seen,
            scales=self.scales,
            lengths=self._lengths,
            class_weights=self.class_weights,
            multiplier=multiplier,
            likeness=self._likeness,
        )

    def order(self, epoch: int) -> NDArray[np.int64]:
        """In which order the mini-batches come; epochs count from 0."""
        return np.random.default_rng([self._seed, 1, epoch]).permutation(len(self.batches))

    def held_out(self, optimiser: Optimiser) -> Floats:
        """Scores of the examples, each by the model that has not seen it, (n, labels)."""
        scores = np.empty((self.n, self.layout.n_outputs), dtype=np.float32)
        for batch in self.batches:
            own = np.flatnonzero(batch.rows < self.n)
            rows = batch.rows[own]
            scores[rows] = optimiser.scores(batch)[own, self.fold[rows]]
        return scores


def _balanced(layout: Layout, examples: Examples, n: int) -> ClassWeights:
    found = ClassWeights.balanced(layout, examples.targets)
    hints = np.ones((n - len(examples), layout.n_outputs), dtype=np.float32)
    return ClassWeights(np.concatenate([found.weights, hints]), found.tilt)


def folds_of(targets: Bools, folds: int, seed: int) -> NDArray[np.int64]:
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
