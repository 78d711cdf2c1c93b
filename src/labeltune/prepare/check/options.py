"""How a check is made, as far as it may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from labeltune.pricing.tokens import TokenMode

__all__ = ["CheckOptions"]


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """`read` is for tables, and comes before what the task says."""

    model: str | None = None
    """The one whose tokens, limit and cost count; else all with a price are told."""
    tokens: TokenMode = "auto"
    similar: bool | None = None
    """Whether similar texts are looked for; None: while there are at most `neighbours.MOST_SIMILAR`.

    Beyond `neighbours.MOST_ASKED` they are not, and a note says so."""
    read: ReadOptions = NOTHING_TOLD
