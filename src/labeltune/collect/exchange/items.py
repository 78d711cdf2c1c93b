"""What all formats have in common: a text with its labels, and a tally of what is left behind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.errors import Where

__all__ = ["Item", "Labels", "Path", "Tally"]

Path = tuple[str, ...]
"""A label; of a taxonomy, with the labels above it, the uppermost first."""

Labels = dict[str, tuple[Path, ...]]
"""For each field the labels that apply."""


@dataclass(slots=True)
class Item:
    """One text as one person labelled it."""

    where: Where
    texts: Mapping[str, str]
    """By the name of its column."""
    labels: Labels
    id: str = ""
    """What ties the items of one text together; empty where the format has nothing of the kind."""
    annotator: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Other values that are known of the text: scalars, by name."""


@dataclass(slots=True)
class Tally:
    """What was read, what was dropped and why, and what could not be carried over."""

    records: int = 0
    """As the format counts them: texts, tasks, lines."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Items by reason."""
    first: dict[str, Where] = field(default_factory=dict)
    """Where the first one of each reason stands."""
    lost: Counter[str] = field(default_factory=Counter)
    """Pieces of items by what they are: spans, predictions, nested metadata."""
    notes: dict[str, Where | None] = field(default_factory=dict)
    """What was concluded on the way, and where it was first."""

    def drop(self, reason: str, where: Where) -> None:
        """One item is left out."""
        self.dropped[reason] += 1
        self.first.setdefault(reason, where)

    def lose(self, what: str, count: int = 1) -> None:
        """Some pieces of an item are left behind."""
        if count:
            self.lost[what] += count

    def note(self, sentence: str, where: Where | None = None) -> None:
        """Something that a reader should know, told once however often it is noticed."""
        self.notes.setdefault(sentence, where)

    @property
    def told(self) -> list[str]:
        """The notes as sentences, each with its first place."""
        return [note if where is None else f"{note}, first at {where}" for note, where in self.notes.items()]
