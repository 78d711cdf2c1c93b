"""Why a model answers as it does: an endpoint of our own beside the protocol's, which stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from labeltune.local.chat_request import read_messages
from labeltune.local.context import context_of
from labeltune.local.wire import json_fields, json_reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.engines import Explanation, Message, Reason

__all__ = ["ROUTES"]

_DIGITS = 6


def _document(explanation: Explanation, messages: list[Message]) -> dict[str, Any]:
    return {
        "object": "labeltune.explanation",
        "decisions": [
            [{"label": label, "probability": share} for label, share in question.items()]
            for question in explanation.probabilities
        ],
        "reasons": [_reason(reason, messages) for reason in explanation.reasons],
    }


def _reason(reason: Reason, messages: list[Message]) -> dict[str, Any]:
    return {
        "label": reason.label,
        "against": reason.against,
        "chosen": reason.chosen,
        "score": round(reason.score, _DIGITS),
        "bias": round(reason.bias, _DIGITS),
        "rest": round(reason.rest, _DIGITS),
        "words": [
            {
                "text": messages[word.message]["content"][word.start : word.end],
                "message": word.message,
                "start": word.start,
                "end": word.end,
                "weight": round(word.weight, _DIGITS),
            }
            for word in reason.words
        ],
    }


async def create(request: Request) -> Response:
    """POST /labeltune/explanations: `model` and `messages`, as a chat completion has them."""
    fields = await json_fields(request)
    model = fields.needed_text("model")
    messages = read_messages(fields)
    fields.done()
    explanation = await context_of(request).answerer.explain(model, messages)
    return json_reply({**_document(explanation, messages), "model": model})


ROUTES = [Route("/labeltune/explanations", create, methods=["POST"])]
