"""Collecting what is wrong with a file before giving up: the first findings whole, all of them counted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.errors import SHOWN_FINDINGS, DataError, Finding, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Findings"]


class Findings:
    """The errors of one file.

    Without `on_bad`, `raise_if_any` raises them together. With it, each is handed on and none is raised.
    """

    def __init__(self, file: str, on_bad: Callable[[Finding, Sequence[str]], None] | None = None) -> None:
        self.file = file
        self.on_bad = on_bad
        self.first: list[Finding] = []
        """The first ones; no more are kept, whatever the size of the file."""
        self.counts: Counter[str] = Counter()
        """How many there are of each code."""

    @property
    def total(self) -> int:
        """How many there are in all."""
        return self.counts.total()

    def add(self, code: str, line: int | None, message: str, values: Sequence[str] = ()) -> None:
        """One more error."""
        self.counts[code] += 1
        if self.on_bad is None and len(self.first) >= SHOWN_FINDINGS:
            return
        finding = Finding(code, "error", message, Where(self.file, line))
        if len(self.first) < SHOWN_FINDINGS:
            self.first.append(finding)
        if self.on_bad is not None:
            self.on_bad(finding, values)

    def raise_if_any(self, hint: str | None = None) -> None:
        """Raise a `DataError` of all findings, unless they were handed on."""
        if self.first and self.on_bad is None:
            raise DataError.of(self.first, total=self.total, hint=hint)
