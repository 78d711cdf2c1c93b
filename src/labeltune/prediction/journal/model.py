"""What the journal says of requests, rows and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DONE",
    "FAILED",
    "SENT",
    "STATES",
    "TODO",
    "UNKNOWN",
    "BatchEntry",
    "Changes",
    "Pending",
    "Result",
    "State",
]

State = Literal["todo", "sent", "done", "failed", "unknown"]
STATES: tuple[State, ...] = ("todo", "sent", "done", "failed", "unknown")
"""In the order of their numbers in the file."""
TODO, SENT, DONE, FAILED, UNKNOWN = range(len(STATES))


@dataclass(frozen=True, slots=True)
class Changes:
    """How a table differs from what it was when it was last predicted.

    `changed` rows are gone and others stand in their place; `new` ones came in addition, `gone` ones have no
    replacement. The order of rows does not count.
    """

    changed: int = 0
    new: int = 0
    gone: int = 0
    edited: bool = False
    """Whether rows changed in the midst of a table most of whose rows stand where they stood: it is the same
    table, edited. Another table of the same name is none of that.
    """


@dataclass(frozen=True, slots=True)
class Pending:
    """A row's request: its id and hash in the journal (None for a row that is not asked), its state, and
    whether it is or was last asked in a batch.
    """

    request: int | None
    digest: bytes | None
    state: State
    in_batch: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What is known about a row: its request's hash and state (None for a row that is not asked), the kind
    of failure, and the reply's bytes.
    """

    digest: bytes | None
    state: State | None
    kind: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch that was meant to be created; `key` travels as its metadata."""

    id: int
    key: str
    file: str | None
    batch: str | None
