"""What may stand after a URL: one table, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

import tasks
from labeltune.errors import AccessError, SettingsError
from labeltune.prediction.requests import request_form
from labeltune.providers import resolve_provider

URL = "http://gpu:8000/v1#"


def settings(declared: str) -> dict[str, Any]:
    return request_form(tasks.INTENT, "m", resolve_provider(URL + declared), confidence=True).settings


def test_calls_15_fields_are_dropped_renamed_and_added() -> None:
    plain = settings("")
    assert settings("drop=temperature") == {k: v for k, v in plain.items() if k != "temperature"}
    assert not {"logprobs", "top_logprobs"} & set(settings("drop=logprobs"))
    renamed = settings("rename.max_completion_tokens=max_tokens")
    assert renamed["max_tokens"] == plain["max_completion_tokens"]
    assert "max_completion_tokens" not in renamed
    added = settings(
        "chat.chat_template_kwargs.enable_thinking=false&chat.chat_template_kwargs.n=2&chat.user=a b"
    )
    assert added == {**plain, "chat_template_kwargs": {"enable_thinking": False, "n": 2}, "user": "a b"}
    assert settings("chat.temperature=0.6")["temperature"] == 0.6
    assert settings('chat.user="5"')["user"] == "5"
    assert settings("thinking=2000")["max_completion_tokens"] == plain["max_completion_tokens"] + 2000
    whole = settings("chat.max_tokens=512")
    assert (whole["max_tokens"], "max_completion_tokens" in whole) == (512, False)


def test_calls_17_how_many_alternatives() -> None:
    assert settings("top_logprobs=2")["top_logprobs"] == 2
    assert "top_logprobs" not in settings("top_logprobs=0")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("top_logprobs=five", "expected a whole number"),
        ("top_logprobs=-1", "expected a whole number"),
        ("top_logprobs=٣", "expected a whole number"),
        ("thinking=1e3", "expected a whole number"),
        ("drop=temprature", 'did you mean "temperature"'),
        ("drop=", "expected some of"),
        ("rename.max_completion_token=x", 'did you mean "max_completion_tokens"'),
        ("rename.temperature=messages", "a name that no other field has"),
        ("rename.temperature=a&rename.logprobs=a", "the same name"),
        ("chat.messages=x", "stays as it is"),
        ("chat.stream=true", "stays as it is"),
        ("chat.top_logprobs=5", "said elsewhere"),
        ("chat.a=1&chat.a.b=2", "set twice"),
        ("chat.a.b=2&chat.a=1", "set twice"),
        ("chat.a..b=2", "is empty"),
        ("chat.user=", "has no value"),
        ("chat.max_tokens=9&chat.max_completion_tokens=9", "two names for one limit"),
        ("chat.max_tokens=9&thinking=5", "the whole limit"),
        ("chat_template_kwargs.enable_thinking=false", 'did you mean "chat.chat_template_kwargs'),
        ("max_tokens=512", 'did you mean "chat.max_tokens"'),
        ("thinkin=5", 'did you mean "thinking"'),
        ("self-hosted=maybe", "expected yes or no"),
        ("events=no&events=yes", "stands there twice"),
        ("key=", "expected the name of an environment variable"),
    ],
)
def test_calls_15_what_is_no_difference(declared: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        resolve_provider(URL + declared)
    assert caught.value.exit_code == 2


def test_a_server_of_ones_own_is_free_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    own = resolve_provider(f"{URL}self-hosted=yes")
    assert own.free
    assert own == resolve_provider(f"{URL}self_hosted=yes") or own.self_hosted
    assert own.api_key() == "none"
    with pytest.raises(AccessError):
        resolve_provider(URL).api_key()


def test_a_provider_of_a_name_is_like_no_other() -> None:
    with pytest.raises(SettingsError, match="is a provider itself"):
        resolve_provider("openai#like=nebius")
    assert resolve_provider("openai#top_logprobs=5").top_logprobs == 5
