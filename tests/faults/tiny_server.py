"""A server on loopback whose answers are one function, and a proxy that passes requests on to another host."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waiting import HANG_S

Answer = Callable[[str, str], object]


@dataclass(frozen=True)
class Sent:
    """A reply that is not simply a success."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Served:
    """Where a server listens, and what it was asked: method and target of each request."""

    address: str
    calls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Those of each request, where it was answered."""

    @property
    def url(self) -> str:
        return f"http://{self.address}/v1"

    def count(self, part: str) -> int:
        return sum(part in call for call in self.calls)


@contextmanager
def serving(answer: Answer) -> Iterator[Served]:
    """`answer(method, path)` gives the document of a success, a whole reply, or None to answer nothing, ever."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def go(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            served.calls.append(f"{self.command} {self.path}")
            document = answer(self.command, self.path.split("?")[0])
            if document is None:
                over.wait(HANG_S)
                self.close_connection = True
                return
            if not isinstance(document, Sent):
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                document = Sent(200, body)
            served.headers.append(dict(self.headers.items()))
            body = document.body
            self.send_response(document.status)
            named = {"content-type": "application/json", "content-length": str(len(body)), **document.headers}
            for name, value in named.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = go  # noqa: N815  # the names that the base class looks for

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def proxying(target: Served) -> Iterator[Served]:
    """A proxy for http: whatever host it is asked for, `target` answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def passed_on(method: str, path: str) -> object:
        # The target of a request to a proxy is a whole URL.
        own = path.split("://", 1)[1].split("/", 1)[1]
        data = b"{}" if method == "POST" else None
        request = urllib.request.Request(f"http://{target.address}/{own}", data=data, method=method)
        with direct.open(request, timeout=HANG_S) as reply:
            return reply.read()

    with serving(passed_on) as proxy:
        yield proxy
