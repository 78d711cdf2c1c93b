"""Where findings are handed in: all counted, the first of each code kept, whatever the size of the files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from labeltune.errors import Finding, Where
from labeltune.prepare.check.catalogue import CATALOGUE

__all__ = ["KEPT", "FindingLog", "clip"]

KEPT = 1_000
"""Findings of one code in one file that are kept; more are only counted, so that memory has a bound."""

_CLIPPED = 60


@dataclass(slots=True)
class FindingLog:
    """The findings of a run."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many there are, by file and code."""

    def add(self, code: str, message: str, file: str, line: int | None = None) -> None:
        """One more finding."""
        self.counts[file, code] += 1
        if self.counts[file, code] <= KEPT:
            self.findings.append(Finding(code, CATALOGUE[code].severity, message, Where(file, line)))


def clip(text: str) -> str:
    """The text, in one line and not too long, to stand in a message."""
    line = " ".join(text[: 2 * _CLIPPED].split())
    return line if len(line) <= _CLIPPED and len(text) <= 2 * _CLIPPED else f"{line[:_CLIPPED]}…"
