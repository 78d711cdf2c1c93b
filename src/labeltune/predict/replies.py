"""What a reply to a chat request is: an answer, a refusal, a lost answer, or a reason to wait or to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from labeltune.providers import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BAD_RESPONSE", "REJECTED", "Reply", "Verdict", "judge", "message_of", "usage_of"]

Verdict = Literal[
    "answer", "bad_response", "rejected", "lost", "limited", "server_error", "quota", "access", "foreign"
]
"""`answer` and `bad_response` are kept, `rejected` ends one row, `lost` may have been billed, `limited` and
`server_error` were not taken up, `quota` and `access` end the run, `foreign` is not from the API."""

REJECTED, BAD_RESPONSE = "rejected", "bad_response"

QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
"""Refusals with status 429 that waiting does not mend."""

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Reply:
    """A judged reply; `said` is what the provider said about it, for messages."""

    verdict: Verdict
    said: str = ""
    code: str = ""
    document: Any = None


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What a complete reply means."""
    if 200 <= status < 300:
        return _judge_success(headers, body)
    error = _error_of(body)
    code = str(error.get("code") or error.get("type") or "")
    said = redact(str(error.get("message") or _start(body) or f"status {status}"))
    verdict: Verdict = "rejected"
    if status == 402 or (status == 429 and ({code, str(error.get("type"))} & QUOTA_CODES)):
        verdict = "quota"
    elif status in (408, 409, 425, 429) or status >= 500:
        verdict = (
            "limited" if status == 429 or code in ("slow_down", "rate_limit_exceeded") else "server_error"
        )
    elif status in (401, 403, 404, 405, 407):
        verdict = "access"
    elif 300 <= status < 400:
        verdict = "foreign"
    return Reply(verdict, said, code or str(status))


def _judge_success(headers: Mapping[str, str], body: bytes) -> Reply:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        kind = headers.get("content-type", "")
        # A body that begins like our JSON and breaks off was on its way from the API; a page was not.
        if "json" in kind or (not kind and body.lstrip()[:1] in (b"{", b"")):
            return Reply("lost", "the answer broke off")
        return Reply("foreign", f"the answer is not from the API: {_start(body)}")
    if message_of(document) is None:
        return Reply("bad_response", document=document)
    return Reply("answer", document=document)


def message_of(document: Any) -> dict[str, Any] | None:
    """The first choice of a chat completion, if it has one with a message."""
    try:
        choice = document["choices"][0]
        return choice if isinstance(choice["message"], dict) else None
    except (KeyError, IndexError, TypeError):
        return None


def usage_of(document: Any) -> tuple[int, int]:
    """Tokens read and written, as the provider counted them; 0 where it does not say."""
    usage = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (read if isinstance(read, int) else 0), (written if isinstance(written, int) else 0)


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _start(body: bytes) -> str:
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    return redact(text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")) or "(empty)"
