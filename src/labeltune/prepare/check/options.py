"""How a check is made, as far as it may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.pricing.tokens import TokenMode

__all__ = ["CheckOptions"]


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """`format`, `encoding`, `separator` and `strip` are for tables: see `labeltune.prepare.convert`."""

    model: str | None = None
    """The one whose tokens, limit and cost count; else all with a price are told."""
    tokens: TokenMode = "auto"
    similar: bool | None = None
    """Whether similar texts are looked for; None: while there are at most `neighbours.MOST_SIMILAR`.

    Beyond `neighbours.MOST_ASKED` they are not, and a note says so."""
    format: str | None = None
    encoding: str | None = None
    separator: str | None = None
    strip: bool = False
