from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from labeltune.errors import (
    AccessError,
    BudgetError,
    DataError,
    DiskError,
    ExitCode,
    LabeltuneError,
    RemoteError,
    SettingsError,
    TemporaryError,
)
from labeltune.providers import (
    DEFAULT_PROVIDER,
    PROFILES,
    Patience,
    api_errors,
    connect,
    persist,
    redact,
    resolve_provider,
    run,
    translate,
)
from labeltune.providers.environment import proxy_of
from waiting import HANG_S

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "sk-canary-0123456789abcdef"

# ----------------------------------------------------------------------------------------- names and addresses


def test_every_profile_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    found = {name: resolve_provider(name) for name in PROFILES}
    assert {name: provider.base_url for name, provider in found.items()} == {
        "openai": "https://api.openai.com/v1",
        "azure": "https://mine.openai.azure.com/openai/v1",
        "nebius": "https://api.tokenfactory.nebius.com/v1",
        "local": "http://local/v1",
    }
    assert [name for name, provider in found.items() if provider.local] == ["local"]
    assert len({provider.identity for provider in found.values()}) == 4


@pytest.mark.parametrize(
    ("url", "name", "base_url", "key"),
    [
        ("https://api.example.com/v1/", "url", "https://api.example.com/v1", "OPENAI_API_KEY"),
        (
            "https://x.openai.azure.com",
            "azure",
            "https://x.openai.azure.com/openai/v1",
            "AZURE_OPENAI_API_KEY",
        ),
        (
            "https://x.openai.azure.com/openai/v1/",
            "azure",
            "https://x.openai.azure.com/openai/v1",
            "AZURE_OPENAI_API_KEY",
        ),
        (
            "https://api.tokenfactory.nebius.com/v1/",
            "nebius",
            "https://api.tokenfactory.nebius.com/v1",
            "NEBIUS_API_KEY",
        ),
        ("http://proxy:4000/v1#like=nebius", "nebius", "http://proxy:4000/v1", "OPENAI_API_KEY"),
        ("http://proxy:4000/v1#key=MY_KEY", "url", "http://proxy:4000/v1", "MY_KEY"),
    ],
)
def test_a_url_finds_its_profile(url: str, name: str, base_url: str, key: str) -> None:
    provider = resolve_provider(url)
    assert (provider.name, provider.base_url, provider.key_variable) == (name, base_url, key)


def test_differences_are_declared_after_the_url() -> None:
    declared = "events=no&hyperparameters=top_level&learning_rate=absolute&body.custom_llm_provider=openai"
    provider = resolve_provider(f"http://127.0.0.1:4000/v1#{declared}")
    assert provider.base_url == "http://127.0.0.1:4000/v1"
    assert not provider.events
    assert provider.checkpoints
    assert (provider.hyperparameters, provider.learning_rate) == ("top_level", "absolute")
    assert provider.extra_body == {"custom_llm_provider": "openai"}
    assert provider.flag == f" --provider 'http://127.0.0.1:4000/v1#{declared}'"
    assert resolve_provider(DEFAULT_PROVIDER).flag == ""
    assert resolve_provider(
        "azure#body.trainingType=x" if "AZURE_OPENAI_ENDPOINT" in os.environ else "local"
    ).flag


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("opnai", 'did you mean "openai"'),
        ("", "is no provider"),
        ("ftp://host/v1", "is no URL"),
        ("https://", "is no URL"),
        ("http://host:99999/v1", "is no URL"),
        ("azure", "AZURE_OPENAI_ENDPOINT is not set"),
        ("https://host/v1#evnts=no", 'did you mean "events"'),
        ("https://host/v1#events=maybe", "expected yes or no"),
        ("https://host/v1#hyperparameters=under", "expected method or top_level"),
        ("https://host/v1#like=opnai", 'did you mean "openai"'),
    ],
)
def test_what_is_no_provider(given: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        resolve_provider(given)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_provider(f"https://user:{CANARY}@host/v1")
    assert CANARY not in str(caught.value)


def test_the_default_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://eu.api.openai.com/v1/")
    assert resolve_provider("openai").base_url == "https://eu.api.openai.com/v1"


# -------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("name", "variable"),
    [("openai", "OPENAI_API_KEY"), ("nebius", "NEBIUS_API_KEY"), ("https://host/v1", "OPENAI_API_KEY")],
)
def test_without_a_key_both_ways_on_are_said(name: str, variable: str) -> None:
    with pytest.raises(AccessError, match=f"{variable} is not set") as caught:
        resolve_provider(name).api_key()
    assert f"set {variable}" in (caught.value.hint or "")
    assert "--provider local" in (caught.value.hint or "")


def test_where_no_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_provider("local").api_key() == "local"
    for host in ("127.0.0.1:8000", "localhost", "[::1]:80"):
        assert resolve_provider(f"http://{host}/v1").api_key() == "none"
    monkeypatch.setenv("OPENAI_API_KEY", f" {CANARY}\n")
    assert resolve_provider("http://127.0.0.1:8000/v1").api_key() == CANARY
    assert resolve_provider("openai").api_key() == CANARY


@pytest.mark.parametrize("key", ["sk-\u2026", "sk-a b", "sk-a\nb"])
def test_a_key_that_cannot_be_one_is_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(AccessError, match="OPENAI_API_KEY holds characters") as caught:
        resolve_provider("openai").api_key()
    assert key not in str(caught.value)


def test_redact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEBIUS_API_KEY", CANARY)
    monkeypatch.setenv("OTHER_API_KEY", "short")
    assert redact(f"a {CANARY} b short") == "a [NEBIUS_API_KEY] b short"


# ------------------------------------------------------------------------------------------------ the error map


def refused(status: int, body: object, headers: dict[str, str] | None = None) -> Exception:
    """The SDK's own error for such an answer."""
    import httpx2
    import openai

    def answer(_: httpx2.Request) -> httpx2.Response:
        if isinstance(body, str):
            return httpx2.Response(status, text=body, headers=headers)
        return httpx2.Response(status, json=body, headers=headers)

    async def ask() -> None:
        http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        async with openai.AsyncOpenAI(
            api_key="x", base_url="https://host/v1", http_client=http_client, max_retries=0
        ) as client:
            await client.models.list()

    with pytest.raises(openai.OpenAIError) as caught:
        asyncio.run(ask())
    return caught.value


def body(code: str | None = None, message: str = "said so", **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": "t", "param": None, "code": code, **more}}


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, body("unknown_parameter"), SettingsError),
        (400, body("invalid_file_format", param="training_file"), DataError),
        (400, body("invalid_n_examples"), DataError),
        (400, body(None, param="training_file"), DataError),
        (400, body("file_not_found", param="training_file"), RemoteError),
        (400, body("model_not_available", param="model"), AccessError),
        (401, body("invalid_api_key"), AccessError),
        (402, body("billing"), BudgetError),
        (403, body("unsupported_country"), AccessError),
        (403, body("training_not_available"), AccessError),
        (404, body("model_not_found"), AccessError),
        (404, body("fine_tune_not_found"), RemoteError),
        (404, body(None, param="id"), RemoteError),
        (404, "<html>Not Found</html>", AccessError),
        (405, body(None), AccessError),
        (408, body(), TemporaryError),
        (409, body(), TemporaryError),
        (413, "too large", DataError),
        (422, body(), SettingsError),
        (425, "", TemporaryError),
        (429, body("rate_limit_exceeded"), TemporaryError),
        (429, body("slow_down"), TemporaryError),
        (429, body("insufficient_quota"), BudgetError),
        (429, body(None, type="insufficient_quota"), BudgetError),
        (429, body("credit_balance_exhausted"), BudgetError),
        (429, body("organization_spend_limit_exceeded"), BudgetError),
        (429, body("project_spend_limit_exceeded"), BudgetError),
        (500, body(), TemporaryError),
        (501, body(), AccessError),
        (502, "<html>Bad gateway", TemporaryError),
        (503, body("server_is_overloaded"), TemporaryError),
        (507, body("disk_error"), TemporaryError),
    ],
)
def test_statuses(status: int, content: object, kind: type[LabeltuneError]) -> None:
    error = translate(refused(status, content), resolve_provider("https://host/v1"))
    assert type(error) is kind
    assert str(error).startswith("host: ")
    assert (content[:10] if isinstance(content, str) else "said so") in str(error)


def test_the_calendar_and_the_way_on() -> None:
    error = translate(refused(403, body("training_not_available")), resolve_provider("openai"))
    assert error.exit_code == ExitCode.ACCESS
    for date in ("2026-05-07", "2026-07-02", "2027-01-06"):
        assert date in str(error)
    assert "--provider local --model linear" in (error.hint or "")


def test_a_full_disk_of_the_local_provider_is_ours() -> None:
    assert type(translate(refused(507, body()), resolve_provider("local"))) is DiskError


def test_no_message_shows_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for status, content in [(401, body(message=f"wrong: {CANARY}")), (502, f"<html>{CANARY}"), (400, CANARY)]:
        error = translate(refused(status, content), resolve_provider("openai"))
        assert CANARY not in f"{error} {error.hint}"


def test_our_own_errors_and_bugs_pass_through() -> None:
    provider = resolve_provider("local")
    ours = DataError("x")
    assert translate(ours, provider) is ours
    with pytest.raises(AttributeError), api_errors(provider):
        raise AttributeError


# ------------------------------------------------------------------------------------------------- being there


def test_connect_to_the_local_provider() -> None:
    async def models() -> list[str]:
        async with connect(resolve_provider("local")) as client:
            assert client.max_retries == 0
            return [model.id async for model in client.models.list()]

    assert "linear" in run(models())


def test_no_key_no_connection() -> None:
    async def nothing() -> None:
        async with connect(resolve_provider("openai")):
            pass

    with pytest.raises(AccessError):
        run(nothing())


def test_help_imports_neither_sdk_nor_event_loop() -> None:
    code = (
        "import sys; from labeltune.providers.profiles import DEFAULT_PROVIDER; "
        "print([name for name in ('openai', 'httpx2', 'asyncio', 'ssl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ----------------------------------------------------------------------------------------------------- running


def test_run_returns_and_raises() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def fail() -> None:
        raise ZeroDivisionError

    async def inside() -> int:
        return run(double(4))

    assert run(double(3)) == 6
    assert asyncio.run(inside()) == 8
    with pytest.raises(ZeroDivisionError):
        run(fail())


SIGNALLED = """
import asyncio, os, signal, sys
from labeltune.providers import run

class Stopped(BaseException): ...

def stop(signum, frame):
    raise Stopped(signum)

signal.signal(signal.SIGTERM, stop)

async def work():
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), getattr(signal, sys.argv[1]))
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.05)
        print("finished what was begun")

try:
    NOTEBOOK
except KeyboardInterrupt:
    print("KeyboardInterrupt")
except Stopped as stopped:
    print("Stopped", stopped.args[0] == signal.SIGTERM, signal.getsignal(signal.SIGTERM) is stop)
"""


@pytest.mark.parametrize(
    ("name", "said", "notebook"),
    [
        ("SIGINT", "KeyboardInterrupt", False),
        ("SIGTERM", "Stopped True True", False),
        ("SIGINT", "KeyboardInterrupt", True),
    ],
)
def test_a_signal_ends_the_coroutine_first(name: str, said: str, notebook: bool) -> None:
    call = "run(work())"
    if notebook:
        call = "async def cell(): run(work())\n    asyncio.run(cell())"
    code = SIGNALLED.replace("NOTEBOOK", call)
    if notebook:
        # The signal goes to the main thread, which waits for the coroutine's.
        code = code.replace(
            "asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), ", "kill_later("
        )
        code = code.replace(
            "async def work", "import threading\ndef kill_later(number):\n"
            "    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()\n\nasync def work", 1
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.stdout.splitlines() == ["finished what was begun", said], done.stderr


def test_run_outside_the_main_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    results: list[int] = []

    async def one() -> int:
        return 1

    thread = threading.Thread(target=lambda: results.append(run(one())))
    thread.start()
    thread.join()
    assert results == [1]
    assert signal.getsignal(signal.SIGTERM) is before


# ------------------------------------------------------------------------------------------------------ asking


def test_persist_asks_again_with_growing_pauses() -> None:
    provider = resolve_provider("https://host/v1")
    busy = refused(503, body())
    waits: list[float] = []
    lost: list[LabeltuneError] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def call() -> str:
        if len(waits) < 5:
            raise busy
        return "done"

    patience = Patience(first=1, most=4, total=60)
    answer = run(persist(call, provider, patience=patience, sleep=sleep, on_failure=lost.append))
    assert answer == "done"
    assert waits == [1, 2, 4, 4, 4]
    assert len(lost) == 5


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refused(503, body()), [1, 2, 2]),
        (refused(429, body(), {"retry-after": "3"}), [3]),
        (refused(429, body(), {"retry-after-ms": "1500"}), [1.5, 2.0, 1.5]),
        (refused(429, body(), {"retry-after": "300"}), []),
        (refused(429, body(), {"retry-after": "soon"}), [1, 2, 2]),
        (refused(401, body()), []),
        (refused(429, body("insufficient_quota")), []),
    ],
    ids=["503", "after 3 s", "after 1500 ms", "after 300 s", "nonsense", "401", "quota"],
)
def test_persist_gives_up(error: Exception, expected: list[float]) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def call() -> None:
        raise error

    with pytest.raises(LabeltuneError):
        run(
            persist(call, resolve_provider("local"), patience=Patience(first=1, most=2, total=5), sleep=sleep)
        )
    assert waits == expected


def test_a_page_of_a_proxy_is_no_answer(tmp_path: Path) -> None:
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, PlainTextResponse
    from starlette.routing import Route

    from faults.fake_jobs import serving

    async def page(_: object) -> HTMLResponse:
        return HTMLResponse("<html>\n  log in")

    async def text(_: object) -> PlainTextResponse:
        return PlainTextResponse('{"id": "x"}')

    app = Starlette(
        routes=[Route("/v1/models", page), Route("/v1/models/x", text), Route("/v1/files/f/content", text)]
    )

    async def ask(url: str, call: str) -> object:
        provider = resolve_provider(url)
        async with connect(provider) as client:
            with api_errors(provider):
                if call == "list":
                    return await client.models.list()
                if call == "retrieve":
                    return await client.models.retrieve("x")
                return (await client.files.content("f")).read()

    with serving(app) as port:
        url = f"http://127.0.0.1:{port}/v1"
        with pytest.raises(TemporaryError, match="not from the API: <html> log in"):
            run(ask(url, "list"))
        # JSON under another name is still JSON.
        assert getattr(run(ask(url, "retrieve")), "id", None) == "x"
        assert run(ask(url, "content")) == b'{"id": "x"}'
    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128"}, "http://proxy.test:3128"),
        ({"HTTP_PROXY": "http://proxy.test:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": "api.test"}, None),
    ],
    ids=["none", "for this scheme", "for another scheme", "not for this host"],
)
def test_predictions_take_the_proxy_of_the_environment(
    environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of("https://api.test/v1/chat/completions") == proxy
