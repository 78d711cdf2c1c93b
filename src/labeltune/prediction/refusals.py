"""What a refusal of a chat request is about, one row or every request, and what to do then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from labeltune.prediction.replies import Reply

__all__ = ["all_rejected", "is_about_the_row", "way_past"]


def all_rejected(reply: Reply) -> SettingsError:
    """The error for a run whose every request meets this refusal."""
    hint = way_past(reply) or (
        "--dry-run shows the first request; what stands after a URL can change it (docs/how-to/any-url.md)"
    )
    return SettingsError(f"every request is rejected: {reply.said} [{reply.code}]", hint=hint)


_MAXIMUM = re.compile(r"(?:<=|less than or equal to|max(?:imum)?(?: \w+)?:?|at most|up to)\s*(\d{1,4})\b")
"""How servers say how many alternatives they give at most."""

_OLD_LIMIT = re.compile(
    r"(?<![\w.])max_tokens\b.*\b(not supported|unsupported|max_completion_tokens['\"` ]* instead)"
)
_ROLES = re.compile(
    r"system['\"]? (role|message|prompt)|role.*\bsystem\b|roles must alternate|system instruction"
)


def way_past(reply: Reply) -> str | None:  # noqa: PLR0911  # a table whose conditions are no values
    """What to declare or change so that a provider takes what it refused; None where that is not known."""
    said = f"{reply.said} {reply.param}".lower()
    if "logprob" in said or "top_n_tokens" in said:
        most = _MAXIMUM.search(said)
        if most is not None:
            return f"this provider gives fewer alternatives: declare #top_logprobs={most[1]} after its URL"
        return "this provider gives no log-probabilities: --no-confidence goes without"
    if "response_format" in said or "schema" in said:
        return "this provider takes no strict JSON schema: declare #strict_answers=no after its URL"
    if _OLD_LIMIT.search(said):
        return "declare no #rename.max_completion_tokens after its URL: the model takes that name alone"
    if "max_completion_tokens" in said:
        return "declare #rename.max_completion_tokens=max_tokens after its URL"
    if "temperature" in said:
        return "this model takes no temperature of 0: declare #drop=temperature after its URL"
    if _ROLES.search(said):
        return "this model takes no system message: leave `system` out of the task's [prompt]"
    if "https" in said and "http" in said.replace("https", ""):
        return "this port speaks https: write https:// in the provider's URL"
    return None


_ROW_STATUSES = (413,)
_ROW_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "ResponsibleAIPolicyViolation",
        "context_length_exceeded",
        "string_above_max_length",
        "invalid_prompt",
        "data_inspection_failed",
        "moderation_error",
    }
)
_ROW_WORDS = (
    "content management policy",
    "content policy",
    "content filter",
    "context length",
    "context window",
    "maximum context",
    "context size",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "safety",
)
"""How servers without codes put it."""


def is_about_the_row(reply: Reply) -> bool:
    """Whether a refusal is about the text of one row, so that it says nothing about the others."""
    lowered = reply.said.lower()
    if _ROLES.search(f"{lowered} {reply.param}") or reply.param.endswith(".role"):
        return False  # every row's messages have the same roles
    return (
        reply.code in _ROW_CODES
        or reply.status in _ROW_STATUSES
        or reply.param.partition("[")[0].partition(".")[0] in ("messages", "prompt", "input")
        or any(words in lowered for words in _ROW_WORDS)
    )
