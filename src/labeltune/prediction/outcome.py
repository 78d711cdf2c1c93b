"""What asking about the rows of a table came to, whoever asked and whatever was written of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did. Counts are of rows, but for `asked` and `kept`, which count distinct requests.

    `kept`: requests whose answers were on the disk already. `maybe_billed`: requests whose answers were lost
    by a killed process. `usd` is what this run spent, None where prices are not known.
    """

    output: str
    rows: int
    problems: Mapping[str, int]
    """Rows without a valid answer, by what is wrong with it."""
    asked: int
    kept: int
    maybe_billed: int
    resent: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    free: bool = False
    """Whether nothing of it is billed: the provider is this machine, or a server of the user's own."""
    rejections: Mapping[str, int] = field(default_factory=dict)
    """Requests that the provider refused for good, by its code."""

    @property
    def invalid(self) -> int:
        """Rows without a valid answer."""
        return sum(self.problems.values())
