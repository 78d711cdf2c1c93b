"""Who may ask: the one guard before every server that runs on a user's machine.

Any web page that the user visits can send requests to a port of this machine: with a form, an image, a
script. What it cannot do is write `Host`, `Origin` and `Sec-Fetch-Site`, which are the browser's, or send a
body as `application/json` to another origin without asking first (Fetch Standard, "CORS protocol"; W3C Fetch
Metadata). So these are looked at in every request. A name that was rebound to this machine's address (DNS
rebinding) shows in `Host`. Clients that are no browser send neither of the other two, and go on.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import logging
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

from labeltune.errors import SettingsError
from labeltune.local.errors import ApiError
from labeltune.local.store import new_id
from labeltune.local.wire import json_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["TOKEN_HEADER", "Allowed", "Guard", "is_loopback", "new_token"]

TOKEN_HEADER = "X-Labeltune-Token"  # noqa: S105  (the header's name)
"""What a page of ours sends its token in."""

_TOKEN = TOKEN_HEADER.lower().encode()
_LOOKED_AT = {
    *(b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"transfer-encoding"),
    _TOKEN,
}

_log = logging.getLogger("labeltune.local")

_AUTHORITY = re.compile(r"(?P<name>\[[\w:.%]+\]|[\w.-]+)(?P<port>:\d{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_METHODS = ("GET", "POST", "DELETE")
_EXPOSED = ("x-request-id", "retry-after", "x-should-retry")
"""What clients in a page read of a reply's headers."""
_SHOWN = 80
"""Characters of a header in the message that refuses it."""

_PROTECTION = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
"""What keeps a reply from being read as something else, framed, or embedded by another site's page."""


def new_token() -> str:
    """A token for the pages of one run of a server, which they hand back with what they change."""
    return secrets.token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Whether a name or address (without brackets) is this machine's own, wherever it is said."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


@functools.lru_cache(maxsize=256)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The names that a server answers to, and the pages of others that may ask it.

    Loopback names are always allowed, at any port. `addresses` allows every IP address as well: an address
    cannot be rebound, and who listens to the network does not know by which of its addresses it is reached.
    """

    names: frozenset[str] = frozenset()
    """Lower case, without a port."""
    origins: frozenset[str] = frozenset()
    """As browsers write them. What serves such a page may pass requests on under its own name."""
    addresses: bool = False

    @classmethod
    def at(cls, host: str, names: Iterable[str] = (), origins: Iterable[str] = ()) -> Allowed:
        """What a server that listens on `host` allows, with names and origins from the command line.

        Raises `SettingsError` for what is no name or no origin.
        """
        own = _bare(host)
        return cls(
            frozenset((own, *map(_checked_name, names))),
            frozenset(map(_checked_origin, origins)),
            addresses=not is_loopback(own),
        )

    def host(self, value: str) -> bool:
        """Whether a server may be called by this value of `Host`."""
        found = _AUTHORITY.fullmatch(value)
        if found is None:
            return False
        name = _bare(found["name"])
        if is_loopback(name) or name in self.names or (self.addresses and _address(name) is not None):
            return True
        return any(value.lower() == origin.partition("://")[2] for origin in self.origins)


def _bare(name: str) -> str:
    """A name in lower case, without the brackets of an address or the dot of the root."""
    return name.strip("[]").lower().removesuffix(".")


def _checked_name(text: str) -> str:
    found = _AUTHORITY.fullmatch(text)
    if (found is None or found["port"]) and _address(text) is None:
        raise SettingsError(
            f"--allow-host {text}: expected a host name or an IP address alone",
            hint="without scheme, port and path: --allow-host gpu-box",
        )
    return _bare(text)


def _checked_origin(text: str) -> str:
    scheme, _, authority = text.removesuffix("/").partition("://")
    if not scheme or _AUTHORITY.fullmatch(authority) is None:
        raise SettingsError(
            f"--allow-origin {text}: expected the origin of one page: scheme, host and port",
            hint="without a path, and no pattern: --allow-origin https://labels.example.org",
        )
    return _normal(text.removesuffix("/"))


def _normal(origin: str) -> str:
    """An origin as browsers write it: lower case, without the scheme's own port."""
    scheme, _, authority = origin.lower().partition("://")
    return f"{scheme}://{authority.removesuffix(':' + _DEFAULT_PORTS.get(scheme, 'none'))}"


class Guard:
    """ASGI middleware that lets through what no foreign page can have sent, and refuses the rest.

    403 for a foreign `Host`, `Origin` or `Sec-Fetch-Site`, 415 for a body that is not `application/json`;
    forms are taken where the path matches `forms`. With a `token`, a request that changes something at a path
    that matches `page` must carry it in `TOKEN_HEADER`, whoever sends it: a script has it from its page.
    No CORS header is sent but to the origins allowed.
    """

    def __init__(
        self,
        app: ASGIApp,
        allowed: Allowed,
        *,
        forms: str | None = None,
        token: str | None = None,
        page: str = ".*",
    ) -> None:
        self._allowed = allowed
        self._forms = None if forms is None else re.compile(forms)
        self._token = token
        self._page = re.compile(page)
        self._app = app
        if allowed.origins:
            self._app = CORSMiddleware(
                app,
                allow_origins=sorted(allowed.origins),
                allow_methods=_METHODS,
                allow_headers=["*"],
                expose_headers=_EXPOSED,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ApiError as error:
            await _refuse(error, scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_PROTECTION]
            await send(message)

        await self._app(scope, receive, protected)

    def _check(self, scope: Scope) -> None:
        """Raise `ApiError` for a request that a foreign page may have sent."""
        headers = _Headers(scope)
        self._check_host(headers)
        self._check_origin(headers, scope["scheme"])
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            self._check_body(headers, scope["path"])
            self._check_token(headers, scope["path"])

    def _check_host(self, headers: _Headers) -> None:
        hosts = headers.all(b"host")
        if len(hosts) != 1 or not self._allowed.host(hosts[0]):
            found = _AUTHORITY.fullmatch(hosts[0]) if hosts else None
            way = "" if found is None else f" If it is to do so: --allow-host {found['name']}."
            raise ApiError(
                403, f"This server does not answer to the host {_shown(hosts)}.{way}", code="host_not_allowed"
            )

    def _check_origin(self, headers: _Headers, scheme: str) -> None:
        origins, sites = headers.all(b"origin"), headers.all(b"sec-fetch-site")
        if not origins and not sites:
            return
        # A WebSocket's own scheme is ws; its page's is http.
        own = _normal(f"{scheme.replace('ws', 'http', 1)}://{headers.all(b'host')[0]}")
        if any(origin not in self._allowed.origins and origin != own for origin in origins):
            raise ApiError(
                403,
                f"Pages of {_shown(origins)} may not use this server. If they are to do so: "
                f"--allow-origin {_shown(origins)}.",
                code="origin_not_allowed",
            )
        granted = bool(origins) and all(origin in self._allowed.origins for origin in origins)
        if not granted and any(site not in {"same-origin", "none"} for site in sites):
            raise ApiError(
                403,
                "Pages and links of other sites may not use this server. Type the address to open its page.",
                code="origin_not_allowed",
            )

    def _check_body(self, headers: _Headers, path: str) -> None:
        kinds = [kind.partition(";")[0].strip().lower() for kind in headers.all(b"content-type")]
        if self._forms is not None and self._forms.fullmatch(path):
            good = {"application/json", "multipart/form-data"}
        else:
            good = {"application/json"}
        # A browser sends the bytes of a script without any type, and without asking first.
        if all(kind in good for kind in kinds) and (kinds or not headers.body):
            return
        expected = "multipart/form-data" if len(good) > 1 else "application/json"
        raise ApiError(
            415,
            f"Expected the header 'Content-Type: {expected}', but got {_shown(kinds)}.",
            code="unsupported_content_type",
        )

    def _check_token(self, headers: _Headers, path: str) -> None:
        if self._token is None or not self._page.fullmatch(path):
            return
        given = headers.all(_TOKEN)
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), self._token.encode()):
            raise ApiError(
                403,
                "This page is from an earlier run of the server, or not from it: load it again.",
                code="invalid_page_token",
            )


class _Headers:
    """The headers of one request that are looked at."""

    __slots__ = ("_values",)

    def __init__(self, scope: Scope) -> None:
        self._values: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            if name in _LOOKED_AT:
                self._values.setdefault(name, []).append(value.decode("latin-1").strip())

    def all(self, name: bytes) -> list[str]:
        """Every value of a header; more than one is nothing that a well-behaved client sends."""
        return self._values.get(name, [])

    @property
    def body(self) -> bool:
        """Whether the request brings a body."""
        lengths = self.all(b"content-length")
        return any(length != "0" for length in lengths) or bool(self.all(b"transfer-encoding"))


def _shown(values: list[str]) -> str:
    """A header in a message, in printable characters."""
    text = ", ".join(values) or "none"
    return text.encode("ascii", "backslashreplace").decode()[:_SHOWN]


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    request_id = new_id("req_")
    path = scope.get("raw_path", b"").decode("ascii", "replace")
    _log.info("%s %s %d %s %s", scope.get("method", "GET"), path, error.status, error.code, request_id)
    if scope["type"] == "websocket":
        # Before it is accepted, a server answers this with 403.
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await json_reply(error.body, error.status, {"x-request-id": request_id})(scope, receive, send)
