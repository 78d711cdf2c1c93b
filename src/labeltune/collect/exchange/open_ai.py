"""OpenAI: chat files, and the prompts and completions of the older fine-tuning."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import expect_object, label_paths, scalars, text_at, wrong_shape
from labeltune.task.answers import decode_answer
from labeltune.task.records import text_of
from labeltune.task.template import ColumnSlot, LabelsSlot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Tally
    from labeltune.errors import Where
    from labeltune.task import Task

__all__ = ["read_chat", "read_legacy", "recognise_chat", "recognise_legacy"]

_TURNS = "conversations"
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_CHAT, _LEGACY = "OpenAI's chat files", "OpenAI's older fine-tuning"


# ----------------------------------------------------------------------------------------------------- chat


def recognise_chat(sample: Sample) -> str | None:
    """Records of messages, without the `labels` that Mistral puts beside them; or of ShareGPT's turns."""
    if "messages" in sample.all_keys and "labels" not in sample.keys:
        return 'each line is a record with "messages"'
    if _TURNS in sample.all_keys:
        return f'each record has "{_TURNS}", as ShareGPT has it'
    return None


def read_chat(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each record of one question and one answer.

    The text is the user's message; with a task, the part of it that its template puts the text into.
    """
    pattern = None if given.task is None else _pattern(given.task)
    for where, value in given.objects():
        record = expect_object(where, value, _CHAT)
        messages = record.get("messages", _messages_of_turns(record.get(_TURNS)))
        if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
            raise wrong_shape(where, record, _CHAT, '"messages"')
        tally.records += 1
        users = [text_of(one.get("content")) for one in messages if one.get("role") == "user"]
        answers = [text_of(one.get("content")) for one in messages if one.get("role") == "assistant"]
        if len(users) != 1 or len(answers) != 1 or users[0] is None or answers[0] is None:
            tally.drop("no conversation of one question and one answer in text", where)
            continue
        found = pattern.fullmatch(users[0]) if pattern is not None else None
        if pattern is not None and found is None:
            tally.drop("user message that is not as the task's template makes it", where)
            continue
        labels = _answer_labels(given.task, answers[0])
        if labels is None:
            tally.drop("answer that is not one of the task's", where)
            continue
        text = users[0] if found is None else found["text"]
        yield Item(where, {"text": text}, labels, extra=scalars(record, tally, but=("messages", _TURNS)))


def _messages_of_turns(turns: Any) -> list[dict[str, Any]] | None:
    """ShareGPT's turns of a conversation as messages; None if they are none."""
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return None
    return [{"role": _ROLES.get(turn.get("from")), "content": turn.get("value")} for turn in turns]


def _pattern(task: Task) -> re.Pattern[str]:
    """The user template of a task as a pattern, the text as its group."""
    pieces: list[str] = []
    for slot in task.user_template:
        if isinstance(slot, str):
            pieces.append(re.escape(slot))
        elif isinstance(slot, LabelsSlot | ColumnSlot) and not (
            isinstance(slot, ColumnSlot) and task.text == (slot.column,)
        ):
            pieces.append("(?:.*?)")
        else:
            pieces.append("(?P<text>.*)" if "(?P<text>.*)" not in pieces else "(?P=text)")
    return re.compile("".join(pieces), re.DOTALL)


def _answer_labels(task: Task | None, answer: str) -> Labels | None:
    if task is not None:
        decoded = decode_answer(task, answer)
        if decoded.labels is None:
            return None
        return {
            field.name: tuple((label,) for label in labels)
            for field, labels in zip(task.fields, decoded.labels, strict=True)
        }
    return _json_labels(answer) or {"label": ((answer.strip(),),) if answer.strip() else ()}


def _json_labels(answer: str) -> Labels | None:
    """The fields of an answer that is a JSON object; one of truth values is the flags of one field."""
    if not answer.lstrip().startswith(("{", "[")):
        return None
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, list):
        document = {"label": document}
    if not document:
        return None
    if all(isinstance(value, bool) for value in document.values()):
        return {"label": tuple((str(name),) for name, holds in document.items() if holds)}
    labels = {str(name): label_paths(value) for name, value in document.items()}
    return {name: found for name, found in labels.items() if found is not None} or None


# -------------------------------------------------------------------------------------------------- legacy

_LONGEST_END = 64

_SEPARATORS = (
    "\n\n###\n\n",
    "\n\n===\n\n",
    "\n\n---\n\n",
    "\n\n===>\n\n",
    "\n\n--->\n\n",
    "\n\n$$$\n\n",
    " ->",
    "->",
    "\n\n",
)
"""What was put behind a prompt so that the model knew where it ends."""
_STOPS = (" END", "\n", "###", "***", "+++", "&&&", "$$$", "@@@", "%%%")
"""What was put behind a completion, so that the model stopped there."""
_SIGNS = re.compile(r"(?:\s|[^\w\s.!?,)\]\"'])*$")


def recognise_legacy(sample: Sample) -> str | None:
    """Prompts with completions."""
    if {"prompt", "completion"} <= sample.all_keys:
        return 'each line has "prompt" and "completion"'
    return None


def read_legacy(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each prompt, without the separator that all share; completions without space and stop."""
    separator, stop = _shared(given)
    for what, found in (("prompts", separator), ("completions", stop)):
        if found:
            tally.note(f"all {what} end with {found!r}, which is taken off")
    for where, record in _prompts(given):
        tally.records += 1
        text = text_at(where, record, "prompt", _LEGACY).removesuffix(separator)
        label = text_at(where, record, "completion", _LEGACY).removesuffix(stop).strip()
        labels: Labels = {"label": ((label,),) if label else ()}
        yield Item(where, {"text": text}, labels, extra=scalars(record, tally, but=("prompt", "completion")))


def _prompts(given: Given) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    for where, value in given.objects():
        record = expect_object(where, value, _LEGACY)
        if not {"prompt", "completion"} <= record.keys():
            raise wrong_shape(where, record, _LEGACY, '"prompt" and "completion"')
        yield where, record


def _shared(given: Given) -> tuple[str, str]:
    """What all prompts, and all completions, end with and that is no part of a text."""
    ends: list[str | None] = [None, None]
    for where, record in _prompts(given):
        for place, key in enumerate(("prompt", "completion")):
            text = text_at(where, record, key, _LEGACY)
            known = ends[place]
            ends[place] = text[-_LONGEST_END:] if known is None else _common_end(text, known)
    prompt, completion = (end or "" for end in ends)
    separator = next((one for one in _SEPARATORS if prompt.endswith(one)), "")
    if not separator and len(signs := _SIGNS.search(prompt)[0]) > 1:  # type: ignore[index]  # always matches
        separator = signs
    return separator, next((one for one in _STOPS if completion.endswith(one)), "")


def _common_end(one: str, other: str) -> str:
    length = 0
    while length < min(len(one), len(other)) and one[-length - 1] == other[-length - 1]:
        length += 1
    return one[len(one) - length :]
