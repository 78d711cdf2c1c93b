"""Has a model trained beside the page: a thread that waits, and a process that works."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from labeltune.collect.label.answering import fits
from labeltune.collect.label.order import RANDOM
from labeltune.collect.label.ranking import Ranking
from labeltune.task import format_task

if TYPE_CHECKING:
    from labeltune.collect.label.journal import Journal
    from labeltune.collect.label.order import Order
    from labeltune.collect.label.rows import Rows
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["EVERY", "Learner"]

EVERY = 25
"""So many more answered rows begin another round,"""
_GROWTH = 20
"""or a twentieth more, where that is more."""
_BLOCK = 2_000
"""Conversations sent at once: writing them holds the page up for less than a millisecond each."""
_AT_ONCE = 500
"""Rows that are looked at while an answer has to wait."""
_END_SECONDS = 5.0


class Learner:
    """Rounds of training on the answers so far. `news` hands a finished one over, to one thread."""

    def __init__(
        self, task: Task, rows: Rows, order: Order, journal: Journal, base: str, given: Ranking | None
    ) -> None:
        self._task, self._rows, self._order, self._journal = task, rows, order, journal
        self._base = base
        self._given = given
        self._news: Ranking | None = given
        self._more = threading.Condition()
        self._ended = False
        self._trained = 0
        """Answered rows of the last round."""
        self._working = False
        self._refused = ""
        self._rounds = journal.rounds()
        self._worker: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        """Begin; answers that are in the journal already are learnt at once."""
        self._thread.start()

    def stop(self) -> None:
        """End thread and process; a round under way is given up."""
        with self._more:
            self._ended = True
            self._more.notify()
        worker = self._worker
        if worker is not None:
            worker.terminate()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def answered(self) -> None:
        """There is one more answer."""
        with self._more:
            self._more.notify()

    def news(self) -> Ranking | None:
        """The newest ranking, once."""
        found, self._news = self._news, None
        return found

    def told(self, known: int = 0) -> dict[str, Any]:
        """What the page tells of it, with the rounds after the first `known`."""
        return {
            "every": self._step,
            "base": self._base,
            "working": self._working,
            "refused": self._refused,
            "model": "" if self._given is None else self._given.source,
            "known": known,
            "rounds": self._rounds[known:],
        }

    @property
    def _step(self) -> int:
        """So many more answered rows begin another round, which costs the more the more rows there are."""
        return max(EVERY, self._trained // _GROWTH)

    def _run(self) -> None:
        try:
            while True:
                asked = self._wait()
                if asked is None:
                    return
                self._working = True
                self._round(asked)
                self._working = False
        except OSError:
            if not self._ended:
                self._refused = "the process that trains has ended; labelling goes on without it"
        finally:
            self._working = False

    def _wait(self) -> list[tuple[int, Labels, bool]] | None:
        """The answered rows, once there are enough more of them; None at the end."""
        with self._more:
            while True:
                if self._ended:
                    return None
                if self._journal.standing.answered >= self._trained + self._step:
                    break
                self._more.wait()
        self._trained = self._journal.standing.answered
        return self._answers()

    def _answers(self) -> list[tuple[int, Labels, bool]]:
        """The answered rows as they were answered: places, labels, whether they are of the random sample."""
        standing, places = self._journal.standing, self._rows.places
        with self._journal.lock:
            rows = [row for row in standing.rows if row in places]
        found = []
        for start in range(0, len(rows), _AT_ONCE):
            with self._journal.lock:
                for row in rows[start : start + _AT_ONCE]:
                    labels = standing.agreed(row)
                    if labels is not None and fits(self._task, labels):
                        first = standing.answers(row)[0]
                        found.append((first.id, places[row], labels, first.sample == RANDOM))
        return [one[1:] for one in sorted(found)]

    def _round(self, asked: list[tuple[int, Labels, bool]]) -> None:
        worker = self._process()
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(orjson.dumps(asked) + b"\n")
        worker.stdin.flush()
        reply = orjson.loads(self._read_line(worker))
        self._refused = reply.get("refused", "")
        if self._refused:
            return
        size = 4 * len(self._rows)
        margins = np.frombuffer(worker.stdout.read(size), dtype=np.float32)
        numbers = np.frombuffer(worker.stdout.read(size), dtype=np.int32)
        answers = [tuple(map(tuple, labels)) for labels in reply["answers"]]
        measured = reply["measured"]
        self._journal.add_round(measured)
        self._rounds = [*self._rounds, measured]
        ranking = Ranking("", margins, numbers, answers)
        if self._is_better(measured):
            self._news = ranking

    def _is_better(self, measured: dict[str, Any]) -> bool:
        """Whether what was trained is right more often than the model that was given, on the same rows."""
        if self._given is None:
            return True
        rows = [one for one in self._answers() if one[2] or not measured["random"]]
        right = sum(self._given.suggestion(place) == labels for place, labels, _ in rows)
        return bool(measured["right"] / measured["rows"] > right / max(1, len(rows)))

    def _read_line(self, worker: subprocess.Popen[bytes]) -> bytes:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        if not line:
            raise BrokenPipeError
        return line

    def _process(self) -> subprocess.Popen[bytes]:
        """The process, started and told the rows when it is first needed."""
        if self._worker is not None:
            return self._worker
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "labeltune.collect.label.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._worker = worker
        assert worker.stdin is not None
        about = {"task": format_task(self._task), "base": self._base}
        worker.stdin.write(orjson.dumps(about) + b"\n")
        for start in range(0, len(self._rows), _BLOCK):
            block = [
                self._rows.messages(place) for place in range(start, min(start + _BLOCK, len(self._rows)))
            ]
            worker.stdin.write(orjson.dumps(block) + b"\n")
        worker.stdin.write(b"[]\n")
        return worker
