"""Servers that take other requests: each line of the how-to against one that behaves like that server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from docs.pages import ROOT
from faults.fake_provider import ANSWER, FakeProvider, Fate, completion, refuse
from faults.fault_folder import Folder

PAGE = ROOT / "docs" / "how-to" / "any-url.md"
LINES = dict(re.findall(r"^\| \*\*(.+?)\*\* \| `'(\S+?)'`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
Takes = Callable[[dict[str, Any]], Fate]


def judged(takes: Takes) -> FakeProvider:
    """A server that looks at the request before it answers."""
    server = FakeProvider()
    server.script = lambda _t, _a: takes(server.requests[-1])
    return server


def answer(**message: Any) -> Fate:
    document = completion("alpha")
    document["choices"][0]["message"] |= message
    return Fate(body=json.dumps(document).encode())


# ------------------------------------------------------------------------------------------- one line per server


def thinks_unless_told(request: dict[str, Any]) -> Fate:
    """vLLM and SGLang with a model that thinks: a template's argument turns it off."""
    if "max_completion_tokens" not in request or request.get("top_logprobs", 0) > 20:
        return refuse(400, "", "no such request")
    off = request.get("chat_template_kwargs") == {"enable_thinking": False}
    return ANSWER if off else answer(content=None, reasoning_content="Okay, the user")


def older_limit(request: dict[str, Any]) -> Fate:
    """llama.cpp before it knew the newer name: without `max_tokens` it writes without end."""
    return (
        ANSWER if 0 < request.get("max_tokens", 0) < 100 else Fate(answer="alpha and so on", finish="length")
    )


def ollama(request: dict[str, Any]) -> Fate:
    if request.get("reasoning_effort") != "none":
        return answer(content="", reasoning="Okay, the user")
    return older_limit(request)


def lm_studio(request: dict[str, Any]) -> Fate:
    if "logprobs" in request or "top_logprobs" in request:
        return refuse(400, "", "no log-probabilities here")
    return older_limit(request)


def open_router(request: dict[str, Any]) -> Fate:
    return (
        ANSWER if request.get("provider") == {"require_parameters": True} else refuse(400, "", "which one?")
    )


def lite_llm(request: dict[str, Any]) -> Fate:
    return ANSWER if request.get("drop_params") is True else refuse(400, "", "UnsupportedParamsError: logit")


SERVERS: dict[str, tuple[str, Takes]] = {
    "vLLM": ("localhost:8000/v1", thinks_unless_told),
    "llama.cpp": ("localhost:8080/v1", older_limit),
    "Ollama": ("localhost:11434/v1", ollama),
    "LM Studio": ("localhost:1234/v1", lm_studio),
    "SGLang": ("localhost:30000/v1", thinks_unless_told),
    "OpenRouter": ("openrouter.ai/api/v1", open_router),
    "LiteLLM": ("localhost:4000/v1", lite_llm),
}


def test_calls_15_the_page_has_a_line_for_each() -> None:
    assert set(LINES) == set(SERVERS)


@pytest.mark.parametrize("name", SERVERS)
def test_calls_15_17_18_the_line_of_the_page(
    folder: Folder, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _, declared = LINES[name].partition("#")
    at, takes = SERVERS[name]
    assert address.partition("://")[2] == at
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-x")
    folder.table(6)
    with judged(takes) as server:
        bare = folder.predict(server, "-o", "bare.csv")
        shaped = folder.predict(f"{server.url}#{declared}", "--accept-changes")
        assert shaped.code == 0, shaped.stderr
        assert {row["predicted_intent"] for row in folder.predictions()} == {"alpha"}
    assert bare.code in (2, 3), "the server would have taken the request as it was"


# ------------------------------------------------------------------------------------------ refusals name a way


@pytest.mark.parametrize(
    ("said", "status", "hint", "declared"),
    [
        ("Requested sample logprobs of 10, which is greater than max allowed: 2", 400, "#top_logprobs=2", "top_logprobs=2"),
        ("Input validation error: `top_n_tokens` must be >= 0 and <= 2. Given: 10", 422, "#top_logprobs=2", "top_logprobs=2"),
        ("Invalid value for 'top_logprobs': must be less than or equal to 2.", 400, "#top_logprobs=2", "top_logprobs=2"),
        ("max_completion_tokens: Extra inputs are not permitted", 400, "#rename.max_completion_tokens=max_tokens", "rename.max_completion_tokens=max_tokens"),
        ("Unsupported value: 'temperature' does not support 0 with this model.", 400, "#drop=temperature", "drop=temperature"),
        ("logprobs are not supported", 400, "--no-confidence", "drop=logprobs"),
    ],
)  # fmt: skip
def test_calls_15_and_17_a_refusal_names_what_to_declare(
    folder: Folder, said: str, status: int, hint: str, declared: str
) -> None:
    def takes(request: dict[str, Any]) -> Fate:
        refused = {
            "top_logprobs=2": request.get("top_logprobs", 0) > 2,
            "drop=logprobs": "logprobs" in request,
            "drop=temperature": "temperature" in request,
        }.get(declared, "max_completion_tokens" in request)
        return refuse(status, str(status), said) if refused else ANSWER

    folder.table(12)
    with judged(takes) as server:
        refused = folder.predict(server)
        assert refused.code == 2
        assert hint in refused.stderr
        assert "no log-probabilities" not in refused.stderr or declared == "drop=logprobs"
        assert folder.predict(f"{server.url}#{declared}").code == 0


def test_calls_15_room_for_a_model_that_thinks(folder: Folder) -> None:
    folder.table(6)
    cut = Fate(body=json.dumps(completion("<think>Okay", finish="length")).encode())
    with judged(lambda request: ANSWER if request["max_completion_tokens"] > 500 else cut) as server:
        small = folder.predict(server)
        assert small.code == 3
        assert "#thinking=2000" in small.stderr
        assert folder.predict(f"{server.url}#thinking=500", "--accept-changes").code == 0
        assert folder.predict(f"{server.url}#chat.max_tokens=512", "-o", "b.csv", "--dry-run").code == 0


def test_calls_15_a_dry_run_shows_the_shape_and_the_run_is_another_one(folder: Folder) -> None:
    folder.table(6)
    with FakeProvider() as server:
        shaped = f"{server.url}#chat.max_tokens=512&drop=temperature&chat.stop=%5B%22x%22%5D"
        shown = json.loads(folder.predict(shaped, "--dry-run", "--json").stdout)
        body = shown.get("body") or shown["request"]["body"]
        assert (body["max_tokens"], body["stop"]) == (512, ["x"])
        assert not {"temperature", "max_completion_tokens"} & set(body)
        assert folder.predict(server).code == 0
        other = folder.predict(shaped)
        assert other.code == 9, "answers to another request are not taken for these"
        assert folder.predict(shaped, "--accept-changes").code == 0
        assert server.billed.total() == 12


def test_a_server_of_ones_own_has_no_price(folder: Folder) -> None:
    folder.table(6)
    with FakeProvider(lambda _t, attempt: Fate("half") if attempt == 1 else ANSWER) as server:
        assert folder.predict(server, "--max-cost", "0").code == 6
        done = folder.predict(f"{server.url}#self-hosted=yes", "--max-cost", "0", "--concurrency", "1")
        assert done.code == 0, done.stderr
        assert "6 rows were sent again" in done.stderr
        assert "billed" not in done.stderr
