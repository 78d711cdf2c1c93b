"""Apps on a port of this machine: the local provider, for any OpenAI client."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.local.guard import Allowed, is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from starlette.types import ASGIApp

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "run_app", "serve"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000

_BACKLOG = 2048
_GRACE_S = 10
"""How long requests under way may take to end when the server is told to stop."""


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


def run_app(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    listening: Callable[[], None] | None = None,
    started: Callable[[str], None],
    stopped: Callable[[], None] | None = None,
    signal_is_end: bool = False,
) -> None:
    """Serve an app, which `Guard` stands before, until SIGINT or SIGTERM; what is under way is answered.

    `listening` is called when the port is had, `started` with the origin (`http://host:port`) once
    connections are accepted, `stopped` when none are any more. The signal is raised again afterwards, unless
    `signal_is_end`: then it is how the app is meant to end. Raises `SettingsError` if the port cannot be had.
    """
    import uvicorn

    with _listening(host, port) as listener:
        if listening is not None:
            listening()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        server = uvicorn.Server(config)
        ignored = _ignored()
        own_startup, own_shutdown = server.startup, server.shutdown

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            # Only now does a signal mean: end what is under way, then stop.
            await own_startup(sockets)
            # uvicorn has taken them all.
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            shown = f"[{host}]" if ":" in host else host
            started(f"http://{shown}:{listener.getsockname()[1]}")

        async def shutdown(sockets: list[socket.socket] | None = None) -> None:
            await own_shutdown(sockets)
            if stopped is not None:
                stopped()

        def end(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001  # uvicorn's own names
            server.force_exit = server.should_exit and sig == signal.SIGINT
            server.should_exit = True

        # uvicorn has no hooks for them without lifespan
        server.startup = startup  # type: ignore[method-assign]
        server.shutdown = shutdown  # type: ignore[method-assign]
        if signal_is_end:
            server.handle_exit = end  # type: ignore[method-assign]
        server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # Python adds "(while attempting to …)" to the reason, which says again where.
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise SettingsError(
            f"{host}:{port}: cannot listen there: {reason}",
            hint="choose another --port or --host",
        ) from error
    # What is accepted has it, too. asyncio sets it for sockets whose protocol is named, which this one's is
    # not; without it the second piece of a reply waits for the receipt of the first, up to 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _ignored() -> list[signal.Signals]:
    """The stop signals that this process was started to ignore, as a script's background job is."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [
        number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) == signal.SIG_IGN
    ]


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
