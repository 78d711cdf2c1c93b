"""The local provider as an ASGI app over a directory."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import time
import traceback
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route, Router

from labeltune.errors import DiskError
from labeltune.local import batches, chat, explaining, files, jobs, models, page, uploads
from labeltune.local.answerer import Answerer
from labeltune.local.context import CONTEXT_KEY, Context
from labeltune.local.errors import ApiError
from labeltune.local.guard import Allowed, Guard
from labeltune.local.launcher import Launcher
from labeltune.local.limits import Limits
from labeltune.local.store import Store, disk_is_full, new_id
from labeltune.local.wire import json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["create_app"]

_log = logging.getLogger("labeltune.local")

_V1 = "/v1"
_FORMS = rf"{_V1}/(files|uploads/[^/]+/parts)"
"""The routes that take files."""
_IN_PROCESS = Allowed(names=frozenset({"local"}))
"""`http://local/v1` is the address of an app that is on no port."""
_SHOWN_PATH = 200
"""Characters of a path that is not there, in the message that says so."""


def create_app(
    directory: Path,
    *,
    api_key: str | None = None,
    limits: Limits | None = None,
    allowed: Allowed = _IN_PROCESS,
) -> ASGIApp:
    """The local provider over `directory`, which is made if need be; `/v1` is its base path.

    With `api_key`, requests must carry it. `allowed` says by which names it may be called, and which pages
    may ask. Needs no lifespan events. Work that a killed worker left behind is taken up. Raises `DiskError`
    if the directory cannot be used, `SettingsError` if a newer version made it.
    """
    store = Store(directory)
    context = Context(store, Answerer(store), Launcher(store))
    context.launcher.look_for_work()
    return Guard(Gate(context, api_key, limits or Limits()), allowed, forms=_FORMS)


async def _health(_: Request) -> Response:
    """GET /healthz or /health: whether the app answers; needs no key."""
    return json_reply({"status": "ok"})


class Gate:
    """What every request passes: key, limits and routes, and on its way out ids, errors and the log."""

    def __init__(self, context: Context, api_key: str | None, limits: Limits) -> None:
        self._context = context
        self._key = None if api_key is None else _digest(api_key.encode())
        self._limits = limits
        # Routes are tried in order: the one that is asked thousands of times comes first.
        modules = (chat, explaining, files, uploads, jobs, models, batches)
        routes = [route for module in modules for route in module.ROUTES]
        health = [Route(path, _health, methods=["GET"]) for path in ("/healthz", "/health")]
        self._router = Router([Mount(_V1, routes=routes), *health, *page.ROUTES])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        began = time.perf_counter()
        reply = _Reply(send, new_id("req_"))
        # With an app in the scope, the router raises where it would otherwise answer in plain text.
        scope["app"] = self
        scope[CONTEXT_KEY] = self._context
        try:
            if scope["path"].startswith(_V1):
                headers = dict(scope["headers"])
                self._check_key(headers.get(b"authorization"))
                length = headers.get(b"content-length", b"")
                reply.headers += self._limits.count(int(length) if length.isdigit() else 0)
            await self._router(scope, receive, reply.send)
        except Exception as error:  # noqa: BLE001  (a bug of ours is answered with 500, and logged)
            await reply.refuse(scope, receive, _as_api_error(error, scope, reply.request_id))
        milliseconds = (time.perf_counter() - began) * 1000
        # The raw path has no control characters, and the query is left out: it may hold metadata.
        path = scope.get("raw_path", b"").decode("ascii", "replace")
        _log.info("%s %s %d %.1f ms %s", scope["method"], path, reply.status, milliseconds, reply.request_id)

    def _check_key(self, authorization: bytes | None) -> None:
        if self._key is None:
            return
        kind, _, key = (authorization or b"").partition(b" ")
        if kind.lower() != b"bearer" or not key:
            raise ApiError(
                401,
                "You didn't provide an API key: send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
            )
        # Digests have one length and are compared in constant time: the delay says nothing about the key.
        if not hmac.compare_digest(_digest(key.strip()), self._key):
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")


class _Reply:
    """The way out of one request."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._began = False
        self.request_id = request_id
        self.status = 0
        self.headers = [(b"x-request-id", request_id.encode()), (b"openai-organization", b"local")]

    async def send(self, message: Message) -> None:
        """Pass a message on, the first one with our headers."""
        if message["type"] == "http.response.start":
            self._began = True
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), *self.headers]
        await self._send(message)

    async def refuse(self, scope: Scope, receive: Receive, error: ApiError) -> None:
        """Answer with an error, unless an answer is already under way."""
        if self._began:
            return
        headers = {}
        if error.retry_after is not None:
            headers["retry-after"] = str(math.ceil(error.retry_after))
        if error.status == 507:
            # Space does not come back within a second.
            headers["x-should-retry"] = "false"
        await json_reply(error.body, error.status, headers)(scope, receive, self.send)


def _as_api_error(error: Exception, scope: Scope, request_id: str) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        return _no_route(error, scope)
    if isinstance(error, DiskError) or disk_is_full(error):
        return ApiError(507, f"The server cannot store this: {error}", code="disk_error")
    # Where it happened and the kind of error, but not its message: that may hold someone's text.
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s: %s\n%s", request_id, type(error).__qualname__, where)
    return ApiError(500, f"The server had an error while processing your request ({request_id}).")


def _no_route(error: HTTPException, scope: Scope) -> ApiError:
    asked = f"{scope['method']} {scope['path'][:_SHOWN_PATH]}"
    if error.status_code != 404:
        return ApiError(error.status_code, f"{error.detail} ({asked}).")
    hint = "" if scope["path"].startswith(f"{_V1}/") else f" The base URL of this server ends with {_V1}."
    return ApiError(404, f"Invalid URL ({asked}).{hint}", code="unknown_url")


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
