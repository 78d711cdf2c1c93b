"""Row 103 in a real browser: what a page of another origin sends to the local provider, and a page of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import openai
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from browser.chromium import NEEDS_IT, started
from faults.fake_jobs import serving
from labeltune.local import create_app
from labeltune.local.guard import TOKEN_HEADER, Allowed, Guard, new_token
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

pytestmark = NEEDS_IT

REBOUND = "rebound.example"
"""A foreign name that leads the browser to this machine."""


@dataclass
class Noting:
    """An app, and what was asked of it and how it answered."""

    app: ASGIApp
    answers: list[tuple[str, str, int]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await self.app(scope, receive, noting)


@dataclass
class Provider:
    """A local provider on a port, with one file."""

    port: int
    seen: Noting
    client: openai.OpenAI
    file_id: str

    def state(self) -> list[list[str]]:
        jobs = self.client.fine_tuning.jobs
        return [[each.id for each in listed] for listed in (self.client.files.list(), jobs.list())]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    home = tmp_path_factory.mktemp("door") / "home"
    seen = Noting(create_app(home, allowed=Allowed.at("127.0.0.1")))
    with serving(seen) as port, openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x") as client:
        file = client.files.create(file=("a", b"hello"), purpose="user_data")
        yield Provider(port, seen, client, file.id)
    stop_worker(home)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of a page of another origin."""

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>a page</title><body></body>")

    with serving(Starlette(routes=[Route("/", page)])) as port:
        yield port


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    # Chromium may ask the user before a page reaches this machine; other browsers do not, so neither does this one.
    flags = (f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1", "--disable-features=LocalNetworkAccessChecks")
    with started(tmp_path_factory.mktemp("browser"), *flags) as driver:
        driver.set_script_timeout(20)
        yield driver


SENT = {
    "form": """
        const form = document.createElement('form');
        Object.assign(form, {method: 'POST', action: url + '/files', enctype: 'multipart/form-data'});
        form.innerHTML = '<input name=purpose value=user_data><input type=file name=file>';
        const data = new DataTransfer(); data.items.add(new File(['evil'], 'evil.jsonl'));
        form.elements[1].files = data.files;
        const frame = document.createElement('iframe'); frame.name = form.target = 'target';
        document.body.append(frame, form); frame.onload = () => done('sent'); form.submit();
    """,
    "plain form": """
        const form = document.createElement('form');
        Object.assign(form, {method: 'POST', action: url + '/fine_tuning/jobs', enctype: 'text/plain'});
        const input = document.createElement('input');
        input.name = '{"model": "linear", "training_file": "' + file + '", "suffix": "'; input.value = '"}';
        form.append(input);
        const frame = document.createElement('iframe'); frame.name = form.target = 'target';
        document.body.append(frame, form); frame.onload = () => done('sent'); form.submit();
    """,
    "text": """
        fetch(url + '/fine_tuning/jobs', {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'},
            body: JSON.stringify({model: 'linear', training_file: file})}).then(x => done(x.type), e => done('' + e));
    """,
    "untyped": """
        fetch(url + '/fine_tuning/jobs', {method: 'POST', mode: 'no-cors',
            body: new Blob([JSON.stringify({model: 'linear', training_file: file})])})
            .then(x => done(x.type), e => done('' + e));
    """,
    "upload": """
        const form = new FormData(); form.append('purpose', 'user_data'); form.append('file', new File(['x'], 'x'));
        fetch(url + '/files', {method: 'POST', mode: 'no-cors', body: form, referrerPolicy: 'no-referrer'})
            .then(x => done(x.type), e => done('' + e));
    """,
    "image": "const i = new Image(); i.onload = i.onerror = e => done(e.type); i.src = url + '/files';",
    "script": """
        const s = document.createElement('script'); s.onload = s.onerror = e => done(e.type);
        s.src = url + '/files/' + file + '/content'; document.body.append(s);
    """,
    "read": "fetch(url + '/files').then(x => x.text()).then(done, e => done('' + e));",
    "delete": "fetch(url + '/files/' + file, {method: 'DELETE'}).then(x => done('sent'), e => done('' + e));",
    "json": """
        fetch(url + '/fine_tuning/jobs', {method: 'POST', headers: {'Content-Type': 'application/json'},
            body: '{}'}).then(x => done('sent'), e => done('' + e));
    """,
}
READ_NOTHING = {"sent", "opaque", "error", "TypeError: Failed to fetch"}


def run(browser: Any, script: str, provider: Provider, host: str = "127.0.0.1") -> str:
    """Run a script in the page; returns what it hands to `done`."""
    found: str = browser.execute_async_script(
        f"const [url, file, done] = arguments; {script}",
        f"http://{host}:{provider.port}/v1",
        provider.file_id,
    )
    return found


@pytest.mark.parametrize("page", ["127.0.0.1", "localhost", REBOUND])
@pytest.mark.parametrize("script", SENT.values(), ids=SENT)
def test_row_103_a_page_of_another_origin_reads_and_changes_nothing(
    browser: Any, provider: Provider, elsewhere: int, page: str, script: str
) -> None:
    before = provider.state()
    browser.get(f"http://{page}:{elsewhere}/")
    provider.seen.answers.clear()
    assert run(browser, script, provider) in READ_NOTHING
    asked = [*provider.seen.answers]
    assert [status for _, _, status in asked] == [403] * len(asked) != [], asked
    assert provider.state() == before


@pytest.mark.parametrize("script", SENT.values(), ids=SENT)
def test_row_103_a_name_rebound_to_this_machine_reads_and_changes_nothing(
    browser: Any, provider: Provider, script: str
) -> None:
    """The page's own origin, as the browser sees it: it may send and read everything that it is answered."""
    before = provider.state()
    browser.get(f"http://{REBOUND}:{provider.port}/")
    provider.seen.answers.clear()
    told = run(browser, script, provider, REBOUND)
    assert provider.file_id not in told.replace(f"files/{provider.file_id}", "")
    asked = [*provider.seen.answers]
    assert [status for _, _, status in asked] == [403] * len(asked) != [], asked
    assert provider.state() == before


def test_row_103_a_page_of_its_own_origin_goes_on(browser: Any, provider: Provider) -> None:
    browser.get(f"http://127.0.0.1:{provider.port}/health")
    assert provider.file_id in run(browser, SENT["read"], provider)
    provider.seen.answers.clear()
    assert run(browser, SENT["json"], provider) == "sent"
    upload = SENT["upload"].replace("mode: 'no-cors', ", "").replace(", referrerPolicy: 'no-referrer'", "")
    assert run(browser, upload, provider) == "basic"
    assert provider.seen.answers == [("POST", "/v1/fine_tuning/jobs", 400), ("POST", "/v1/files", 200)]
    new = provider.state()[0][0]
    assert new != provider.file_id
    assert run(browser, SENT["delete"].replace("file,", f"'{new}',"), provider) == "sent"
    assert provider.state()[0] == [provider.file_id]


def test_row_103_a_page_that_is_allowed_goes_on(browser: Any, tmp_path: Path, elsewhere: int) -> None:
    allowed = Allowed.at("127.0.0.1", origins=[f"http://{REBOUND}:{elsewhere}"])
    with serving(create_app(tmp_path / "home", allowed=allowed, api_key="sk-1")) as port:
        asked = """
            fetch(url, {headers: {Authorization: 'Bearer ' + key, 'X-Stainless-Lang': 'js'}})
              .then(x => x.json()).then(x => done(x.object || x.error.code), e => done('' + e));
        """
        for page, key, expected in (
            (REBOUND, "sk-1", "list"),
            (REBOUND, "sk-2", "invalid_api_key"),
            ("127.0.0.1", "sk-1", "TypeError: Failed to fetch"),
        ):
            browser.get(f"http://{page}:{elsewhere}/")
            script = f"const [url, key, done] = arguments; {asked}"
            assert browser.execute_async_script(script, f"http://127.0.0.1:{port}/v1/files", key) == expected
    stop_worker(tmp_path / "home")


def test_row_103_a_page_of_ours_hands_back_its_token(browser: Any, elsewhere: int) -> None:
    """The code that served pages use: the token is in the page, and in each request that changes something."""
    token, changed = new_token(), []

    async def page(_: Request) -> HTMLResponse:
        return HTMLResponse(f'<!doctype html><title>ours</title><meta name="token" content="{token}">')

    async def change(request: Request) -> JSONResponse:
        changed.append(await request.json())
        return JSONResponse({})

    app = Starlette(routes=[Route("/", page), Route("/rows", change, methods=["POST"])])
    send = """
        const [url, withToken, done] = arguments;
        const headers = {'Content-Type': 'application/json'};
        if (withToken) headers['%s'] = document.querySelector('meta[name=token]').content;
        fetch(url, {method: 'POST', headers, body: '{"label": "a"}'}).then(x => done(x.status), e => done('' + e));
    """
    with serving(Guard(app, Allowed.at("127.0.0.1"), token=token)) as port:
        url = f"http://127.0.0.1:{port}/rows"
        browser.get(f"http://127.0.0.1:{port}/")
        assert browser.execute_async_script(send % TOKEN_HEADER, url, False) == 403
        assert browser.execute_async_script(send % TOKEN_HEADER, url, True) == 200
        browser.get(f"http://127.0.0.1:{elsewhere}/")
        framed = """
            const [url, done] = arguments, frame = document.createElement('iframe'); frame.src = url;
            // There is no document of ours in the frame, where a page of the same site would see one.
            frame.onload = () => { try { done(frame.contentDocument.title) } catch (e) { done(e.name) } };
            document.body.append(frame);
        """
        assert browser.execute_async_script(framed, f"http://127.0.0.1:{port}/") == "TypeError"
        foreign = browser.execute_async_script(send % TOKEN_HEADER, url, False)
        assert foreign == "TypeError: Failed to fetch"
    assert changed == [{"label": "a"}]
