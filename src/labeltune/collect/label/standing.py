"""What stands of all that was done: the journal read from its beginning."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.collect.label.events import Event
    from labeltune.task.labels import Labels

__all__ = ["Standing"]


class Standing:
    """The answers, skips and flags that hold, of everybody."""

    def __init__(self) -> None:
        self.last = 0
        """The id of the last event that is in here."""
        self.changes = 0
        """Grows with each event after which a row may be asked that was not to be asked before."""
        self.flagged: set[tuple[str, str]] = set()
        """Rows, each with who flagged it."""
        self.rows: dict[str, dict[str, list[Event]]] = defaultdict(dict)
        """By row and annotator: answers and skips that were not taken back, oldest first."""
        self._done: dict[str, list[Event]] = defaultdict(list)
        self._tallies: dict[str, Counter[str]] = defaultdict(Counter)
        """By annotator: rows by what was done with them last, and by their sample."""
        self._answerers: Counter[str] = Counter()
        """How many people's last word on a row is an answer."""
        self.answered = 0
        """Rows with an answer of anybody."""
        self._requests: set[str] = set()

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        self.last = event.id
        self._requests.add(event.request)
        if event.kind in ("answer", "skip"):
            self._put(event)
        elif event.kind == "flag":
            self._flag(event, 1)
        elif event.kind == "unflag":
            self._flag(event, -1)
        elif event.kind == "undo":
            self._take_back(event)
        else:
            for one in [one for one in self._done[event.annotator] if one.kind == "skip"]:
                self._remove(one)
            self.changes += 1

    def knows(self, request: str) -> bool:
        """Whether what the page called this is in the journal."""
        return request in self._requests

    def last_of(self, annotator: str) -> Event | None:
        """The last answer or skip of a person that stands: what undoing takes back."""
        done = self._done[annotator]
        return done[-1] if done else None

    def of(self, row: str, annotator: str) -> Event | None:
        """What a person did with a row, as far as it stands."""
        found = self.rows[row].get(annotator) if row in self.rows else None
        return found[-1] if found else None

    def is_done(self, row: str, annotator: str) -> bool:
        """Whether a person has answered or skipped a row."""
        return row in self.rows and bool(self.rows[row].get(annotator))

    def is_answered(self, row: str) -> bool:
        """Whether anybody has answered a row."""
        return self._answerers[row] > 0

    def answers(self, row: str) -> list[Event]:
        """The answers to a row, one for each annotator, by time."""
        if row not in self.rows:
            return []
        found = [events[-1] for events in self.rows[row].values() if events]
        return sorted((one for one in found if one.kind == "answer"), key=lambda one: one.id)

    def tally(self, annotator: str) -> Counter[str]:
        """How many rows a person has done, by the kind of what was done and by sample."""
        return self._tallies[annotator]

    def agreed(self, row: str) -> Labels | None:
        """The labels that most annotators gave a row, the latest of several; None if there is no answer."""
        given = [event.labels for event in self.answers(row)]
        if not given:
            return None
        votes = Counter(given)
        return max(reversed(given), key=lambda labels: votes[labels])

    def _flag(self, event: Event, by: int) -> None:
        flag = (event.row, event.annotator)
        if (flag in self.flagged) == (by < 0):
            self.flagged.symmetric_difference_update([flag])
            self._tallies[event.annotator]["flag"] += by

    def _take_back(self, event: Event) -> None:
        done = self._done[event.annotator]
        found = next((one for one in reversed(done) if one.request == event.undoes), None)
        if found is not None:
            self._remove(found)
        self.changes += 1

    def _put(self, event: Event) -> None:
        self._count(event, -1)
        self._done[event.annotator].append(event)
        self.rows[event.row].setdefault(event.annotator, []).append(event)
        self._count(event, 1)

    def _remove(self, event: Event) -> None:
        self._count(event, -1)
        self._done[event.annotator].remove(event)
        self.rows[event.row][event.annotator].remove(event)
        self._count(event, 1)

    def _count(self, event: Event, by: int) -> None:
        """Count what stands of this row and person, before a change of it (-1) and after it (1)."""
        standing = self.of(event.row, event.annotator)
        if standing is not None:
            self._tallies[event.annotator].update({standing.kind: by, standing.sample: by})
            if standing.kind == "answer":
                before = self._answerers[event.row]
                self._answerers[event.row] = before + by
                self.answered += (before + by > 0) - (before > 0)
