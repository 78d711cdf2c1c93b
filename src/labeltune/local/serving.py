"""Apps on a port of this machine."""

from __future__ import annotations

import signal
import socket
import threading
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from starlette.types import ASGIApp

__all__ = ["listen", "on_this_machine", "run_app"]

_BACKLOG = 2048
_GRACE_S = 10
"""How long requests under way may take to end when the server is told to stop."""

_EVERYWHERE = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}
"""Where this machine reaches a server that listens on every address."""


def on_this_machine(origin: str) -> str:
    """The origin as a browser of this machine asks for it: an address that means all is none to go to."""
    for everywhere, here in _EVERYWHERE.items():
        origin = origin.replace(everywhere, here)
    return origin


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

    with listen(host, port) as listener:
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


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises `SettingsError` if it cannot be had."""
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
