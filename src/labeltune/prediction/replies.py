"""What a reply to a chat request is: an answer, a refusal, a lost answer, or a reason to wait or to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from labeltune.errors import SettingsError
from labeltune.providers.failures import NOT_THE_API, QUOTA_CODES, redact, shown_start

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BAD_RESPONSE",
    "MODEL_DAMAGED",
    "REJECTED",
    "Reply",
    "Verdict",
    "all_rejected",
    "as_kept",
    "judge",
    "judge_document",
    "message_of",
    "usage_of",
]

Verdict = Literal[
    "answer", "bad_response", "rejected", "lost", "limited", "server_error", "quota", "access", "foreign"
]
"""`answer` and `bad_response` are kept, `rejected` ends one row, `lost` may have been billed, `limited` and
`server_error` were not taken up, `quota` and `access` end the run, `foreign` is not from the API."""

REJECTED, BAD_RESPONSE = "rejected", "bad_response"

MODEL_DAMAGED = "model_damaged"
"""The local provider's code for a model whose files are not what was saved: waiting does not mend it."""

_READ = 1024
"""Bytes of a strange reply that are looked at for a message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A judged reply; `said` is what the provider said about it, for messages."""

    verdict: Verdict
    said: str = ""
    code: str = ""
    document: Any = None


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What a complete reply means."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _broken(headers, body) if _succeeded(status) else _refusal(status, {}, body)
    return judge_document(status, document)


def judge_document(status: int, document: Any) -> Reply:
    """What a complete reply means whose body is this JSON document."""
    if _succeeded(status):
        return Reply("bad_response" if message_of(document) is None else "answer", document=document)
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        error = {"message": error}
    return _refusal(status, error if isinstance(error, dict) else {}, orjson.dumps(document))


def _succeeded(status: int) -> bool:
    return 200 <= status < 300


def _refusal(status: int, error: Mapping[str, Any], body: bytes) -> Reply:
    code = redact(str(error.get("code") or error.get("type") or ""))
    said = redact(str(error.get("message") or (_start(body) if body else f"status {status}")))
    verdict: Verdict = "rejected"
    if status == 402 or (status == 429 and ({code, str(error.get("type"))} & QUOTA_CODES)):
        verdict = "quota"
    elif (status in (408, 409, 425, 429) or status >= 500) and code != MODEL_DAMAGED:
        verdict = (
            "limited" if status == 429 or code in ("slow_down", "rate_limit_exceeded") else "server_error"
        )
    elif status in (401, 403, 404, 405, 407) or code == MODEL_DAMAGED:
        verdict = "access"
    elif 300 <= status < 400:
        verdict = "foreign"
    return Reply(verdict, said, code or str(status))


def _broken(headers: Mapping[str, str], body: bytes) -> Reply:
    """What a success means whose body is not JSON."""
    kind = headers.get("content-type", "")
    # A body that begins like our JSON and breaks off was on its way from the API; a page was not.
    if "json" in kind or (not kind and body.lstrip()[:1] in (b"{", b"")):
        return Reply("lost", "the answer broke off")
    return Reply("foreign", f"{NOT_THE_API}: {_start(body)}")


def as_kept(reply: Reply, raw: bytes) -> bytes:
    """The bytes of a reply as they may lie on the disk: a refusal can repeat the key that it refuses."""
    if reply.verdict == "answer":
        return raw
    return redact(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def all_rejected(reply: Reply) -> SettingsError:
    """The error for a run whose every request meets this refusal."""
    lowered = reply.said.lower()
    hint = "--dry-run shows the first request"
    if "logprob" in lowered:
        hint = "this provider gives no log-probabilities: --no-confidence goes without"
    if "response_format" in lowered or "schema" in lowered:
        hint = "this provider takes no strict JSON schema: declare #strict_answers=no after its URL"
    return SettingsError(f"every request is rejected: {reply.said} [{reply.code}]", hint=hint)


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


def _start(body: bytes) -> str:
    return shown_start(body[:_READ].decode("utf-8", "replace"))
