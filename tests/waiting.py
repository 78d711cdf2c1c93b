"""Waiting in tests: for what is observed. The bound ends a hang; no result depends on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

HANG_S = 120.0
"""What has not happened after so long will not, however busy the machine. Below the time-out of a test."""


def wait_until(
    condition: Callable[[], Any], told: Callable[[], object] = str, *, seconds: float = HANG_S
) -> None:
    """Return as soon as the condition holds; `told` says what there was instead."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {told()}"
        time.sleep(0.005)


async def until(condition: Callable[[], Any], told: Callable[[], object] = str) -> None:
    """`wait_until` in a coroutine."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {told()}"
        await asyncio.sleep(0.02)
