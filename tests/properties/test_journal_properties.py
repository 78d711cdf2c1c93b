"""The journal as a state machine: whatever happens in whatever order, an answer that is on the disk stays."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labeltune.prediction.journal import Journal, open_journal
from labeltune.prediction.journal.model import STATES

NAME = "data.csv\npredictions.csv"
KINDS = st.sampled_from(["lost", "server_error"])
PICK = st.integers(0, 999)


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


class JournalMachine(RuleBasedStateMachine):
    """`known` is what is on the disk: for each request its state, its answer or kind, and its batch.

    `put` is what waits for the next commit: lost if the process is killed before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.open = ExitStack()
        self.journal: Journal = None  # type: ignore[assignment]  # set before the first rule
        self.known: dict[int, tuple[str, Any]] = {}
        self.put: list[tuple[int, tuple[str, Any]]] = []
        self.batch_of: dict[int, int] = {}
        self.rows: list[int | None] = []
        self.batches = 0

    @initialize()
    def begin(self) -> None:
        self._open()

    def _open(self) -> None:
        self.journal = self.open.enter_context(open_journal(self.folder / "j.db", {"task": "t"}))

    def _find(self, number: int) -> int:
        found = self.journal.find(digest(number))
        assert found is not None
        return found

    def _in(self, *states: str) -> list[int]:
        waiting = {number for number, _ in self.put}
        return [n for n, (state, _) in self.known.items() if state in states and n not in waiting]

    def _online(self) -> list[int]:
        """Requests that are under way, but not in a batch."""
        return [number for number in self._in("sent") if number not in self.batch_of]

    def _flush(self) -> None:
        self.loop.run_until_complete(self.journal.flush())
        self.known.update(self.put)
        self.put.clear()

    # rules

    @rule(rows=st.lists(st.none() | st.integers(0, 15), max_size=20), accept=st.booleans())
    def plan(self, rows: list[int | None], *, accept: bool) -> None:
        old = sorted(-1 if row is None else row for row in self.rows)
        changes = self.journal.plan(
            NAME, (None if row is None else digest(row) for row in rows), accept=accept
        )
        kept = len(rows) - changes.changed - changes.new if old else None
        assert kept is None or kept + changes.changed + changes.gone == len(old)
        in_place = sum(a == b for a, b in zip(self.rows, rows, strict=False))
        assert changes.edited == bool(changes.changed and 2 * in_place >= len(old))
        if changes.edited and not accept:
            return
        self.rows = rows
        for row in rows:
            if row is not None:
                self.known.setdefault(row, ("todo", None))

    @precondition(lambda self: self._in("todo", "unknown"))
    @rule(pick=PICK)
    def send(self, pick: int) -> None:
        candidates = self._in("todo", "unknown")
        number = candidates[pick % len(candidates)]
        self.loop.run_until_complete(self.journal.sent(self._find(number)))
        self.known.update(self.put)
        self.put.clear()
        self.known[number] = ("sent", None)
        self.batch_of.pop(number, None)

    @precondition(lambda self: self._online())
    @rule(pick=PICK, end=st.sampled_from(["done", "failed", "unknown", "put_back"]), kind=KINDS)
    def come_back(self, pick: int, end: str, kind: str) -> None:
        candidates = self._online()
        number = candidates[pick % len(candidates)]
        request, raw = self._find(number), b"answer %d" % number
        match end:
            case "done":
                self.journal.done(request, raw, input_tokens=1)
                self.put.append((number, ("done", raw)))
            case "failed":
                self.journal.failed(request, "rejected", raw)
                self.put.append((number, ("failed", "rejected")))
            case "unknown":
                self.journal.unknown(request, kind)
                self.put.append((number, ("unknown", kind)))
            case _:
                self.journal.put_back(request)
                self.put.append((number, ("todo", None)))

    @rule()
    def flush(self) -> None:
        self._flush()

    @precondition(lambda self: self._in("todo"))
    @rule(count=st.integers(1, 6))
    def create_a_batch(self, count: int) -> None:
        numbers = self._in("todo")[:count]
        self.batches += 1
        key = f"key-{self.batches}"
        batch = self.journal.batches.intend(key, [self._find(number) for number in numbers])
        self.journal.batches.record(batch, file="file", remote=f"batch_{self.batches}")
        for number in numbers:
            self.known[number], self.batch_of[number] = ("sent", None), batch

    def _open_batches(self) -> list[int]:
        return [entry.id for entry in self.journal.batches.open()]

    @precondition(lambda self: self.journal.batches.open() and not self.put)
    @rule(pick=PICK, answered=st.integers(0, 6))
    def collect_a_batch(self, pick: int, answered: int) -> None:
        batch = self._open_batches()[pick % len(self._open_batches())]
        numbers = [n for n in self._in("sent") if self.batch_of.get(n) == batch]
        assert self.journal.batches.size(batch) == len(numbers)
        known = self.journal.batches.requests(batch)
        assert [n for n in numbers if known.get(digest(n)) != (self._find(n), "sent")] == []
        with self.journal.saving():
            for number in numbers[:answered]:
                self.journal.done(self._find(number), b"answer %d" % number)
        self.journal.batches.collected(batch, "missing")
        for place, number in enumerate(numbers):
            self.known[number] = (
                ("done", b"answer %d" % number) if place < answered else ("unknown", "missing")
            )

    @precondition(lambda self: self.journal.batches.open())
    @rule(pick=PICK)
    def drop_a_batch(self, pick: int) -> None:
        batch = self._open_batches()[pick % len(self._open_batches())]
        self.journal.batches.drop(batch)
        for number in [n for n in self._in("sent") if self.batch_of.get(n) == batch]:
            self.known[number] = ("todo", None)
            del self.batch_of[number]

    @rule()
    def ask_again_what_batches_did_not_answer(self) -> None:
        ended = self.journal.batches.unanswered(NAME)
        planned = {row for row in self.rows if row is not None}
        again = [n for n in self._in("unknown") if n in self.batch_of and n in planned]
        assert sum(ended.values()) == len(again)
        self.journal.batches.ask_again(NAME)
        for number in again:
            self.known[number] = ("todo", None)
            del self.batch_of[number]

    @rule(kill=st.booleans())
    def close_and_open(self, *, kill: bool) -> None:
        """A clean end commits what waits; a kill loses it."""
        if kill:
            self.journal._commits._waiting.clear()
            self.put.clear()
        else:
            self._flush()
        self.open.pop_all().close()
        self._open()
        lost = self._online()
        assert self.journal.settle_lost() == len(lost)
        for number in lost:
            self.known[number] = ("unknown", "")

    # what always holds

    @invariant()
    def nothing_that_is_on_the_disk_is_lost(self) -> None:
        for number, (state, _) in self.known.items():
            (found,) = self.journal._database.one("SELECT state FROM requests WHERE hash = ?", digest(number))
            assert STATES[found] == state

    @invariant()
    def the_export_has_every_row_in_order(self) -> None:
        if not self.rows:
            return
        results = list(self.journal.results(NAME))
        assert len(results) == len(self.rows)
        for row, result in zip(self.rows, results, strict=True):
            assert result.digest == (None if row is None else digest(row))
            if row is None:
                assert result.state is None
                continue
            state, what = self.known[row]
            assert result.state == state
            if state == "done":
                assert result.raw == what
            elif state == "failed":
                assert result.kind == what

    @invariant()
    def the_counts_are_those_of_distinct_requests(self) -> None:
        if not self.rows:
            return
        planned = {row for row in self.rows if row is not None}
        counts = self.journal.counts(NAME)
        for state in counts:
            assert counts[state] == sum(self.known[number][0] == state for number in planned)

    def teardown(self) -> None:
        self.open.close()
        self.loop.close()
        shutil.rmtree(self.folder)


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
