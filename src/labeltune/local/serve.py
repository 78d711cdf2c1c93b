"""The local provider on a port, for any OpenAI client."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeltune.local.guard import Allowed, is_loopback
from labeltune.local.serving import on_this_machine, run_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "serve"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000


def serve(
    directory: Path,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    api_key: str | None = None,
    *,
    allowed: Allowed | None = None,
    say: Callable[[str], None],
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve `directory` on a port until SIGINT or SIGTERM; requests under way are answered first.

    A signal that the process was started to ignore stays ignored.

    `say` gets every line meant for people: a warning where others can reach the port, one line per request
    without texts or keys, and at the end what goes on without the server. `ready` gets the base URL once
    connections are accepted; port 0 takes a free one.
    `allowed` says by which names it may be called and which web pages may ask; by default `Allowed.at(host)`.
    Raises `SettingsError` if the port cannot be had.
    """
    from labeltune.local.app import create_app
    from labeltune.local.launcher import active
    from labeltune.local.store import Store

    app = create_app(directory, api_key=api_key, allowed=allowed or Allowed.at(host))

    def started(origin: str) -> None:
        if ready is not None:
            ready(f"{origin}/v1")
        say(f"files, jobs and models are kept in {directory}; Ctrl-C stops the server")
        say(f"in a browser: {on_this_machine(origin)}/")

    def stopped() -> None:
        for row in active(Store(directory, check=False)):
            say(f"{row['id']} ({row['status']}) goes on without the server, in a process of its own")

    with _logged(say):
        run_app(
            app,
            host,
            port,
            listening=lambda: _warn(host, api_key, say),
            started=started,
            stopped=stopped,
        )


def _warn(host: str, api_key: str | None, say: Callable[[str], None]) -> None:
    if is_loopback(host):
        return
    keyless = "" if api_key is not None else ", without a key: give one with --api-key-file"
    say(f"warning: {host} can be reached from other machines, over plain HTTP{keyless}")


class _Lines(logging.Handler):
    """Hands log lines to a function."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(self.format(record))


@contextmanager
def _logged(say: Callable[[str], None]) -> Iterator[None]:
    """Hand the provider's log to a function while the block runs."""
    log, handler = logging.getLogger("labeltune.local"), _Lines(say)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
