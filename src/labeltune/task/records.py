"""Records: what a line of a chat file may hold, as OpenAI's fine-tuning has it; each rule said once.

The local provider refuses by these rules, and check finds by them what any provider would refuse.
"""

from __future__ import annotations

import json
import re
from itertools import chain
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
_NAMED = 4
"""So many keys of a record of another form are named."""
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def record_problems(value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with one record, in order: a finding's code and a sentence."""
    if not isinstance(value, dict):
        yield "bad_record", "expected an object with the key 'messages'"
        return
    unknown = [key for key in value if key not in _RECORD_KEYS]
    if unknown and "messages" not in value:
        found = ", ".join(repr(key[:64]) for key in unknown[:_NAMED]) + (
            ", …" if len(unknown) > _NAMED else ""
        )
        yield "other_form", f"no 'messages', but {found}: this is a record of another form"
        return
    for key in unknown:
        yield "unknown_key", f"unknown key {key[:64]!r}; expected 'messages'"
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "bad_messages", f"'messages' must be a non-empty array{_but_is(messages)}"
        return
    well_formed = True
    has_tools = bool(value.get("tools") or value.get("functions"))
    for position, message in enumerate(messages):
        where = f"messages[{position}]"
        for problem in chain(_message_problems(message, where), _call_problems(message, where, has_tools)):
            well_formed = well_formed and problem[0] not in ("bad_message", "bad_role")
            yield problem
    if well_formed and messages[-1]["role"] != "assistant":
        role = messages[-1]["role"]
        yield "last_message", f"the last message must be the assistant's, but its role is {role!r}"


def _but_is(value: Any) -> str:
    """What stands there instead, where that is not nothing."""
    if isinstance(value, str):
        return ", but is a string"
    return f", but is {json.dumps(value)}" if isinstance(value, bool | int | float) else ""


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
    if "weight" in message and (role != "assistant" or not _is_weight(message["weight"])):
        yield "bad_weight", f"{where}.weight must be 0 or 1, and only the assistant's messages have one"
    text = text_of(message.get("content"))
    if role in ("tool", "function") and not isinstance(message.get("content"), str):
        yield "bad_content", f"{where}.content of a {role} must be a string"
        return
    if text is None:
        if message.get("content") is not None or not (
            message.get("tool_calls") or message.get("function_call")
        ):
            yield "bad_content", f"{where}.content must be text{_but_is(message.get('content'))}"
        return
    special = SPECIAL_TOKEN.search(text)
    if special is not None:
        yield (
            "special_token",
            f"{where}.content contains the special token {special[0]}, which is not allowed",
        )


def _is_weight(value: Any) -> bool:
    """Whether it is 0, 1 or nothing; true and 1.0 are equal to 1 in Python, yet no whole numbers in JSON."""
    return value is None or (type(value) is int and value in (0, 1))


def _call_problems(message: Any, where: str, has_tools: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the calls of tools in a message."""
    if not isinstance(message, dict) or not (message.get("tool_calls") or message.get("function_call")):
        return
    if not has_tools:
        yield "bad_tool_call", f"{where} calls a tool, but the record has no 'tools' that say which there are"
    calls = message.get("tool_calls") or [{"function": message.get("function_call")}]
    if not isinstance(calls, list):
        yield "bad_tool_call", f"{where}.tool_calls must be an array"
        return
    for number, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            yield "bad_tool_call", f"{where}.tool_calls[{number}].function must be an object with a name"
        elif not isinstance(function.get("arguments"), str):
            what = f"{where}.tool_calls[{number}].function.arguments"
            yield "bad_tool_call", f"{what} must be a string of JSON, not the object itself"


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
