"""The desk: deals rows to people, takes their answers, and tells how far they are."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from labeltune.collect.label.events import Event
from labeltune.collect.label.order import UNCERTAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.collect.label.events import Kind
    from labeltune.collect.label.journal import Journal
    from labeltune.collect.label.order import Order
    from labeltune.collect.label.ranking import Ranking
    from labeltune.collect.label.rows import Rows
    from labeltune.collect.label.standing import Standing
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Desk", "Seat"]

FORGOTTEN_SECONDS = 180.0
"""A page that was silent for so long is gone, and holds no rows any more: pages ask every few seconds."""


@dataclass(slots=True)
class Seat:
    """A page that somebody labels on, by the name it gave itself."""

    annotator: str
    held: set[str] = field(default_factory=set)
    """The keys of rows that it has and nobody else is to get."""
    seen: float = 0.0


class Desk:
    """Hands out rows and keeps answers. Not for several threads at once.

    Rows of the random sample, and those of the orders `random` and `given`, are asked of everybody; those
    that are asked for being uncertain are shared out, one person each.
    """

    def __init__(self, task: Task, rows: Rows, order: Order, journal: Journal) -> None:
        self.task, self.rows, self._order, self.journal = task, rows, order, journal
        self._seats: dict[str, Seat] = {}
        self._changes = 0
        self.ranking: Ranking | None = None
        """What is suggested."""

    @property
    def _standing(self) -> Standing:
        return self.journal.standing

    def rank(self, ranking: Ranking) -> None:
        """Ask by what a model says from now on, and suggest that."""
        self.ranking = ranking
        self._order.rank(ranking.margins)

    def deal(self, name: str, annotator: str, held: Sequence[str], count: int) -> list[dict[str, Any]]:
        """Up to `count` more rows for the page `name`, which holds `held` already."""
        self.journal.catch_up()
        seat = self._sit(name, annotator, held)
        done = Counter(self._standing.tally(annotator))
        done.update(self._order.sample(self.rows.places[key]) for key in seat.held)
        taken = self._taken(seat)

        def free(place: int, sample: str) -> bool:
            key = self.rows.rows[place].key
            if key in seat.held or self._standing.is_done(key, annotator) or key in taken[annotator]:
                return False
            if sample != UNCERTAIN:
                return True
            return not self._standing.is_answered(key) and not any(key in keys for keys in taken.values())

        cards = []
        for place, _ in islice(self._order.next(annotator, free, done), count):
            cards.append(self.card(place))
            seat.held.add(cards[-1]["key"])
        return cards

    def card(self, place: int, was: Labels | None = None) -> dict[str, Any]:
        """A row as the page shows it; `was` are the labels that it had before they were taken back."""
        row = self.rows.rows[place]
        suggested = None if self.ranking is None else self.ranking.suggestion(place)
        return {"key": row.key, "parts": row.shown, "suggested": suggested, "was": was}

    def do(
        self,
        kind: Kind,
        *,
        request: str,
        annotator: str,
        key: str = "",
        labels: Labels | None = None,
        seconds: float | None = None,
    ) -> None:
        """Keep what somebody did; on the disk when this returns. Raises `DiskError` if it cannot be."""
        sample = self._order.sample(self.rows.places[key]) if kind in ("answer", "skip") else ""
        event = Event(
            request, kind, annotator, key, labels=labels, at=time.time(), seconds=seconds, sample=sample
        )
        self.journal.add(lambda _: event)

    def undo(self, request: str, annotator: str) -> dict[str, Any] | None:
        """Take back the last thing that a person did; returns its row as it was, None if there is none.

        What was done with rows that are no longer in the table stays.
        """
        undone: list[Event] = []

        def take_back(standing: Standing) -> Event | None:
            last = standing.last_of(annotator)
            if standing.knows(request) or last is None or last.row not in self.rows.places:
                return None
            undone.append(last)
            return Event(request, "undo", annotator, last.row, at=time.time(), undoes=last.request)

        self.journal.add(take_back)
        if not undone:
            return None
        return self.card(self.rows.places[undone[0].row], undone[0].labels)

    def counts(self, annotator: str) -> dict[str, int]:
        """How many rows a person has done, and how many there are."""
        tally = self._standing.tally(annotator)
        return {
            "rows": len(self.rows),
            "answered": tally["answer"],
            "skipped": tally["skip"],
            "flagged": tally["flag"],
        }

    def sample(self, key: str) -> str:
        """Why a row is asked."""
        return self._order.sample(self.rows.places[key])

    def is_flagged(self, key: str, annotator: str) -> bool:
        """Whether a person has flagged a row."""
        return (key, annotator) in self._standing.flagged

    def stays(self, name: str) -> None:
        """The page `name` is still there."""
        self.journal.catch_up()
        if name in self._seats:
            self._seats[name].seen = time.monotonic()

    def leaves(self, name: str) -> None:
        """The page `name` is closed: what it held may be asked elsewhere."""
        self._seats.pop(name, None)
        self._order.start_over()

    def _sit(self, name: str, annotator: str, held: Sequence[str]) -> Seat:
        """The page's seat, with what it really holds; what it let go may be asked again."""
        now = time.monotonic()
        for other in [one for one, seat in self._seats.items() if now - seat.seen > FORGOTTEN_SECONDS]:
            self.leaves(other)
        before = self._seats.get(name)
        keys = {key for key in held if key in self.rows.places}
        seat = self._seats[name] = Seat(annotator, keys, now)
        let_go = before is not None and any(
            not self._standing.is_done(key, before.annotator) for key in before.held - keys
        )
        if let_go or self._standing.changes != self._changes:
            self._changes = self._standing.changes
            self._order.start_over()
        return seat

    def _taken(self, seat: Seat) -> dict[str, set[str]]:
        """The rows that other pages hold, by annotator."""
        taken: dict[str, set[str]] = {seat.annotator: set()}
        for other in self._seats.values():
            if other is not seat:
                taken.setdefault(other.annotator, set()).update(other.held)
        return taken
