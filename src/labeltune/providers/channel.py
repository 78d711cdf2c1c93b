"""A channel for many small requests of one kind: the SDK's address, key and headers without its work per
request.

`AsyncOpenAI.chat.completions.create` spends ten times the CPU of the request itself on building and parsing
models (docs/decisions/0005-requests.md); a prediction run sends a million of them. What a failure means for
the one who pays is said here: `NotSentError` if the request cannot have reached the provider, `LostError` if
it may have been taken up and its answer did not arrive (`ClosedError`: nothing at all arrived).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from labeltune.providers.client import CONNECT_TIMEOUT, connect
from labeltune.providers.environment import certificates, proxy_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
    from typing import TypeAlias

    import aiohttp
    from openai import AsyncOpenAI

    from labeltune.providers.profiles import Provider

    Message: TypeAlias = MutableMapping[str, Any]
    App: TypeAlias = Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
    ]
    """An ASGI application."""

__all__ = ["Channel", "ClosedError", "LostError", "NotSentError", "RawReply", "open_channel"]


class NotSentError(Exception):
    """The provider was not reached; nothing can have been billed."""


class LostError(Exception):
    """The request left, and no whole answer came back; it may have been billed."""


class ClosedError(LostError):
    """The connection was closed, or reset, before the first byte of an answer."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """A complete reply, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Channel(Protocol):
    """Sends requests to one path of one provider."""

    headers: Mapping[str, str]
    """What goes with every request; holds the key."""
    url: str

    async def post(self, content: bytes) -> RawReply:
        """Send one request, once. Raises `NotSentError` or `LostError`; time-outs are the caller's."""
        ...


@asynccontextmanager
async def open_channel(
    provider: Provider, path: str, *, connections: int
) -> AsyncIterator[tuple[Channel, AsyncOpenAI]]:
    """A channel to `path`, and the SDK client that knows the way. Raises `AccessError` if the key is
    missing.
    """
    async with connect(provider) as client:
        own = {name: value for name, value in client.default_headers.items() if isinstance(value, str)}
        # The SDK adds the key to each request; a header of the user's own (OPENAI_CUSTOM_HEADERS) wins.
        headers = {"Authorization": f"Bearer {client.api_key}", **own}
        url = f"{str(client.base_url).rstrip('/')}{path}"
        if provider.directory is not None:
            from labeltune.local import create_app

            yield _InProcess(create_app(provider.directory), url, headers), client
        else:
            async with _session(url, connections) as session:
                yield _OverNetwork(session, url, headers), client


def _session(url: str, connections: int) -> aiohttp.ClientSession:
    import aiohttp
    from yarl import URL

    # The same certificates and proxies as the SDK's, looked up once: aiohttp would ask a thread each time.
    connector = aiohttp.TCPConnector(limit=connections, ssl=certificates())
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    proxy = proxy_of(url)
    auth = None if proxy is None else aiohttp.BasicAuth.from_url(URL(proxy))
    return aiohttp.ClientSession(connector=connector, timeout=timeout, proxy=proxy, proxy_auth=auth)


class _OverNetwork:
    def __init__(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        import aiohttp

        self._session, self.url, self.headers = session, url, headers
        self._not_sent = (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientProxyConnectionError,
            aiohttp.ClientHttpProxyError,
            aiohttp.InvalidURL,
        )
        self._closed = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
        self._lost = (aiohttp.ClientError, TimeoutError, OSError)

    async def post(self, content: bytes) -> RawReply:
        try:
            async with self._session.post(
                self.url, data=content, headers=self.headers, allow_redirects=False
            ) as reply:
                return RawReply(reply.status, reply.headers, await self._body(reply))
        except self._not_sent as error:
            raise NotSentError(str(error)) from error
        except self._closed as error:
            raise ClosedError(str(error) or type(error).__name__) from error
        except self._lost as error:
            raise LostError(str(error) or type(error).__name__) from error

    async def _body(self, reply: aiohttp.ClientResponse) -> bytes:
        """The body of a reply; where it ends before its announced end, what of it came: that may be all."""
        pieces: list[bytes] = []
        try:
            async for piece in reply.content.iter_any():
                pieces.append(piece)  # noqa: PERF401  # what came before an error is kept
        except self._lost:
            if not pieces:
                raise
        return b"".join(pieces)


class _InProcess:
    """Calls an app that is in this process as a server would, without a client's work for each request."""

    def __init__(self, app: App, url: str, headers: Mapping[str, str]) -> None:
        self._app, self.url, self.headers = app, url, headers
        parts = urlsplit(url)
        given = {"host": parts.netloc, "content-type": "application/json", **headers}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": parts.scheme,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": b"",
            "root_path": "",
            "server": (parts.hostname, parts.port),
            "client": ("127.0.0.1", 0),
        }

    async def post(self, content: bytes) -> RawReply:
        began: Message = {}
        body: list[bytes] = []
        ended = asyncio.Event()
        coming = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Message:
            if coming:
                return coming.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                began.update(message)
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body"):
                    ended.set()

        length = (b"content-length", str(len(content)).encode())
        await self._app({**self._scope, "headers": [*self._headers, length]}, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in began["headers"]}
        return RawReply(began["status"], headers, b"".join(body))
