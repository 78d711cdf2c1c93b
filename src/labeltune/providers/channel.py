"""A channel for many small requests of one kind: the SDK's address, key and headers without its work per
request.

`AsyncOpenAI.chat.completions.create` spends ten times the CPU of the request itself on building and parsing
models (docs/decisions/0005-requests.md); a prediction run sends a million of them. What a failure means for
the one who pays is said here: `NotSentError` if the request cannot have reached the provider, `LostError` if
it may have been taken up and its answer did not arrive (`ClosedError`: nothing at all arrived).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from labeltune.providers.client import CONNECT_TIMEOUT, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp
    import httpx2
    from openai import AsyncOpenAI

    from labeltune.providers.profiles import Provider

__all__ = ["Channel", "ClosedError", "LostError", "NotSentError", "RawReply", "open_channel", "proxy_of"]


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
            import httpx2

            from labeltune.local import create_app

            transport = httpx2.ASGITransport(app=create_app(provider.directory))
            async with httpx2.AsyncClient(transport=transport) as http_client:
                yield _InProcess(http_client, url, headers), client
        else:
            async with _session(url, connections) as session:
                yield _OverNetwork(session, url, headers), client


def _session(url: str, connections: int) -> aiohttp.ClientSession:
    import aiohttp
    import httpx2
    from yarl import URL

    # The same certificates and proxies as the SDK's: the system's, SSL_CERT_FILE, HTTPS_PROXY.
    connector = aiohttp.TCPConnector(limit=connections, ssl=httpx2.create_ssl_context())
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    proxy = proxy_of(url)
    auth = None if proxy is None else aiohttp.BasicAuth.from_url(URL(proxy))
    return aiohttp.ClientSession(connector=connector, timeout=timeout, proxy=proxy, proxy_auth=auth)


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL, looked up once: aiohttp asks a thread each time."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


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
                return RawReply(reply.status, reply.headers, await reply.read())
        except self._not_sent as error:
            raise NotSentError(str(error)) from error
        except self._closed as error:
            raise ClosedError(str(error) or type(error).__name__) from error
        except self._lost as error:
            raise LostError(str(error) or type(error).__name__) from error


class _InProcess:
    def __init__(self, http_client: httpx2.AsyncClient, url: str, headers: Mapping[str, str]) -> None:
        self._http_client, self.url, self.headers = http_client, url, headers

    async def post(self, content: bytes) -> RawReply:
        reply = await self._http_client.post(self.url, content=content, headers=self.headers)
        return RawReply(reply.status_code, reply.headers, reply.content)
