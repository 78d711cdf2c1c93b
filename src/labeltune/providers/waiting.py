"""How long a command waits at most."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["WaitLimit"]


class WaitLimit:
    """A limit on waiting, in seconds, that holds whatever is waited for; it stands still while data is sent.

    Without a limit `left` is None, and nothing is ended.
    """

    def __init__(self, seconds: float | None) -> None:
        self.left = seconds
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def kept(self, *, at_least: float) -> AsyncIterator[None]:
        """End the block with `TimeoutError` when no time is left, but give it `at_least` so many seconds."""
        if self.left is None:
            yield
            return
        now = asyncio.get_running_loop().time
        given = max(self.left, at_least)
        try:
            async with asyncio.timeout(given) as self._timeout:
                yield
        finally:
            ends = self._timeout.when() if self._timeout is not None else None
            self._timeout = None
            self.left = max(0.0, self.left - given + max(0.0, (ends or now()) - now()))

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let no time pass in the block: how long a file takes is no waiting."""
        timeout = self._timeout
        ends = None if timeout is None else timeout.when()
        if timeout is None or ends is None:
            yield
            return
        now = asyncio.get_running_loop().time
        left = ends - now()
        timeout.reschedule(None)
        try:
            yield
        finally:
            if not timeout.expired():
                timeout.reschedule(now() + left)
