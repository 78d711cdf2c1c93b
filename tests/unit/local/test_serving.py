"""Apps on a port: how connections are taken, and how a signal ends it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse

from labeltune.errors import SettingsError
from labeltune.local.guard import Allowed, Guard
from labeltune.local.serving import listen, run_app

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_do_not_wait_for_the_receipt_of_their_first_piece(host: str) -> None:
    """asyncio sets this option only on sockets that name their protocol, which a listening one need not."""
    with (
        listen(host, 0) as listener,
        socket.create_connection(listener.getsockname()[:2]),
        listener.accept()[0] as taken,
    ):
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_how_an_app_may_be_meant_to_end(number: int) -> None:
    told: list[str] = []

    def started(origin: str) -> None:
        told.append(origin)
        threading.Timer(0, os.kill, (os.getpid(), number)).start()

    run_app(
        Guard(hello, Allowed()),
        "127.0.0.1",
        0,
        listening=lambda: told.append("listening"),
        started=started,
        stopped=lambda: told.append("stopped"),
        signal_is_end=True,
    )
    assert told[0] == "listening"
    assert told[1].startswith("http://127.0.0.1:")
    assert told[2] == "stopped"


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}: cannot listen there"):
            run_app(hello, "127.0.0.1", port, started=lambda _: None)
