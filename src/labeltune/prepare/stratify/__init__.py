"""Parts of rows that are alike in their labels: the algorithm behind `split`, on arrays.

Rows with the same labels can stand for one another, so all but a few are placed by arithmetic:

1. **Quota.** Of the n rows that share a combination of labels, a part of the share f gets ⌊n·f⌋, drawn at
   random.
2. **Dealing.** The few rows that this leaves over (fewer per combination than there are parts) are dealt out
   in random order, in batches: each part takes from the batch the rows that it lacks most. A batch is a fixed
   share of what is left, so that later, smaller batches correct the earlier ones.
3. **Swaps.** Two rows of two parts change places as long as that lowers the squared deviations of the label
   and pair counts from what the parts' sizes ask for; labels weigh more from round to round.

Labels and pairs are one thing here: the co-occurrence matrix of a part holds the label counts on its diagonal
and the pair counts beside it. Rows that must stay together (a *bundle*) move as one; bundles that are alike
in size and labels are treated as rows with the same labels are.

That a part takes what it still lacks is the idea of Sechidis, Tsoumakas and Vlahavas, "On the Stratification
of Multi-Label Data" (2011); quotas by combination, pairs and swaps are not in it.

Whatever decides anything is an integer or the result of a single rounding, and chance comes from splitmix64:
the parts depend neither on the machine nor on the version of numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.stratify.bundles import Bundles
from labeltune.prepare.stratify.combinations import Combinations, deviation
from labeltune.prepare.stratify.dealing import Dealing
from labeltune.prepare.stratify.integer_arrays import shuffled
from labeltune.prepare.stratify.swaps import swap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.prepare.stratify.integer_arrays import Ints

__all__ = ["NO_PART", "Combinations", "deviation", "stratify"]

NO_PART = -1
"""The part of a row that is in none, where the sizes add up to less than all rows."""

_ATTEMPTS, _ATTEMPTS_FOR, _ENOUGH_SWAPS = 16, 20_000, 2000
"""A table of up to 10,000 rows is split several times, a small one 16 times, and the best split is kept; but
when so many swaps have been tried, no further attempt is made."""


def stratify(
    combinations: Combinations, sizes: Sequence[int], *, seed: int, groups: Ints | None = None
) -> Ints:
    """The part of each row, int64 (n_rows,): the index of its size, or `NO_PART`.

    `sizes` are row counts, each at least 1, that add up to at most n_rows; they are met exactly. `groups`,
    int64 (n_rows,) counted from 0 without a gap, keeps rows of the same group in one part; then a part's size
    may differ from the one asked for by less than the largest group. Raises `ValueError` if the sizes do not
    fit.
    """
    n_rows = len(combinations.codes)
    spare = n_rows - sum(sizes)
    if spare < 0 or min(sizes, default=0) < 1:
        msg = f"sizes {list(sizes)} do not fit {n_rows} rows"
        raise ValueError(msg)
    wanted = np.array([*sizes, spare] if spare else sizes, np.int64)
    bundles = Bundles.of(combinations, groups)
    placed, pool, samples = _by_quota(bundles, wanted, seed)
    if len(pool):
        placed = _best(bundles, wanted, placed, pool, samples, seed).placed
    parts = placed if groups is None else placed[groups]
    return np.where(parts < len(sizes), parts, NO_PART)


def _by_quota(bundles: Bundles, sizes: Ints, seed: int) -> tuple[Ints, Ints, Ints]:
    """Place what can be placed by arithmetic.

    Returns the part of each bundle, the bundles that are left over, and of the placed ones a sample: one for
    each part and kind.
    """
    order = shuffled(bundles.kinds, seed)
    in_kind = np.bincount(bundles.kinds)
    quota = in_kind[:, None] * sizes // len(bundles.codes)
    slots = np.column_stack([quota, in_kind - quota.sum(axis=1)]).ravel()
    part_of_slot = np.tile(np.append(np.arange(len(sizes)), NO_PART), len(in_kind))
    placed = np.empty(len(order), np.int64)
    placed[order] = np.repeat(part_of_slot, slots)
    firsts = (np.cumsum(slots) - slots)[(slots > 0) & (part_of_slot != NO_PART)]
    return placed, order[placed[order] == NO_PART], order[firsts]


def _best(bundles: Bundles, sizes: Ints, placed: Ints, pool: Ints, samples: Ints, seed: int) -> Dealing:
    """Place the leftovers, a small table's several times with different seeds, and keep the best outcome."""
    outcomes, tried = [], 0
    for attempt in range(max(1, min(_ATTEMPTS, _ATTEMPTS_FOR // len(bundles.codes)))):
        dealing = Dealing(bundles, sizes, placed, pool, samples, seed + 1 + attempt)
        dealing.deal()
        tried += swap(dealing)
        outcomes.append(dealing)
        if tried > _ENOUGH_SWAPS:
            break
    return min(outcomes, key=Dealing.worst)
