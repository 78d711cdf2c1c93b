"""Signals while requests are in flight: the first one stops cleanly."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["stop_signals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stop_signals(on_signal: Callable[[int], None]) -> Iterator[None]:
    """While the block runs in the main thread, signals call `on_signal` in the event loop, at a clean point.

    What the caller's environment ignores (nohup) or leaves to the system is not taken.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            handler = signal.getsignal(signum)
            if callable(handler):
                before[signum] = handler
                signal.signal(signum, lambda number, _: loop.call_soon_threadsafe(on_signal, number))
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
