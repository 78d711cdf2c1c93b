"""Refusals in the shapes in which servers send them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.providers.hidden_errors import hidden_error
from labeltune.providers.refusals import refusal_in

FIELD = {
    "type": "extra_forbidden",
    "loc": ["body", "max_completion_tokens"],
    "msg": "Extra inputs are not permitted",
}
SAID = "max_completion_tokens: Extra inputs are not permitted"

SHAPES: dict[str, tuple[Any, str]] = {
    "the protocol": ({"error": {"message": "no", "code": "x", "type": "t", "param": "p"}}, "no"),
    "a text": ({"error": "no"}, "no"),
    "a list of errors": ({"error": [{"message": "no"}]}, "no"),
    "errors in a list": ([{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}], "no"),
    "the message alone": ({"object": "error", "message": "no", "type": "BadRequestError"}, "no"),
    "a detail": ({"detail": "no"}, "no"),
    "fields": ({"detail": [FIELD]}, SAID),
    "fields in a message": ({"object": "error", "message": {"detail": [FIELD]}, "code": None}, SAID),
    "fields in a text": ({"object": "error", "message": json.dumps({"detail": [FIELD]})}, SAID),
    "msg": ({"code": 401, "msg": "no", "success": False}, "no"),
    "the words of the provider behind": (
        {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"error": "no"})}}},
        "Provider returned error; no",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_refusal_says(name: str) -> None:
    document, said = SHAPES[name]
    assert refusal_in(document)["message"] == said


def test_names_beside_the_words() -> None:
    document, _ = SHAPES["the protocol"]
    assert refusal_in(document) == {"message": "no", "code": "x", "type": "t", "param": "p"}
    assert refusal_in(SHAPES["fields in a message"][0])["param"] == "max_completion_tokens"


@pytest.mark.parametrize(
    "document", [{}, {"error": {}}, {"error": {"message": None}}, [], None, 3, {"detail": []}]
)
def test_nothing_is_said(document: Any) -> None:
    assert "message" not in refusal_in(document)


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.just('{"error": {"message": "x"}}'),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "detail", "message", "loc", "msg", "code"]), inner, max_size=4
            )
        ),
    )
)
def test_any_document_is_read(document: Any) -> None:
    assert isinstance(refusal_in(document).get("message", ""), str)


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"code": 401, "msg": "token expired", "success": False}, 401),
        ({"detail": "Invalid token"}, None),
        ({"id": "x", "choices": None, "base_resp": {"status_code": 1008, "status_msg": "no balance"}}, None),
    ],
)
def test_a_success_that_holds_words_alone_is_an_error(document: Any, status: int | None) -> None:
    found = hidden_error(document)
    assert found is not None
    assert found[0] == status


@pytest.mark.parametrize(
    "document",
    [
        {"code": 0, "message": "success", "data": {"id": "x"}},
        {"message": {"content": "alpha"}, "done": True},
        {"id": "file-1", "object": "file", "deleted": True},
        {"object": "list", "data": []},
    ],
)
def test_a_success_that_brings_something_is_none(document: Any) -> None:
    assert hidden_error(document) is None
