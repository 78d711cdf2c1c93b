"""What parts and rules are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.pricing.tokens import EXAMPLE_LIMIT

if TYPE_CHECKING:
    from labeltune.prepare.check.finding_log import FindingLog
    from labeltune.pricing.tokens import TokenCounter
    from labeltune.task import Task

__all__ = ["Setting"]


@dataclass(frozen=True, slots=True)
class Setting:
    """The task, if there is one, where findings go, and how tokens are counted."""

    task: Task | None
    log: FindingLog
    counter: TokenCounter
    limit: int | None = EXAMPLE_LIMIT
    """How many tokens an example may have, None being any number."""
    similar: bool | None = None
    """See `CheckOptions.similar`."""
