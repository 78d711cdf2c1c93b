"""What is left to the engine: how strongly and how long it learns, found by quick cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.common.calibration import calibrated_loss
from labeltune.local.engines.linear.fitting import Fitting

if TYPE_CHECKING:
    from labeltune.local.engines.common.layout import Layout
    from labeltune.local.engines.linear.fitting import Examples
    from labeltune.local.engines.linear.optimiser import Optimiser

__all__ = ["EPOCHS", "MULTIPLIER", "choose"]

EPOCHS, MULTIPLIER = 10, 1.0
"""The most epochs that are chosen, and the multiplier where there is too little to choose by."""

_MULTIPLIERS = (1.0, 0.5, 2.0, 0.25, 4.0, 8.0)
"""Those that are tried, the nearest to 1 first."""
_BETTER = 0.003
"""A multiplier further from 1 has to lower the loss by so much."""
_SETTLED = 0.0005
"""Epochs are enough when later ones change the loss by less than this."""
_TRIAL_EPOCHS = 3
_FOLDS = 3
_LEAST = 60
"""With fewer examples nothing is tried: the differences would be chance."""
_MOST = 10_000
_WORK = 200_000
"""Examples times labels in a trial, about: it has to stay cheap beside the training."""


def choose(
    layout: Layout,
    examples: Examples,
    *,
    hints: Examples | None,
    balanced: bool,
    size: int,
    seed: int,
    epochs: int | None,
    multiplier: float | None,
) -> tuple[int, float]:
    """The number of epochs and the multiplier; those that are given are kept.

    A sample of the examples is learnt with each multiplier and cross-validated; the one with the lowest loss
    after calibration goes on until its loss has settled.
    """
    if epochs is not None and multiplier is not None:
        return epochs, multiplier
    if len(examples) < _LEAST:
        return epochs or EPOCHS, multiplier or MULTIPLIER
    most = min(_MOST, max(_WORK // layout.n_outputs, 10 * _LEAST))
    if len(examples) > most:
        examples = examples.some(np.random.default_rng([seed, 3]).permutation(len(examples))[:most].tolist())
    fitting = Fitting(layout, examples, hints=hints, balanced=balanced, folds=_FOLDS, size=size, seed=seed)
    tried = (multiplier,) if multiplier is not None else _MULTIPLIERS
    trials = {value: fitting.optimiser(value) for value in tried}
    losses = {value: _learn(fitting, trial, range(_TRIAL_EPOCHS)) for value, trial in trials.items()}
    best = min(losses.values())
    multiplier = next(value for value in tried if losses[value] <= best * (1 + _BETTER))
    if epochs is None:
        epochs = _settled(
            [_learn(fitting, trials[multiplier], range(e, e + 1)) for e in range(_TRIAL_EPOCHS, EPOCHS)]
        )
    return epochs, multiplier


def _learn(fitting: Fitting, optimiser: Optimiser, epochs: range) -> float:
    """Learn for some epochs; the loss of examples that were held out."""
    for epoch in epochs:
        for number in fitting.order(epoch).tolist():
            optimiser.step(fitting.batches[number])
    scores = fitting.held_out(optimiser).astype(np.float64)
    return calibrated_loss(fitting.layout, scores, fitting.targets[: fitting.n])


def _settled(losses: list[float]) -> int:
    """The fewest epochs from which on the loss stays what it is at the end."""
    end = losses[-1]
    enough = len(losses)
    while enough > 1 and abs(losses[enough - 2] - end) <= _SETTLED * end:
        enough -= 1
    return _TRIAL_EPOCHS + enough
