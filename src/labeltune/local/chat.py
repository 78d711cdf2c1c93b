"""Chat completions: a request held to the protocol, an engine's answer in the protocol's shape."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from starlette.routing import Route

from labeltune.errors import ModelDamagedError
from labeltune.local.context import context_of
from labeltune.local.errors import ApiError, invalid
from labeltune.local.models import LoadedModels, find_model
from labeltune.local.store import new_id, now
from labeltune.local.validate import text_of
from labeltune.local.wire import Fields, json_fields, json_reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.engines import Answer, Engine, Message, TokenLogprob
    from labeltune.local.store import Row, Store

__all__ = ["ROUTES", "Answerer", "ChatRequest", "LikeRequests", "completion", "read_chat"]

MAX_GATHERED = 256
"""How many conversations are answered in one go, so that nobody waits long for others."""

_LEAST_LOGPROB = -9999.0
"""What the protocol writes for "next to impossible"; JSON has no infinity."""

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
    messages = _read_messages(fields)
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
            return replace(known, messages=_read_messages(Fields(body)))
        request = read_chat(Fields(body))
        if len(self._known) < _REMEMBERED:
            self._known[shared] = replace(request, messages=[])
        return request


def _read_messages(fields: Fields) -> list[Message]:
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


def completion(request: ChatRequest, answer: Answer) -> dict[str, Any]:
    """The reply to a request.

    Every choice is the model's one best answer. Prompt tokens are an estimate, four characters each; the
    answer's are the engine's.
    """
    tokens, text, reason = _cut(request, answer)
    logprobs = None
    if request.logprobs:
        logprobs = {"content": [_logprob(token, request.top_logprobs) for token in tokens], "refusal": None}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
        "logprobs": logprobs,
        "finish_reason": reason,
    }
    prompt = sum((len(message["content"]) + 3) // 4 + 4 for message in request.messages)
    written = len(tokens) * request.choices
    return {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": now(),
        "model": request.model,
        "choices": [choice | {"index": index} for index in range(request.choices)],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
        },
    }


def _cut(request: ChatRequest, answer: Answer) -> tuple[list[TokenLogprob], str, str]:
    """The tokens and the text that are shown, and why they end there."""
    tokens, text, reason = list(answer.tokens), answer.text, "stop"
    found = [place for place in map(text.find, request.stop) if place >= 0]
    if found:
        text = text[: min(found)]
        tokens = _tokens_of(tokens, len(text))
    if request.max_tokens is not None and len(tokens) > request.max_tokens:
        tokens = tokens[: request.max_tokens]
        text = "".join(token.token for token in tokens)
        reason = "length"
    return tokens, text, reason


def _tokens_of(tokens: list[TokenLogprob], length: int) -> list[TokenLogprob]:
    """The tokens that begin within the first `length` characters."""
    kept, begin = [], 0
    for token in tokens:
        if begin >= length:
            break
        kept.append(token)
        begin += len(token.token)
    return kept


def _logprob(token: TokenLogprob, top: int) -> dict[str, Any]:
    return {
        **_spelled(token.token, token.logprob),
        "top_logprobs": [_spelled(text, logprob) for text, logprob in token.top[:top]],
    }


def _spelled(text: str, logprob: float) -> dict[str, Any]:
    return {
        "token": text,
        "logprob": max(_LEAST_LOGPROB, logprob),
        "bytes": _bytes_of(text),
    }


@functools.lru_cache(maxsize=4096)
def _bytes_of(token: str) -> orjson.Fragment:
    """The bytes of a token, as JSON. An engine's tokens are few and come again with every answer."""
    return orjson.Fragment(orjson.dumps(list(token.encode())))


@dataclass(slots=True)
class _Waiting:
    engine: Engine
    request: ChatRequest
    answer: asyncio.Future[Answer]


class Answerer:
    """Answers requests; those that arrive together are answered together, as one matrix."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.models = LoadedModels(store)
        self._waiting: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}

    async def answer(self, request: ChatRequest) -> Answer:
        """The engine's answer. Raises `ApiError` for an unknown or a damaged model."""
        model = find_model(self._store, request.model)
        engine = self.models.ready(model) or await self._load(model)
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = []
            # Whoever is ready in the same turn of the loop gets in before this runs.
            loop.call_soon(self._answer_waiting, loop)
        future: asyncio.Future[Answer] = loop.create_future()
        waiting.append(_Waiting(engine, request, future))
        return await future

    async def _load(self, model: Row) -> Engine:
        try:
            return await asyncio.to_thread(self.models.load, model)
        except ModelDamagedError as error:
            raise ApiError(
                500, f"The model '{model['name']}' is damaged: {error}", code="model_damaged"
            ) from error

    def _answer_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer in the loop's own thread: handing over to another costs more than an answer does."""
        waiting = self._waiting.pop(loop)
        if len(waiting) > MAX_GATHERED:
            self._waiting[loop] = waiting[MAX_GATHERED:]
            loop.call_soon(self._answer_waiting, loop)
        groups: dict[int, list[_Waiting]] = {}
        for one in waiting[:MAX_GATHERED]:
            groups.setdefault(id(one.engine), []).append(one)
        for group in groups.values():
            _answer_group(group)


def _answer_group(group: list[_Waiting]) -> None:
    top = max(one.request.top_logprobs for one in group)
    try:
        answers = group[0].engine.answer([one.request.messages for one in group], top_logprobs=top)
    except Exception as error:  # noqa: BLE001  (whatever it is, those who wait must hear of it)
        for one in group:
            if not one.answer.done():
                one.answer.set_exception(error)
        return
    for one, answer in zip(group, answers, strict=True):
        # A client that hung up has cancelled its future.
        if not one.answer.done():
            one.answer.set_result(answer)


async def create(request: Request) -> Response:
    """POST /chat/completions."""
    chat = read_chat(await json_fields(request))
    return json_reply(completion(chat, await context_of(request).answerer.answer(chat)))


ROUTES = [Route("/chat/completions", create, methods=["POST"])]
