"""What a refusal says, in whatever shape a server puts it.

The protocol's is `{"error": {"message", "type", "param", "code"}}`. Gateways and servers answer with a text
for an error, a list of errors, `detail` with a list of fields, a message that is an object or holds one as
text, or the words of the provider behind them in a corner of their own.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_loading", "refusal_in"]

_INSIDE = (
    "error",
    "errors",
    "detail",
    "message",
    "msg",
    "error_msg",
    "status_msg",
    "base_resp",
    "metadata",
    "raw",
)
"""Where the words of a refusal stand, or what holds them."""

_NAMES = ("code", "type", "param", "status")
_MOST_DEPTH, _MOST_ITEMS = 6, 5


def refusal_in(document: Any) -> dict[str, Any]:
    """The `message` of a refusal, with the `code`, `type`, `param` and `status` beside it, innermost first;
    empty for a document that refuses nothing.
    """
    found: dict[str, Any] = {}
    texts = dict.fromkeys(text.strip() for text in _texts(document, found, 0) if text.strip())
    return {"message": "; ".join(texts), **found} if texts else found


def _texts(value: Any, found: dict[str, Any], depth: int) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, str):
        inner = _document_in(value)
        if inner is None:
            yield value
        else:
            yield from _texts(inner, found, depth + 1)
    elif isinstance(value, list):
        for item in value[:_MOST_ITEMS]:
            yield from _texts(item, found, depth + 1)
    elif isinstance(value, dict):
        yield from _field_of(value, found)
        for name in _INSIDE if "loc" not in value else ():
            yield from _texts(value.get(name), found, depth + 1)
        for name in _NAMES:
            if isinstance(value.get(name), str | int) and value[name] and name not in found:
                found[name] = value[name]


def _field_of(item: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one field of a request, as FastAPI's servers say it: where, and what."""
    place, said = item.get("loc"), item.get("msg")
    if isinstance(place, list):
        param = ".".join(str(part) for part in place if part != "body")
        found.setdefault("param", param)
        yield f"{param}: {said}"


def _document_in(text: str) -> Any:
    """A document that was put into a text; None for words."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_LOADING = re.compile(
    r"\bis (still |currently |being )?load(ing|ed)\b|\bloading model|\bmodel loading|warming up|cold start"
)


def is_loading(said: str) -> bool:
    """Whether a server says that its model is not there yet, but will be."""
    return _LOADING.search(said.lower()) is not None
