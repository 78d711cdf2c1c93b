"""What a rule is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.prepare.check.part import Batch, Part
    from labeltune.prepare.check.setting import Setting

__all__ = ["Rule"]


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
