"""Which parts of a listing one of several commands takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

__all__ = ["WHOLE", "Shard", "parse_shard"]

_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")
_HINT = "shards count from 1: 1/4, 2/4, 3/4, 4/4; of an index that counts from 0: --shard $((INDEX + 1))/4"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many commands that share a folder; `number` counts from 1."""

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def own(self, parts: Iterable[T]) -> Iterator[T]:
        """Every `of`-th part, so that neighbours, which are often of one size, go to different shards."""
        return (part for place, part in enumerate(parts) if place % self.of == self.number - 1)


WHOLE = Shard()
"""One command for all parts."""


def parse_shard(text: str) -> Shard:
    """`2/4`, counted from 1. Raises `SettingsError`, also for `0/4`: it is what an index from 0 gives."""
    found = _SHARD.fullmatch(text.strip())
    if found is None:
        raise SettingsError(f"--shard {text}: expected I/N, such as 2/4", hint=_HINT)
    number, of = int(found[1]), int(found[2])
    if not 1 <= number <= of:
        raise SettingsError(f"--shard {text}: there is no shard {number} of {of}", hint=_HINT)
    return Shard(number, of)
