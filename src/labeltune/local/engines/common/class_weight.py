"""Rare labels counted as much as common ones while learning, and what that does to scores.

With weights c on the loss a model learns, instead of the log-odds of a label, these plus the logarithm of how
much more its examples counted than the others: its tilt. Taken off again, scores are those of the true
distribution, and only decisions lean towards rare labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labeltune.local.engines import Base
    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float32]

__all__ = ["CLASS_WEIGHT", "ClassWeights", "is_balanced"]

CLASS_WEIGHT = {"class_weight": "balanced: rare labels count as much as common ones; none: as they come"}
"""The option, for the tables of engines that know it."""


def is_balanced(base: Base) -> bool:
    """Whether a base asks for balanced labels. Raises `SettingsError` for another word."""
    word = base.options.get("class_weight", "none")
    if word not in ("balanced", "none"):
        raise SettingsError(f"class_weight={word}: expected balanced or none")
    return word == "balanced"


@dataclass(frozen=True, slots=True)
class ClassWeights:
    """What the loss of each example counts for each output, and the tilt of each output that comes of it."""

    weights: Floats
    """Shape (n, k); of a choice the same for all its labels."""
    tilt: Floats
    """Shape (k,)."""

    @classmethod
    def balanced(cls, layout: Layout, targets: NDArray[np.bool_]) -> ClassWeights:
        """scikit-learn's "balanced": n / (k · n_label) for a choice of k labels, n / (2 · n_side) for either
        side of a label of a subset. `targets`: bool (n, labels). A label that never occurs has no tilt.
        """
        n = len(targets)
        weights = np.ones(targets.shape, dtype=np.float32)
        tilt = np.zeros(layout.n_outputs, dtype=np.float32)
        for part, kind in zip(layout.slices, layout.kinds, strict=True):
            y = targets[:, part]
            count = y.sum(axis=0)
            if kind == "choice":
                occurs = count > 0
                of_label = np.where(occurs, n / (occurs.sum() * np.maximum(count, 1)), 1.0)
                weights[:, part] = of_label[y.argmax(axis=1)][:, None]
                tilt[part] = np.where(occurs, np.log(of_label), 0.0)
            else:
                both = (count > 0) & (count < n)
                holds, lacks = n / (2 * np.maximum(count, 1)), n / (2 * np.maximum(n - count, 1))
                weights[:, part] = np.where(both, np.where(y, holds, lacks), 1.0)
                tilt[part] = np.where(both, np.log(holds / lacks), 0.0)
        return cls(weights, tilt)
