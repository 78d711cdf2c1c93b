"""Where the labels of an answer stand among the outputs of a model, and what the outputs mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.answers import Head

    Floats = NDArray[np.float32]

__all__ = ["Layout"]


class Layout:
    """Where each head's labels stand among the k outputs of a model."""

    def __init__(self, heads: Sequence[Head]) -> None:
        ends = np.cumsum([len(head.labels) for head in heads]).tolist()
        starts = [0, *ends[:-1]]
        self.slices = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        self.kinds = [head.kind for head in heads]
        self.n_outputs = int(ends[-1])

    def per_output(self, by_kind: dict[str, float]) -> Floats:
        """A number for each output, by its head's kind, shape (k,)."""
        numbers = np.empty(self.n_outputs, dtype=np.float32)
        for part, kind in zip(self.slices, self.kinds, strict=True):
            numbers[part] = by_kind[kind]
        return numbers

    def probabilities(self, scores: Floats) -> Floats:
        """Scores of shape (…, k) to probabilities: softmax over a choice, sigmoid for each label of a
        subset.
        """
        found = np.empty_like(scores)
        for part, kind in zip(self.slices, self.kinds, strict=True):
            z = scores[..., part]
            if kind == "choice":
                e = np.exp(z - z.max(axis=-1, keepdims=True))
                found[..., part] = e / e.sum(axis=-1, keepdims=True)
            else:
                found[..., part] = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        return found

    def loss_and_accuracy(self, probabilities: Floats, targets: NDArray[np.bool_]) -> tuple[float, float]:
        """Mean loss per row in nats, and the share of decisions that are right; both of shape (n, k).

        A decision is one choice, or one label of a subset being there or not.
        """
        loss = 0.0
        right = decisions = 0
        n = len(targets)
        for part, kind in zip(self.slices, self.kinds, strict=True):
            p, y = probabilities[:, part].astype(np.float64), targets[:, part]
            if kind == "choice":
                loss -= float(np.log(np.maximum((p * y).sum(axis=1), 1e-12)).sum())
                right += int(y[np.arange(n), p.argmax(axis=1)].sum())
                decisions += n
            else:
                loss -= float(np.log(np.maximum(np.where(y, p, 1 - p), 1e-12)).sum())
                right += int(((p >= 0.5) == y).sum())
                decisions += y.size
        return loss / n, right / decisions
