"""Which examples come when: functions of seed, epoch and step, so that training can go on anywhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["epoch_batches", "learning_rate", "micro_batches", "step_seed"]

_POOL = 8
"""Examples of so many batches are sorted by length together: less is padded, and the order stays random."""


def epoch_batches(lengths: Sequence[int], *, size: int, seed: int, epoch: int) -> list[list[int]]:
    """The numbers of the examples of each batch of an epoch; all of them, each once.

    Batches hold examples of like length; only the last of the longest pool has fewer than `size`.
    """
    random = np.random.default_rng([seed, 1, epoch])
    order = random.permutation(len(lengths)).tolist()
    batches: list[list[int]] = []
    for start in range(0, len(order), size * _POOL):
        pool = sorted(order[start : start + size * _POOL], key=lambda number: lengths[number])
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[place] for place in random.permutation(len(batches)).tolist()]


def micro_batches(numbers: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """The same numbers in parts of at most `tokens` tokens, padding counted; one example at least."""
    parts: list[list[int]] = []
    for number in sorted(numbers, key=lambda number: -lengths[number]):
        # Sorted from the longest on, the first one's length is the width of its part.
        if parts and lengths[parts[-1][0]] * (len(parts[-1]) + 1) <= tokens:
            parts[-1].append(number)
        else:
            parts.append([number])
    return parts


def learning_rate(step: int, total: int, *, warm_up: float, decay: Literal["linear", "cosine"]) -> float:
    """The share of the highest rate in step `step`, which counts from 0.

    It rises in a straight line over the first `warm_up` of all steps, and falls from there towards 0.
    """
    rising = max(1, round(total * warm_up))
    if step < rising:
        return (step + 1) / rising
    left = (total - step) / max(1, total - rising + 1)
    return left if decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)


def step_seed(seed: int, step: int, rank: int) -> int:
    """What a step's dropout is drawn from."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
