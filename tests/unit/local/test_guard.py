"""Which names and origins are let through, and what a page's token is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.errors import SettingsError
from labeltune.local.guard import TOKEN_HEADER, Allowed, Guard, new_token

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HERE = "127.0.0.1:8000"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything with 200, and accepts every WebSocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"ok"})


def ask(
    guard: Guard, *headers: tuple[str, str], kind: str = "http", method: str = "GET", path: str = "/"
) -> Any:
    """The first message of the answer."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "ws" if kind == "websocket" else "http",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(guard(scope, receive, send))
    return said[0]


def status(guard: Guard, *headers: tuple[str, str], method: str = "GET", path: str = "/") -> int:
    answered: int = ask(guard, *headers, method=method, path=path)["status"]
    return answered


LOOPBACK = Allowed.at("127.0.0.1")
OPEN = Allowed.at("0.0.0.0", ["GPU-box", "db8::7"])


@pytest.mark.parametrize(
    ("host", "loopback", "open_"),
    [
        ("localhost", True, True),
        ("localhost:1", True, True),
        ("LOCALHOST.:8000", True, True),
        ("127.0.0.1:8000", True, True),
        ("127.8.9.1", True, True),
        ("[::1]:8000", True, True),
        ("192.168.1.5:8000", False, True),
        ("[fe80::1%eth0]:8000", False, True),
        ("0.0.0.0:8000", False, True),
        ("gpu-box:8000", False, True),
        ("gpu-box.", False, True),
        ("[db8::7]", False, True),
        ("gpu-box.example.org", False, False),
        ("localhost.example.org", False, False),
        ("127.0.0.1.nip.io", False, False),
        ("127.0.0.1@example.org", False, False),
        ("example.org", False, False),
        ("example.org#localhost", False, False),
        ("localhost:8000:9000", False, False),
        ("localhost/", False, False),
        ("2130706433", False, False),
        ("0x7f.1", False, False),
        ("löcalhost", False, False),
        ("[::1", False, False),
        ("", False, False),
    ],
)
def test_a_host_is_allowed(host: str, loopback: bool, open_: bool) -> None:
    assert LOOPBACK.host(host) is loopback
    assert OPEN.host(host) is open_


@pytest.mark.parametrize("listening", ["localhost", "127.0.0.1", "::1"])
def test_who_listens_on_loopback_allows_no_other_address(listening: str) -> None:
    assert not Allowed.at(listening).addresses
    assert Allowed.at("gpu-box").addresses


@pytest.mark.parametrize(
    "name", ["http://gpu-box", "gpu-box:8000", "*", "*.example.org", "", "a b", "gpu-box/"]
)
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="--allow-host .*expected a host name or an IP address") as caught:
        Allowed.at("127.0.0.1", [name])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://Labels.Example.org", "https://labels.example.org"),
        ("https://labels.example.org/", "https://labels.example.org"),
        ("https://labels.example.org:443", "https://labels.example.org"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(written: str, origin: str) -> None:
    allowed = Allowed.at("127.0.0.1", origins=[written])
    assert allowed.origins == {origin}
    assert (
        status(Guard(app, allowed), ("Host", HERE), ("Origin", origin), ("Sec-Fetch-Site", "cross-site"))
        == 200
    )
    assert status(Guard(app, allowed), ("Host", HERE), ("Sec-Fetch-Site", "cross-site")) == 403
    # A proxy in front of the server may keep the name that its clients use, and nothing else of that name's.
    authority = origin.partition("://")[2]
    assert allowed.host(authority)
    assert (
        not allowed.host(f"{authority.partition(':3000')[0]}:9999")
        or "localhost" in origin
        or "::1" in origin
    )


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "labels.example.org", "https://", "https://a.example/page", "https://*.example", "://a"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match="--allow-origin .*expected the origin of one page") as caught:
        Allowed.at("127.0.0.1", origins=[origin])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], 403),
        ([("Host", HERE)], 200),
        ([("Host", HERE), ("Host", "example.org")], 403),
        ([("Host", HERE), ("Origin", f"http://{HERE}")], 200),
        ([("Host", "localhost"), ("Origin", "http://localhost")], 200),
        ([("Host", "localhost:80"), ("Origin", "http://localhost")], 200),
        ([("Host", HERE), ("Origin", f"http://{HERE}"), ("Origin", "http://example.org")], 403),
        ([("Host", HERE), ("Origin", f"https://{HERE}")], 403),
        ([("Host", HERE), ("Origin", "http://127.0.0.1:3000")], 403),
        ([("Host", HERE), ("Origin", "http://localhost:8000")], 403),
        ([("Host", HERE), ("Origin", "http://example.org")], 403),
        ([("Host", HERE), ("Origin", "null")], 403),
        ([("Host", HERE), ("Origin", "")], 403),
        ([("Host", HERE), ("Sec-Fetch-Site", "none")], 200),
        ([("Host", HERE), ("Sec-Fetch-Site", "same-origin")], 200),
        ([("Host", HERE), ("Sec-Fetch-Site", "same-site")], 403),
        ([("Host", HERE), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Host", HERE), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Host", HERE), ("Sec-Fetch-Site", "something-new")], 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST"])
def test_headers_that_a_browser_writes(headers: list[tuple[str, str]], expected: int, method: str) -> None:
    assert status(Guard(app, LOOPBACK), *headers, method=method) == expected


@pytest.mark.parametrize(
    ("headers", "expected", "at_forms"),
    [
        ([], 200, 200),
        ([("Content-Length", "0")], 200, 200),
        ([("Content-Length", "2")], 415, 415),
        ([("Transfer-Encoding", "chunked")], 415, 415),
        ([("Content-Length", "2"), ("Content-Type", "application/json")], 200, 200),
        ([("Content-Length", "2"), ("Content-Type", "Application/JSON ; charset=utf-8")], 200, 200),
        ([("Content-Length", "2"), ("Content-Type", "multipart/form-data; boundary=x")], 415, 200),
        ([("Content-Length", "2"), ("Content-Type", "text/plain")], 415, 415),
        ([("Content-Length", "2"), ("Content-Type", "text/plain; application/json")], 415, 415),
        ([("Content-Length", "2"), ("Content-Type", "text/plain, application/json")], 415, 415),
        ([("Content-Length", "2"), ("Content-Type", "application/x-www-form-urlencoded")], 415, 415),
        ([("Content-Length", "2"), ("Content-Type", "")], 415, 415),
        ([("Content-Type", "text/plain")], 415, 415),
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], 415, 415),
    ],
)
def test_bodies(headers: list[tuple[str, str]], expected: int, at_forms: int) -> None:
    guard = Guard(app, LOOPBACK, forms="/files")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert status(guard, ("Host", HERE), *headers, method=method, path="/jobs") == expected
        assert status(guard, ("Host", HERE), *headers, method=method, path="/files") == at_forms
        assert status(guard, ("Host", HERE), *headers, method=method, path="/files/x") == expected
    assert status(guard, ("Host", HERE), *headers, path="/jobs") == 200


def test_a_page_hands_back_its_token_with_what_it_changes() -> None:
    token = new_token()
    assert len(token) >= 32
    assert token != new_token()
    guard = Guard(app, LOOPBACK, token=token, page="/page/.*")
    for method in ("POST", "DELETE"):
        for given, expected in (
            ([], 403),
            ([(TOKEN_HEADER, "")], 403),
            ([(TOKEN_HEADER, "\xe9")], 403),
            ([(TOKEN_HEADER, new_token())], 403),
            ([(TOKEN_HEADER, token), (TOKEN_HEADER, token)], 403),
            ([(TOKEN_HEADER, token)], 200),
            ([(TOKEN_HEADER, token), ("Origin", "http://example.org")], 403),
        ):
            assert status(guard, ("Host", HERE), *given, method=method, path="/page/row") == expected, given
        # What is no page's is for every client.
        assert status(guard, ("Host", HERE), method=method, path="/v1/files") == 200
    assert status(guard, ("Host", HERE), path="/page/row") == 200
    assert status(Guard(app, LOOPBACK, token=token), ("Host", HERE), method="POST", path="/any") == 403


def test_a_websocket_of_a_foreign_page_is_closed() -> None:
    guard = Guard(app, LOOPBACK)
    assert ask(guard, ("Host", HERE), ("Origin", f"http://{HERE}"), kind="websocket") == {
        "type": "websocket.accept"
    }
    for headers in (
        [("Host", HERE), ("Origin", "http://example.org")],
        [("Host", "example.org:8000"), ("Origin", "http://example.org:8000")],
    ):
        assert ask(guard, *headers, kind="websocket") == {"type": "websocket.close", "code": 1008}


def test_replies_are_neither_sniffed_nor_framed_nor_embedded() -> None:
    headers = dict(ask(Guard(app, LOOPBACK), ("Host", HERE))["headers"])
    assert headers == {
        b"content-type": b"text/html",
        b"x-content-type-options": b"nosniff",
        b"x-frame-options": b"DENY",
        b"cross-origin-resource-policy": b"same-origin",
    }


def test_a_refusal_is_logged_without_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert status(Guard(app, LOOPBACK), ("Host", "evil\x1b[31m\n" + "x" * 500)) == 403
    [record] = caplog.records
    assert record.getMessage().startswith("GET / 403 host_not_allowed req_")
