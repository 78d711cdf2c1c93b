"""Records: what a line of a chat file may hold, as OpenAI's fine-tuning has it; each rule said once.

The local provider refuses by these rules, and check finds by them what any provider would refuse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "MIN_EXAMPLES", "SPECIAL_TOKEN", "record_problems", "text_of"]

MIN_EXAMPLES = 10
"""A training file with fewer examples is refused with `invalid_n_examples`."""

MAX_BYTES = 512 << 20
"""A training file of more bytes is refused."""

SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|im_start|im_end|im_sep|fim_prefix|fim_middle|fim_suffix|start|end|message|channel)\|>"
)
"""What separates messages in the model's own input, and may stand in no text."""

_RECORD_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
_MESSAGE_KEYS = {
    "role",
    "content",
    "name",
    "weight",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
}
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def record_problems(value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with one record, in order: a finding's code and a sentence."""
    if not isinstance(value, dict):
        yield "bad_record", "expected an object with the key 'messages'"
        return
    for key in value:
        if key not in _RECORD_KEYS:
            yield "unknown_key", f"unknown key {key[:64]!r}; expected 'messages'"
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "bad_messages", "'messages' must be a non-empty array"
        return
    well_formed = True
    for position, message in enumerate(messages):
        for problem in _message_problems(message, f"messages[{position}]"):
            well_formed = well_formed and problem[0] not in ("bad_message", "bad_role")
            yield problem
    if well_formed and messages[-1]["role"] != "assistant":
        role = messages[-1]["role"]
        yield "last_message", f"the last message must be the assistant's, but its role is {role!r}"


def _message_problems(message: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(message, dict):
        yield "bad_message", f"{where} must be an object"
        return
    for key in message:
        if key not in _MESSAGE_KEYS:
            yield "unknown_key", f"{where} has the unknown key {key[:64]!r}"
    role = message.get("role")
    if role not in _ROLES:
        yield "bad_role", f"{where}.role must be one of {', '.join(_ROLES)}, but is {str(role)[:64]!r}"
        return
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1, None)):
        yield "bad_weight", f"{where}.weight must be 0 or 1, and only the assistant's messages have one"
    text = text_of(message.get("content"))
    if text is None:
        if message.get("content") is not None or not (
            message.get("tool_calls") or message.get("function_call")
        ):
            yield "bad_content", f"{where}.content must be text"
        return
    special = SPECIAL_TOKEN.search(text)
    if special is not None:
        yield (
            "special_token",
            f"{where}.content contains the special token {special[0]}, which is not allowed",
        )


def text_of(content: Any) -> str | None:
    """The text of a message's content: a string, or text parts joined; None if it is anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            return None
        texts.append(part["text"])
    return "".join(texts)
