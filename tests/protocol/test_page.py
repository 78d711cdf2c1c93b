"""The page at `/` as bytes and headers; `tests/browser/test_served_page.py` looks at it in a browser."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import TYPE_CHECKING

import httpx2
import pytest

from labeltune.local import create_app
from labeltune.local.guard import Allowed
from protocol.harness import KEY, Server

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp


@pytest.fixture
def app(tmp_path: Path) -> ASGIApp:
    return create_app(tmp_path / "home", api_key=KEY, allowed=Allowed.at("127.0.0.1"))


async def get(app: ASGIApp, path: str = "/", **options: dict[str, str]) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path, **options)  # type: ignore[arg-type]  # headers only


@pytest.fixture
def page(app: ASGIApp) -> httpx2.Response:
    return asyncio.run(get(app))


def test_it_needs_no_key_and_holds_nothing_that_does(page: httpx2.Response) -> None:
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert KEY not in page.text


def test_its_policy_lets_its_own_lines_run_and_nobody_frame_it(page: httpx2.Response) -> None:
    policy = page.headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("frame-ancestors") == "'none'"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in found]
        assert rules.pop(rule).split() == [f"'sha256-{one}'" for one in hashes]
    assert rules == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in page.headers


def test_it_names_no_address_but_its_own(page: httpx2.Response) -> None:
    assert set(re.findall(r"https?://[^\s\"'`<]+", page.text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page.text)
    assert not re.search(r"\son\w+=|style=|innerHTML|outerHTML|insertAdjacentHTML|eval\(", page.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=["host", "origin", "cross-site", "same-site"],
)
@pytest.mark.parametrize("path", ["/", "/v1/labeltune/explanations"])
def test_row_103_a_foreign_page_gets_nothing(app: ASGIApp, path: str, headers: dict[str, str]) -> None:
    refused = asyncio.run(get(app, path, headers=headers))
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/json"


def test_reasons_need_the_key(app: ASGIApp) -> None:
    assert asyncio.run(get(app, "/v1/labeltune/explanations")).status_code == 401


def test_the_server_says_where_its_page_is(directory: Path) -> None:
    server = Server(directory, host="0.0.0.0")
    port = server.url.removesuffix("/v1").rpartition(":")[2]
    url = f"http://127.0.0.1:{port}/"
    try:
        assert httpx2.get(url).status_code == 200
    finally:
        server.end()
    assert f"in a browser: {url}" in server.log.splitlines()
