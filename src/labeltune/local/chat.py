"""Chat completions: an engine's answer in the protocol's shape."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import orjson
from starlette.routing import Route

from labeltune.local.chat_request import read_chat
from labeltune.local.context import context_of
from labeltune.local.store import new_id, now
from labeltune.local.wire import json_fields, json_reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.chat_request import ChatRequest
    from labeltune.local.engines import Answer, TokenLogprob

__all__ = ["ROUTES", "completion"]

_LEAST_LOGPROB = -9999.0
"""What the protocol writes for "next to impossible"; JSON has no infinity."""


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


async def create(request: Request) -> Response:
    """POST /chat/completions."""
    chat = read_chat(await json_fields(request))
    return json_reply(completion(chat, await context_of(request).answerer.answer(chat)))


ROUTES = [Route("/chat/completions", create, methods=["POST"])]
