"""What a chat request asks, held to the protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.local.errors import invalid
from labeltune.local.validate import text_of
from labeltune.local.wire import Fields

if TYPE_CHECKING:
    from labeltune.local.engines import Message

__all__ = ["ChatRequest", "LikeRequests", "read_chat", "read_messages"]

_REMEMBERED = 64
"""How many kinds of requests are known by what they share."""

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")

# The answer is the model's best one, whatever these say; they are accepted so that any client works.
_WITHOUT_EFFECT = (
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "user", "service_tier",
    "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    "verbosity", "reasoning_effort", "store", "metadata", "parallel_tool_calls", "logit_bias",
    "prediction", "stream_options",
)  # fmt: skip

_NOT_HERE = ("tools", "functions", "audio", "web_search_options", "moderation")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a chat request asks of a model."""

    model: str
    messages: list[Message]
    logprobs: bool
    top_logprobs: int
    choices: int
    stop: tuple[str, ...]
    max_tokens: int | None


def read_chat(fields: Fields) -> ChatRequest:
    """Read a request body. Raises `ApiError` (400) that names the parameter."""
    model = fields.needed_text("model")
    messages = read_messages(fields)
    logprobs = fields.flag("logprobs")
    top_logprobs = fields.integer("top_logprobs", least=0, most=20) or 0
    if top_logprobs and not logprobs:
        fields.refuse("top_logprobs", "it needs 'logprobs' to be true")
    if fields.flag("stream"):
        fields.refuse("stream", "answers are not streamed here", "unsupported_value")
    choices = fields.integer("n", least=1, most=128) or 1
    limit = fields.integer("max_completion_tokens", least=1)
    older_limit = fields.integer("max_tokens", least=1)
    stop = _read_stop(fields)
    _check_response_format(fields)
    for name in ("temperature", "top_p"):
        fields.number(name, least=0, most=2 if name == "temperature" else 1)
    modalities = fields.items("modalities")
    if modalities not in (None, ["text"]):
        fields.refuse("modalities", "only 'text' is supported", "unsupported_value")
    for name in _NOT_HERE:
        if fields.take(name, object, "nothing"):
            invalid(
                f"Unsupported parameter: '{name}' is not available here.",
                param=name,
                code="unsupported_parameter",
            )
    fields.choice("tool_choice", ("none", "auto"))
    fields.choice("function_call", ("none", "auto"))
    fields.skip(_WITHOUT_EFFECT)
    fields.done()
    return ChatRequest(
        model, messages, logprobs, top_logprobs, choices, stop, older_limit if limit is None else limit
    )


class LikeRequests:
    """Reads requests most of which differ in their messages only: what they share is read once."""

    def __init__(self) -> None:
        self._known: dict[bytes, ChatRequest] = {}

    def read(self, body: dict[str, Any]) -> ChatRequest:
        """See `read_chat`."""
        shared = orjson.dumps({name: value for name, value in body.items() if name != "messages"})
        known = self._known.get(shared)
        if known is not None:
            return replace(known, messages=read_messages(Fields(body)))
        request = read_chat(Fields(body))
        if len(self._known) < _REMEMBERED:
            self._known[shared] = replace(request, messages=[])
        return request


def read_messages(fields: Fields) -> list[Message]:
    """The messages of a request, each a role and a text. Raises `ApiError` (400)."""
    items = fields.items("messages", required=True)
    assert items is not None
    if not items:
        fields.refuse("messages", "expected at least one message", "empty_array")
    messages = []
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            fields.refuse(f"messages[{position}]", "expected an object", "invalid_type")
        role = item.get("role")
        if role not in _ROLES:
            fields.refuse(f"messages[{position}].role", f"supported values are: {', '.join(_ROLES)}")
        text = text_of(item.get("content"))
        if text is None:
            if role != "assistant" or item.get("content") is not None:
                fields.refuse(f"messages[{position}].content", "expected text", "invalid_type")
            text = ""
        messages.append({"role": role, "content": text})
    return messages


def _read_stop(fields: Fields) -> tuple[str, ...]:
    value = fields.take("stop", (str, list), "a string or an array of strings")
    stops = [value] if isinstance(value, str) else value or []
    if len(stops) > 4 or not all(isinstance(stop, str) and stop for stop in stops):
        fields.refuse("stop", "expected at most 4 non-empty strings")
    return tuple(stops)


def _check_response_format(fields: Fields) -> None:
    part = fields.part("response_format")
    if part is None:
        return
    kind = part.choice("type", ("text", "json_object", "json_schema"), required=True)
    if kind == "json_schema":
        schema = part.take("json_schema", dict, "an object", required=True)
        Fields(schema, "response_format.json_schema.").needed_text("name", most=64)
    part.done()
