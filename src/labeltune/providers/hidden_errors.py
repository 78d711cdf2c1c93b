"""Errors that come as successes: gateways and servers that answer 200 and say in the body what went wrong."""

from __future__ import annotations

from typing import Any

from labeltune.providers.refusals import refusal_in

__all__ = ["hidden_error"]

_BY_NAME = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "unauthorized": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "insufficient_credits": 402,
    "model_not_found": 404,
    "not_found_error": 404,
    "not_found": 404,
    "invalid_request_error": 400,
    "bad_request": 400,
    "content_filter": 400,
    "context_length_exceeded": 400,
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "api_error": 500,
    "overloaded_error": 503,
    "service_unavailable": 503,
    "timeout": 504,
}
"""The status that servers send with these codes and types, where they send one."""


def hidden_error(document: Any) -> tuple[int | None, dict[str, Any]] | None:
    """The status that the error in a success stands for, None where it does not tell, and the error itself.

    None for a document that is no error: one whose `error` is empty, or that has an answer beside it. A
    choice that ended with `finish_reason: "error"`, or holds an `error`, is the error that it says.
    """
    if not isinstance(document, dict) or _is_a_thing(document):
        return None
    error = document.get("error") or _of_first_choice(document)
    if not error and _refuses(document):
        error = document
    if not error or (document.get("error") and document.get("choices")):
        return None
    found = refusal_in(error)
    named = (found.get("status"), found.get("code"), found.get("type"), document.get("status"))
    status = next((found for found in map(_status, named) if found is not None), None)
    return status, found or {"message": str(error)}


_PARTS = ("id", "object", "data", "choices", "models")
"""What documents have that bring something."""


def _refuses(document: dict[str, Any]) -> bool:
    """Whether a document without an `error` brings nothing but words, or says that it is one."""
    if document.get("object") == "error":
        return True
    said = document.get("base_resp")
    if isinstance(said, dict) and said.get("status_code") and not document.get("choices"):
        return True
    bare = not any(document.get(name) for name in _PARTS)
    return bare and any(isinstance(document.get(name), str) for name in ("message", "msg", "detail"))


def _is_a_thing(document: dict[str, Any]) -> bool:
    """Whether it is a file, a job or a batch: those have an `error` of their own when they failed."""
    return bool(document.get("id")) and ("status" in document or "data" in document)


def _of_first_choice(document: dict[str, Any]) -> Any:
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None
    if choice.get("finish_reason") == "error":
        return choice.get("error") or "the provider broke off with an error"
    return choice.get("error")


def _status(name: Any) -> int | None:
    """The status that a code, a type or a number stands for."""
    if isinstance(name, str) and not name.isdecimal():
        return _BY_NAME.get(name.strip().lower())
    if isinstance(name, bool) or not isinstance(name, int | str):
        return None
    status = int(name) if len(str(name)) == 3 else 0
    return status if 400 <= status < 600 else None
