"""The page at `/`: models, jobs and a place to ask, for the person before the browser.

The page holds no data: its script asks the endpoints of `/v1` for them, with the key where one is set, and
changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.routing import Route

from labeltune.version import __version__

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ROUTES"]

_PARTS = ("serve_ask", "serve_jobs", "serve_table")


async def show(_: Request) -> Response:
    """GET /: the page; it needs no key, for nothing of the models is in it."""
    from labeltune.pages import policy, render

    headers = {
        # What the policy in the page cannot say: who may frame it.
        "content-security-policy": f"{policy('serve', parts=_PARTS, served=True)}; frame-ancestors 'none'",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
    }
    page = render("serve", {"version": __version__}, parts=_PARTS, served=True)
    return HTMLResponse(page, headers=headers)


ROUTES = [Route("/", show, methods=["GET"])]
