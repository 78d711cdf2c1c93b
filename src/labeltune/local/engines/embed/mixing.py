"""Two models' scores as one: how much each counts is fitted on examples that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.local.engines.common.calibration import likeliest_sum, probabilities_and_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Mix"]

_MOST = 30.0
_ERRORS = 1.0
"""The second model counts if it lowers the loss by so many standard errors; else the gain may be chance."""


@dataclass(frozen=True, slots=True)
class Mix:
    """For each head what the two models' scores count, and what is added: z = a·first + b·second + c.

    Of a choice that is the average of log-probabilities with any weight, at any temperature, since softmax
    does not see what is added to all labels; of a subset that of logits, as Platt scales them.
    """

    parts: tuple[tuple[float, float, float], ...]

    @classmethod
    def half(cls, layout: Layout) -> Mix:
        """Both count the same."""
        return cls(((0.5, 0.5, 0.0),) * len(layout.slices))

    @classmethod
    def fit(cls, layout: Layout, first: Floats, second: Floats, targets: Bools) -> Mix:
        """The likeliest of held-out examples: scores and targets (n, labels). No model counts below 0, and
        the second one nothing where it may be chance that it helps.
        """
        parts = []
        for part, kind in zip(layout.slices, layout.kinds, strict=True):
            x, v, y = first[:, part], second[:, part], targets[:, part]
            both, alone = (likeliest_sum(kind, x, v, y, bounds=(0.0, most)) for most in (_MOST, 0.0))
            of_both, of_alone = (
                probabilities_and_losses(kind, a * x + b * v + c, y)[1] for a, b, c in (both, alone)
            )
            gain = of_alone - of_both
            error = float(gain.std()) / np.sqrt(len(gain))
            parts.append(both if float(gain.mean()) > _ERRORS * error else alone)
        return cls(tuple(parts))

    def scores(self, layout: Layout, first: NDArray[Any], second: NDArray[Any]) -> Floats:
        """The scores of both as one, (n, labels)."""
        mixed = np.empty(first.shape, dtype=np.float64)
        for part, (a, b, c) in zip(layout.slices, self.parts, strict=True):
            mixed[:, part] = a * first[:, part] + b * second[:, part] + c
        return mixed

    def per_output(self, layout: Layout) -> tuple[Floats, Floats, Floats]:
        """a, b and c for each output, float (k,) each."""
        counts = [part.stop - part.start for part in layout.slices]
        a, b, c = np.repeat(np.array(self.parts, dtype=np.float64), counts, axis=0).T
        return a, b, c

    def to_json(self) -> list[list[float]]:
        """The numbers."""
        return [list(part) for part in self.parts]

    @classmethod
    def from_json(cls, values: Sequence[Sequence[float]]) -> Mix:
        """The inverse of `to_json`."""
        return cls(tuple((a, b, c) for a, b, c in values))
