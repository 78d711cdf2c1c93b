"""SDK clients, made when they are needed: never at import."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labeltune.errors import AccessError, MovedError, RemoteError, TemporaryError
from labeltune.providers.environment import certificates, check_headers, proxy_of
from labeltune.providers.failures import NOT_THE_API, shown_place, shown_start
from labeltune.providers.hidden_errors import hidden_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2
    from openai import AsyncOpenAI

    from labeltune.providers.profiles import Provider

__all__ = ["DEFAULT_TIMEOUT", "connect"]

DEFAULT_TIMEOUT = 60.0
"""Seconds between two bytes of a reply; a total deadline is the caller's."""

CONNECT_TIMEOUT = 10.0


@asynccontextmanager
async def connect(
    provider: Provider,
    *,
    max_retries: int = 0,
    timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  # the HTTP client's, not a deadline of this block
) -> AsyncIterator[AsyncOpenAI]:
    """A client for the provider, closed when the block ends. Nothing is sent by connecting.

    Retries are the caller's business (`max_retries=0`): the SDK alone repeats requests that create or cost
    something. Raises `AccessError` if the key is missing, and `SettingsError` if a variable of the
    environment cannot be obeyed; see `environment`.
    """
    import httpx2
    import openai

    check_headers()
    api_key = provider.api_key()
    limits = httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT)
    if provider.directory is None:
        http_client = _network_client(provider.base_url, limits)
    else:
        from labeltune.local import create_app

        transport = httpx2.ASGITransport(app=create_app(provider.directory))
        http_client = httpx2.AsyncClient(transport=transport, timeout=limits)
    http_client.event_hooks = {
        "request": [partial(_leave_keys_at_home, urlsplit(provider.base_url).netloc)],
        "response": [_refuse_moved, _refuse_foreign_answers, _refuse_broken_successes],
    }
    client = openai.AsyncOpenAI(
        api_key=api_key,
        base_url=provider.base_url,
        max_retries=max_retries,
        timeout=limits,
        http_client=http_client,
    )
    async with client:
        yield client


def _network_client(base_url: str, limits: httpx2.Timeout) -> httpx2.AsyncClient:
    """Takes the way that `environment` finds, not the one that the library would look up by itself."""
    import httpx2
    import openai

    context, proxy = certificates(), proxy_of(base_url)
    # Only a proxy that is itself reached by TLS may be given certificates.
    own = context if proxy is not None and proxy.startswith("https:") else None
    return openai.DefaultAsyncHttpxClient(
        timeout=limits,
        verify=context,
        trust_env=False,
        proxy=None if proxy is None else httpx2.Proxy(proxy, ssl_context=own),
    )


_HARMLESS = frozenset({"host", "accept", "accept-encoding", "connection", "user-agent"})
"""Headers that say nothing of who asks."""


async def _leave_keys_at_home(home: str, request: httpx2.Request) -> None:
    """Take every header off a request that was redirected to another host: any may be a key."""
    if request.url.netloc.decode("ascii") != home:
        for name in list(request.headers):
            if name.lower() not in _HARMLESS:
                del request.headers[name]


async def _refuse_moved(response: httpx2.Response) -> None:
    """Stop where a request that changes something is sent elsewhere: it would arrive as another one, or with
    all that it holds at a host that nobody named.
    """
    if not response.has_redirect_location or response.request.method == "GET":
        return
    here, there = response.request.url, response.request.url.join(response.headers["location"])
    if response.status_code in (307, 308) and here.netloc == there.netloc and here.scheme == there.scheme:
        return
    raise MovedError(
        f"{here.host}: redirects to {shown_place(str(there))} (status {response.status_code})",
        hint="give --provider the address that it leads to, if it is the API's; else log in there first",
    )


async def _refuse_foreign_answers(response: httpx2.Response) -> None:
    """Stop at a page of a proxy or a captive portal, which the SDK would hand on as a string."""
    kind = response.headers.get("content-type", "").lower()
    is_download = response.request.url.path.endswith("/content") and not kind.startswith("text/html")
    if not response.is_success or is_download:
        return
    if response.request.method == "DELETE" and not await response.aread():
        # Done, and nothing to say about it; of a type that the SDK does not read.
        response.headers["content-type"] = "text/plain"
        return
    if "json" in kind:
        return
    await response.aread()
    if response.content.lstrip()[:1] != b"{":
        raise TemporaryError(f"{NOT_THE_API}: {shown_start(response.text)}")
    # JSON under another name, which the SDK would not read.
    response.headers["content-type"] = "application/json"


_THINGS = re.compile(r"/(files|fine_tuning/jobs|batches|uploads)(/[^/]+(/(cancel|pause|resume|complete))?)?$")
"""Paths of requests whose answer is one thing with an id; but for lists, which are got."""

_CREATED_ONCE = re.compile(r"/(fine_tuning/jobs|batches)$")


async def _refuse_broken_successes(response: httpx2.Response) -> None:
    """Give a success that says it is an error the status that it stands for, and refuse one without an id."""
    path, is_read = response.request.url.path, response.request.method == "GET"
    if not response.is_success or path.endswith("/content"):
        return
    await response.aread()
    if response.request.method == "DELETE" and not response.content:
        return
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        # The SDK would read it a second time, and not expect this.
        raise TemporaryError(f"{NOT_THE_API}: {shown_start(response.text)}") from None
    if is_read and not isinstance(document, dict):
        # The SDK would take it for one, and stumble.
        raise TemporaryError(f"{NOT_THE_API}: expected an object, not {shown_start(response.text)}")
    hidden = hidden_error(document)
    if hidden is not None:
        status, error = hidden
        if status is not None:
            response.status_code = status
            return
        said = shown_start(str(error.get("message") or error))
        raise AccessError(
            f"{response.request.url.host}: instead of an answer: {said}",
            hint="is the base URL right? Those of most servers end with /v1",
        )
    found = _THINGS.search(path)
    if found is None or (is_read and found[2] is None):
        return
    if not isinstance(document, dict) or not isinstance(document.get("id"), str) or not document["id"]:
        said = f"{response.request.url.host}: the answer has no id: {shown_start(response.text)}"
        # Whether something was made is not known: whoever asked looks for it before asking again.
        raise TemporaryError(said) if not is_read and _CREATED_ONCE.search(path) else RemoteError(said)
