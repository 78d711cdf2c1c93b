"""What people do with rows, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from labeltune.task.labels import Labels

__all__ = ["Event", "Kind"]

Kind = Literal["answer", "skip", "undo", "flag", "unflag", "again"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that somebody did; nothing is ever changed or taken out again, undoing is an event, too."""

    request: str
    """What the page called it: sent twice, it is kept once."""
    kind: Kind
    annotator: str
    row: str = ""
    """The row's key; of `again` nothing, for it brings back all rows that were skipped."""
    labels: Labels | None = None
    at: float = 0.0
    """Seconds since 1970."""
    seconds: float | None = None
    """How long the row was looked at."""
    sample: str = ""
    """Why the row was asked: see `order.Sample`."""
    undoes: str = ""
    """The request that is taken back."""
    id: int = 0
    """Its place in the journal, from 1."""
