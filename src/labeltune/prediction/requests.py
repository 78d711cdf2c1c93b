"""Requests: what is asked for a row, the same bytes for the same row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.providers.differences import LIMITS
from labeltune.task.answer_schema import answer_schema
from labeltune.task.answers import longest_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.chat import Message

__all__ = ["RequestForm", "request_form", "writing_form"]

_HASH_BYTES = 16
_SPARE_TOKENS = 16
"""Beyond the longest answer: for spaces and line ends in JSON, and the end of the message."""

_FLAG_ALTERNATIVES = 5
"""Enough to see `true` and `false` in a few spellings."""


@dataclass(frozen=True, slots=True)
class RequestForm:
    """What all requests of a run have in common: everything but the messages."""

    settings: dict[str, Any]

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The body of a request."""
        return {"messages": messages, **self.settings}

    def encode(self, messages: Sequence[Message]) -> bytes:
        """The body as JSON."""
        return orjson.dumps(self.body(messages))

    @staticmethod
    def hash(messages: Sequence[Message]) -> bytes:
        """What a request is known by within its run: 16 bytes."""
        return hashlib.blake2b(orjson.dumps(messages), digest_size=_HASH_BYTES).digest()


def request_form(task: Task, model: str, provider: Provider, *, confidence: bool) -> RequestForm:
    """How rows of this task are asked of this model.

    Temperature 0; room for the longest legal answer and no more, for rate limits count it (a token is at
    least one byte); a strict schema where the provider holds answers to one. Then what the provider's user
    declared: fields that are left out, renamed and added.
    """
    settings: dict[str, Any] = {
        "model": model,
        "temperature": 0,
        "max_completion_tokens": len(longest_answer(task).encode()) + _SPARE_TOKENS + provider.thinking,
    }
    if confidence:
        settings["logprobs"] = True
        alternatives = min(_alternatives(task), provider.top_logprobs)
        if alternatives:
            settings["top_logprobs"] = alternatives
    schema = answer_schema(task, pairs=provider.schema_pairs) if provider.strict_answers else None
    if schema is not None:
        settings["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "labels", "strict": True, "schema": schema},
        }
    return RequestForm(_shaped(settings, provider))


def writing_form(
    model: str, provider: Provider, *, schema: dict[str, Any], temperature: float, room: int
) -> RequestForm:
    """How a model is asked to write something: JSON of this schema, of at most so many tokens."""
    settings: dict[str, Any] = {
        "model": model,
        "temperature": temperature,
        "max_completion_tokens": room + provider.thinking,
    }
    if provider.strict_answers:
        settings["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "written", "strict": True, "schema": schema},
        }
    return RequestForm(_shaped(settings, provider))


def _shaped(settings: dict[str, Any], provider: Provider) -> dict[str, Any]:
    """The settings as this provider takes them."""
    left_out = provider.dropped
    if any(name in provider.chat for name in LIMITS):
        left_out |= {"max_completion_tokens"}
    kept = {
        provider.renamed.get(name, name): value for name, value in settings.items() if name not in left_out
    }
    return {**kept, **provider.chat}


def _alternatives(task: Task) -> int:
    """How many alternatives to a token tell the labels apart."""
    match task.answer.format:
        case "flags":
            return _FLAG_ALTERNATIVES
        case "list":
            return 0
        case "label" | "json":
            single = [len(field.labels) for field in task.fields if field.type == "single"]
            return max(single, default=0)
