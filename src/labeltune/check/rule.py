"""What a rule is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.tokens import EXAMPLE_LIMIT

if TYPE_CHECKING:
    from labeltune.check.desk import Desk
    from labeltune.check.part import Batch, Part
    from labeltune.task import Task
    from labeltune.tokens import TokenCounter

__all__ = ["Rule", "Setting"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What rules are told: the task, if there is one, where findings go, and how tokens are counted."""

    task: Task | None
    desk: Desk
    counter: TokenCounter
    limit: int = EXAMPLE_LIMIT
    similar: bool | None = None
    """See `CheckOptions.similar`."""


class Rule:
    """Sees the batches of one file after the other, and hands its findings to the part that is the file."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def begin(self, part: Part) -> None:
        """A file begins."""

    def batch(self, part: Part, batch: Batch) -> None:
        """The next examples of a file."""

    def end_of(self, part: Part) -> None:
        """The file has ended."""

    def end(self) -> None:
        """All files have ended."""
