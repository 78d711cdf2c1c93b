"""How a file is split, and the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.prepare.split.sizes import DEFAULT_SIZES, parse_sizes
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

__all__ = ["DEFAULT_SEED", "SplitOptions"]

DEFAULT_SEED = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOptions:
    """What `split` is asked for.

    `sizes`: the parts, an `int` being a number of rows and anything else a share of all. `folds`: instead of
    them, so many pairs of train and validation. `group`: a column whose equal values stay in one part.
    `keep_duplicates_together`: rows of the same or nearly the same text too. `stratified`: by labels, else by
    chance. `synthetic_anywhere`: rows that a model wrote may be in parts that measure. `read`: how a table is
    read, before what the task says.
    """

    sizes: Mapping[str, float | Fraction] = field(default_factory=lambda: parse_sizes(DEFAULT_SIZES))
    folds: int | None = None
    seed: int = DEFAULT_SEED
    group: str | None = None
    keep_duplicates_together: bool = True
    stratified: bool = True
    synthetic_anywhere: bool = False
    read: ReadOptions = NOTHING_TOLD
