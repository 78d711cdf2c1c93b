"""Array operations that give the same integers on every machine and with every version of numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["distinct_rows", "hashed", "ranges", "shuffled", "smallest", "sums"]


def ranges(starts: Ints, ends: Ints) -> Ints:
    """The numbers from each start up to its end, one range after the other."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    numbers: Ints = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
    return numbers


def sums(values: Ints, lengths: Ints) -> Ints:
    """The sum of each run of `values`; the runs follow each other and may be empty."""
    totals = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    ends = np.cumsum(lengths)
    result: Ints = totals[ends] - totals[ends - lengths]
    return result


def smallest(values: Ints, count: int) -> Ints:
    """Where the `count` smallest values are, ascending; of equal ones, the first.

    What a stable sort begins with, sooner.
    """
    if len(values) > count:
        bound = np.partition(values, count - 1)[count - 1]
        below, at = np.flatnonzero(values < bound), np.flatnonzero(values == bound)
        chosen = np.concatenate([below, at[: count - len(below)]])
        chosen.sort()
    else:
        chosen = np.arange(len(values))
    result: Ints = chosen[np.argsort(values[chosen], kind="stable")]
    return result


def hashed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output of splitmix64 for each state: Steele, Lea and Flood (2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shuffled(kinds: Ints, seed: int) -> Ints:
    """The indices of `kinds` in ascending order of kind, and in random order within each.

    `kinds` are counted from 0. One sort does it: kind, chance and index share the bits of one number.
    """
    if not len(kinds):
        return np.zeros(0, np.int64)
    index = np.arange(len(kinds), dtype=np.uint64)
    for_kind, for_index = int(kinds.max()).bit_length(), len(kinds).bit_length()
    chance = hashed(index + hashed(np.array([seed % 2**64], np.uint64)))
    keys = chance >> np.uint64(for_kind + for_index) << np.uint64(for_index) | index
    if for_kind:
        keys |= kinds.astype(np.uint64) << np.uint64(64 - for_kind)
    keys.sort()
    return (keys & np.uint64((1 << for_index) - 1)).astype(np.int64)


def distinct_rows(matrix: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Where each distinct row of a bool matrix occurs first, and which of them each row is."""
    packed = np.packbits(matrix, axis=1)
    width = -packed.shape[1] % 8
    words = np.ascontiguousarray(np.pad(packed, ((0, 0), (0, width)))).view("<u8")
    if words.shape[1] == 1:
        _, first, codes = np.unique(words[:, 0], return_index=True, return_inverse=True)
    else:
        whole = words.view(f"V{8 * words.shape[1]}")[:, 0] if words.shape[1] else np.zeros(len(matrix), "u1")
        _, first, codes = np.unique(whole, return_index=True, return_inverse=True)
    return first.astype(np.int64), codes.astype(np.int64)
