"""How much each feature counts, from how it goes with the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.linear.features import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.linear.optimiser import MiniBatch

    Floats = NDArray[np.float32]
    Bools = NDArray[np.bool_]

__all__ = ["feature_scales", "row_lengths"]

_CHUNK = 20_000


def feature_scales(
    batches: Sequence[MiniBatch], targets: Bools, seen: Bools, *, n_features: int, n_words: int
) -> Floats:
    """The weight of each feature for each model, float (features, models).

    It is rarity (the inverse document frequency) times evidence: ln(1 + r), where r is the root mean square
    over the labels of the standard score of "texts with this feature have this label more often than others".
    Words of the prompt, which stand in every text, have no evidence and no weight.

    `targets`: bool (n, labels). `seen`: bool (n, models); each model knows only the examples it may see.
    """
    n_models = seen.shape[1]
    # The other models lack one fold each: what a feature does there is subtracted from what it does in all.
    folds = [np.flatnonzero(~seen[:, model]) for model in range(1, n_models)]
    fold_of = np.zeros(len(seen), dtype=np.int64)
    for number, rows in enumerate(folds, start=1):
        fold_of[rows] = number
    rows_with = np.zeros((n_models, n_features), dtype=np.float32)
    together = np.zeros((n_models, n_features, targets.shape[1]), dtype=np.float32)
    y = targets.astype(np.float32)
    for batch in batches:
        present = batch.matrix(np.ones(len(batch.counts), dtype=np.float32))
        for fold in np.unique(fold_of[batch.rows]).tolist():
            members = fold_of[batch.rows] == fold
            part = present[np.flatnonzero(members)]
            rows_with[fold, batch.columns] += np.asarray(part.sum(axis=0)).ravel()
            together[fold, batch.columns] += part.T @ y[batch.rows[members]]
    rows_with[0] = rows_with.sum(axis=0)
    together[0] = together.sum(axis=0)
    n = np.array([len(seen), *(len(seen) - len(rows) for rows in folds)])
    labels = np.array([y.sum(axis=0), *(y.sum(axis=0) - y[rows].sum(axis=0) for rows in folds)])
    scales = np.empty((n_features, n_models), dtype=np.float32)
    for model in range(n_models):
        lacking = 0 if model == 0 else 1
        share = (labels[model] / n[model]).astype(np.float32)
        for start in range(0, n_features, _CHUNK):
            part = slice(start, start + _CHUNK)
            count = rows_with[0, part] - lacking * rows_with[model, part]
            both = together[0, part] - lacking * together[model, part]
            scales[part, model] = _evidence(count, both, share) * np.log((1 + n[model]) / (1 + count))
    scales[:n_words] *= _WORDS
    return scales


_WORDS = np.float32(2.0)
"""Words and pairs count this much more than pieces of words, of which there are many more."""


def _evidence(count: Floats, both: Floats, share: Floats) -> Floats:
    spread = np.sqrt(count[:, None] * (share * (1 - share))[None, :]) + 1e-6
    standard = (both - count[:, None] * share[None, :]) / spread
    varying = (share > 0) & (share < 1)
    mean_square = (standard[:, varying] ** 2).sum(axis=1) / max(int(varying.sum()), 1)
    return np.asarray(np.log1p(np.sqrt(mean_square)), dtype=np.float32)


def row_lengths(batches: Sequence[MiniBatch], scales: Floats, n_rows: int) -> Floats:
    """The Euclidean length of every row after weighting, float (rows, models)."""
    lengths = np.zeros((n_rows, scales.shape[1]), dtype=np.float32)
    for batch in batches:
        squares = batch.matrix(values_of(batch.counts) ** 2)
        lengths[batch.rows] = np.sqrt(squares @ (scales[batch.columns] ** 2))
    return lengths
