"""When the next request may leave: how many in flight, how long to pause, when to stop trying.

Nothing here knows of requests, answers or the network; the clock is handed in.
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CANARY", "Pace", "wait_announced"]

CANARY = 5
"""How many requests go first: what would be refused for every row is refused for these."""

GROWTH = 3
"""How many more may be in flight after each answer, until the first rate limit."""

CUT = 0.8
"""What a rate limit leaves of the requests in flight."""

LATE_CUT = 0.5
"""What an answer that did not come in time leaves of them."""

IN_TIME = 0.5
"""The share of an answer's deadline within which it is to come, for more to be in flight."""

BREAKER_ERRORS = 10
"""After so many server errors in a row, one request at a time tries whether the server is back."""

PROBE_FIRST, PROBE_MOST = 1.0, 30.0
"""Seconds between tries: the first, and the most after doubling."""

UNSAID_FIRST, UNSAID_MOST = 1.0, 60.0
"""Seconds to pause where a rate limit does not say how long: the first, and the most after doubling."""


class Pace:
    """Additive increase, multiplicative decrease, one pause for all, and a breaker.

    The number in flight begins at `CANARY`, grows by `GROWTH` with every answer until the first rate limit,
    and from then on by one with every round of answers. It does not grow where a server that answers one
    after the other would need too long for more; where answers come too late, half as many are in flight.
    """

    def __init__(self, most: int, now: Callable[[], float], *, deadline: float = math.inf) -> None:
        """`deadline`: seconds that an answer may take."""
        self._most = most
        self._now = now
        self._deadline = deadline
        self._cut_until = 0.0
        self.limit = float(min(CANARY, most))
        self.in_flight = 0
        self._limited = False
        self._paused_until = 0.0
        self._unsaid = UNSAID_FIRST
        self._errors = 0
        self._probe_after = 0.0
        self._probing = False
        self._parked: deque[asyncio.Future[None]] = deque()
        self._last_answer = now()
        self.closed = False
        """Nothing leaves any more."""

    @property
    def silent_for(self) -> float:
        """Seconds since the last answer."""
        return self._now() - self._last_answer

    @property
    def broken(self) -> bool:
        """Whether the breaker is open."""
        return self._errors >= BREAKER_ERRORS

    @property
    def probe_seconds(self) -> float:
        """How long between two tries while the breaker is open."""
        return float(min(PROBE_FIRST * 2 ** (self._errors - BREAKER_ERRORS), PROBE_MOST))

    @property
    def pause_seconds(self) -> float:
        """How long everyone still waits for a rate limit."""
        return max(self._paused_until - self._now(), 0.0)

    async def enter(self) -> bool:
        """Wait for a place in flight. False if nothing is to leave any more."""
        while not self.closed:
            wait = self._wait()
            if wait == 0.0:
                self.in_flight += 1
                self._probing = self.broken
                return True
            parked = asyncio.get_running_loop().create_future()
            self._parked.append(parked)
            timer = None if wait is None else asyncio.get_running_loop().call_later(wait, _wake, parked)
            try:
                await parked
            finally:
                if timer is not None:
                    timer.cancel()
                if parked in self._parked:
                    self._parked.remove(parked)
        return False

    def _wait(self) -> float | None:
        """Seconds until a request may leave; 0 for now, None for when another one has come back."""
        now = self._now()
        if now < self._paused_until:
            return self._paused_until - now
        if self.broken:
            if self._probing:
                return None
            return max(self._probe_after - now, 0.0)
        return 0.0 if self.in_flight < int(self.limit) else None

    def leave(self) -> None:
        """A place in flight is free."""
        self.in_flight -= 1
        self._probing = False
        self._wake_parked()

    def answered(self, seconds: float = 0.0, among: int = 1) -> None:
        """An answer came: the server is well, and more may be in flight. It took so many seconds, in which so
        many came, itself among them.
        """
        self._last_answer = self._now()
        self._errors = 0
        self._unsaid = UNSAID_FIRST
        if self.limit < self._most:
            grown = self.limit + (1 / self.limit if self._limited else GROWTH)
            in_time = among * self._deadline * IN_TIME / seconds if seconds > 0 else math.inf
            self.limit = max(self.limit, min(grown, in_time, float(self._most)))

    def late(self) -> None:
        """No answer came in time: the server has more to do than it can. Those that were under way meanwhile
        bring the same news.
        """
        if self._now() >= self._cut_until:
            self._cut_until = self._now() + self._deadline
            self.limit = max(self.limit * LATE_CUT, 1.0)
            self._limited = True

    def limited(self, wait: float | None) -> float:
        """A rate limit: everyone pauses, and fewer are in flight afterwards. Returns the pause in seconds.

        Those that were under way when the first one came back bring the same news: they count as one.
        """
        if not wait:  # one of 0 s would send the same requests again at once, and again
            wait = self._unsaid
            if not self.pause_seconds:
                self._unsaid = min(2 * self._unsaid, UNSAID_MOST)
        if not self.pause_seconds:
            self.limit = max(self.limit * CUT, 1.0)
            self._limited = True
        self.pause(wait)
        return wait

    def pause(self, wait: float) -> None:
        """Nothing leaves for so many seconds."""
        self._paused_until = max(self._paused_until, self._now() + wait)

    def failed(self) -> bool:
        """The server failed, or was not reached. True if that opened the breaker, or left it open."""
        self._errors += 1
        if self.broken:
            self._probe_after = self._now() + self.probe_seconds
        else:
            # Before it opens, each waits a little, so that ten errors are not ten requests in a moment.
            self.pause(0.1 * self._errors)
        return self.broken

    def close(self) -> None:
        """Let nothing leave any more; who waits hears of it."""
        self.closed = True
        self._wake_parked()

    def _wake_parked(self) -> None:
        free = len(self._parked) if self.closed or self.broken else int(self.limit) - self.in_flight
        for parked in list(self._parked)[: max(free, 0)]:
            _wake(parked)


def _wake(parked: asyncio.Future[None]) -> None:
    if not parked.done():
        parked.set_result(None)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_announced(headers: Mapping[str, str]) -> float | None:
    """The seconds that a reply asks to wait; None if it does not say.

    `Retry-After` may be seconds or a date, which is read against the reply's own `Date`: our clock may be
    wrong. `x-ratelimit-reset-…` counts for the limit that is used up.
    """
    with_ms = _number(headers.get("retry-after-ms"))
    if with_ms is not None:
        return with_ms / 1000
    after = headers.get("retry-after", "")
    seconds = _number(after)
    if seconds is not None:
        return seconds
    then, now = _date(after), _date(headers.get("date", ""))
    if then is not None and now is not None:
        return max(then - now, 0.0)
    resets = [
        _duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _duration(text: str) -> float | None:
    found = _DURATION.findall(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in found) if found else _number(text)
