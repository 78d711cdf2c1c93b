"""Clocks that a test puts forward, so that a deadline passes when it is to, and at no other time."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

import pytest

from labeltune.prediction.journal import Journal

SLEEPER = """\
import signal, time
asleep, monotonic = [0.0], time.monotonic
time.monotonic = lambda: monotonic() + asleep[0]
signal.signal(signal.SIGUSR1, lambda *_: asleep.__setitem__(0, asleep[0] + 100))
from labeltune.__main__ import main
main()
"""
"""The command in a process for which 100 seconds pass with each SIGUSR1."""


class Clock:
    """The clock of the event loops of this process. `answers` are those that a run has got and kept so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[int] = []
        self._ahead = self._step = 0.0
        monotonic, done = time.monotonic, Journal.done

        def kept(journal: Journal, request: int, *values: Any, **named: Any) -> None:
            done(journal, request, *values, **named)
            self.answers.append(request)

        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + self._ahead)
        monkeypatch.setattr(Journal, "done", kept)
        signal.signal(signal.SIGUSR1, self._pass)

    def forward(self, seconds: float) -> None:
        """Let time pass; called from another thread than the loop's, which is the main one."""
        self._step = seconds
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _pass(self, *_: object) -> None:
        self._ahead += self._step
        # Wakes the loop out of its waiting.
        asyncio.get_running_loop().call_soon_threadsafe(lambda: None)
