"""What is asked for a row: the same bytes for the same row, held to the label set, no longer than need be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

import tasks
from labeltune.prediction.requests import RequestForm, request_form
from labeltune.providers import PROFILES, Provider
from labeltune.task import Task
from labeltune.task.answers import longest_answer
from labeltune.task.chat import Message

MESSAGES: list[Message] = [{"role": "user", "content": "hello"}]
OPENAI = PROFILES["openai"]


def form(task: Task, provider: Provider = OPENAI, *, confidence: bool = True) -> dict[str, Any]:
    return request_form(task, "m", provider, confidence=confidence).body(MESSAGES)


@pytest.mark.parametrize("task", tasks.ALL_TASKS, ids=lambda task: task.answer.format)
def test_every_request(task: Task) -> None:
    body = form(task)
    assert body["messages"] == MESSAGES
    assert body["temperature"] == 0
    assert body["logprobs"] is True
    room = body["max_completion_tokens"]
    assert len(longest_answer(task).encode()) < room <= len(longest_answer(task).encode()) + 16


@pytest.mark.parametrize(
    ("task", "alternatives"), [(tasks.TOXIC, None), (tasks.INTENT, 3), (tasks.INQUIRY, 4), (tasks.EMOTION, 5)]
)
def test_alternatives_only_where_they_tell_labels_apart(task: Task, alternatives: int | None) -> None:
    assert form(task).get("top_logprobs") == alternatives
    few = replace(OPENAI, top_logprobs=2)
    assert form(task, few).get("top_logprobs") == (None if alternatives is None else 2)


def test_a_provider_without_alternatives_is_not_asked_for_them() -> None:
    body = form(tasks.INTENT, replace(OPENAI, top_logprobs=0))
    assert body["logprobs"] is True
    assert "top_logprobs" not in body


def test_without_confidence_no_log_probabilities() -> None:
    body = form(tasks.INTENT, confidence=False)
    assert "logprobs" not in body
    assert "top_logprobs" not in body


def schema_of(body: dict[str, Any]) -> dict[str, Any]:
    assert body["response_format"]["type"] == "json_schema"
    described = body["response_format"]["json_schema"]
    assert described["strict"] is True
    schema: dict[str, Any] = described["schema"]
    return schema


def test_json_answers_are_held_to_the_labels() -> None:
    schema = schema_of(form(tasks.INQUIRY))
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["category", "sub_category"]
    assert schema["properties"]["category"] == {"type": "string", "enum": ["Order Management", "Billing"]}
    assert schema["properties"]["sub_category"]["enum"] == ["Cancellation", "Tracking", "Refund", "Invoice"]


def test_and_to_the_pairs_where_the_provider_can() -> None:
    schema = schema_of(form(tasks.INQUIRY, replace(OPENAI, schema_pairs=True)))
    pairs = {
        (upper, lower)
        for one in schema["anyOf"]
        for upper in one["properties"]["category"]["enum"]
        for lower in one["properties"]["sub_category"]["enum"]
    }
    child = tasks.INQUIRY.fields[1]
    assert pairs == {(upper, lower) for upper, lowers in child.children.items() for lower in lowers}


def test_flags_are_booleans() -> None:
    schema = schema_of(form(tasks.EMOTION))
    assert schema["properties"] == {label: {"type": "boolean"} for label in ("joy", "anger", "neutral")}


@pytest.mark.parametrize("task", [tasks.TOXIC, tasks.INTENT])
def test_answers_that_are_no_json_have_no_schema(task: Task) -> None:
    assert "response_format" not in form(task)


def test_a_provider_without_strict_answers_gets_no_schema() -> None:
    assert "response_format" not in form(tasks.INQUIRY, replace(OPENAI, strict_answers=False))


def test_a_request_is_known_by_its_messages() -> None:
    one = request_form(tasks.INTENT, "m", OPENAI, confidence=True)
    assert orjson.loads(one.encode(MESSAGES)) == one.body(MESSAGES)
    assert one.encode(MESSAGES) == one.encode([{"role": "user", "content": "hello"}])
    assert len(RequestForm.hash(MESSAGES)) == 16
    assert RequestForm.hash(MESSAGES) == RequestForm.hash([{"role": "user", "content": "hello"}])
    assert RequestForm.hash(MESSAGES) != RequestForm.hash([{"role": "user", "content": "hello "}])
    assert RequestForm.hash(MESSAGES) != RequestForm.hash([{"role": "system", "content": "hello"}])
