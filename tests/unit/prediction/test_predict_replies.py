"""What a reply is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.prediction.refusals import all_rejected
from labeltune.prediction.replies import Verdict, choice_of, judge, usage_of

JSON = {"content-type": "application/json"}
GOOD = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def refusal(code: str | None, kind: str = "invalid_request_error") -> bytes:
    return json.dumps({"error": {"message": "no", "type": kind, "code": code}}).encode()


CASES: dict[str, tuple[int, bytes, Verdict, str]] = {
    "an answer": (200, json.dumps(GOOD).encode(), "answer", ""),
    "no choices": (200, b"{}", "bad_response", ""),
    "choices null": (200, b'{"choices": null}', "bad_response", ""),
    "no message": (200, b'{"choices": [{}]}', "bad_response", ""),
    "a number": (200, b"3", "bad_response", ""),
    "broken JSON": (200, json.dumps(GOOD).encode()[:-5], "lost", ""),
    "an empty body": (200, b"", "lost", ""),
    "one row's fault": (400, refusal("context_length_exceeded"), "rejected", "context_length_exceeded"),
    "unprocessable": (422, refusal(None), "rejected", "invalid_request_error"),
    "too large": (413, b"", "rejected", "413"),
    "rate limit": (429, refusal("rate_limit_exceeded"), "limited", "rate_limit_exceeded"),
    "slow down": (503, refusal("slow_down"), "limited", "slow_down"),
    "quota": (429, refusal("insufficient_quota"), "quota", "insufficient_quota"),
    "quota by type": (429, refusal(None, "insufficient_quota"), "quota", "insufficient_quota"),
    "payment required": (402, b"", "quota", "402"),
    "server error": (500, b"oops", "server_error", "500"),
    "overloaded": (503, refusal("server_is_overloaded"), "server_error", "server_is_overloaded"),
    "conflict": (409, b"", "server_error", "409"),
    "request time-out": (408, b"", "server_error", "408"),
    "key": (401, refusal("invalid_api_key"), "access", "invalid_api_key"),
    "permission": (403, b"", "access", "403"),
    "no such model": (404, refusal("model_not_found"), "access", "model_not_found"),
    "redirect": (302, b"", "foreign", "302"),
}


@pytest.mark.parametrize("name", CASES)
def test_verdicts(name: str) -> None:
    status, body, verdict, code = CASES[name]
    reply = judge(status, JSON, body)
    assert (reply.verdict, reply.code) == (verdict, code)


@pytest.mark.parametrize(
    ("kind", "body", "verdict"),
    [
        ("text/html", b"<html>log in</html>", "foreign"),
        ("", b"<html>log in</html>", "foreign"),
        ("", b'{"choi', "lost"),
        ("text/plain", b'{"choi', "foreign"),
        ("application/problem+json", b'{"a"', "lost"),
    ],
)
def test_a_page_is_not_the_api_s(kind: str, body: bytes, verdict: str) -> None:
    headers = {"content-type": kind} if kind else {}
    assert judge(200, headers, body).verdict == verdict


def test_no_key_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    for status in (200, 400, 401, 500):
        said = judge(status, {}, b"Incorrect API key provided: sk-canary-0123456789").said
        assert "sk-canary" not in said


@given(
    st.integers(100, 599),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["error", "choices", "message", "code", "usage"]), inner, max_size=3
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_reply_is_judged(status: int, body: bytes) -> None:
    reply = judge(status, JSON, body)
    assert (reply.verdict == "answer") <= (choice_of(reply.document) is not None)
    assert all(count >= 0 for count in usage_of(reply.document))


@pytest.mark.parametrize(
    ("document", "usage"),
    [(GOOD, (3, 2)), ({}, (0, 0)), (None, (0, 0)), ({"usage": {"prompt_tokens": "3"}}, (0, 0))],
)
def test_usage(document: Any, usage: tuple[int, int]) -> None:
    assert usage_of(document) == usage


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("logprobs are not supported", "--no-confidence"),
        ("response_format: json_schema is unknown", "strict_answers=no"),
        ("temperature must be 1", "#drop=temperature"),
        ("something is wrong", "--dry-run"),
    ],
)
def test_what_to_do_where_every_request_is_rejected(said: str, hint: str) -> None:
    body = json.dumps({"error": {"message": said, "code": "bad"}}).encode()
    error = all_rejected(judge(400, JSON, body))
    assert f"every request is rejected: {said} [bad]" in str(error)
    assert hint in (error.hint or "")
