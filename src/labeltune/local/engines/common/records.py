"""The varying part of chat records: what is left of the messages when the prompt's fixed words are taken
off.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labeltune.local.engines import Message

__all__ = ["Frame", "Template", "content_of"]

_WORD_AT_END = re.compile(r"\w+\Z")
_WORD_AT_START = re.compile(r"\A\w+")
_QUOTED_LIST = re.compile(
    r"""\[\s*(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')(?:\s*,\s*(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))*\s*,?\s*\]"""
)


def content_of(message: Message) -> str:
    """The text of a message; of a list of content parts, the text parts joined by line breaks."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(text for text in texts if isinstance(text, str))
    return ""


@dataclass(frozen=True, slots=True)
class Frame:
    """The fixed words before and after the varying part of one message of a conversation."""

    prefix: str = ""
    suffix: str = ""
    constant: bool = False
    """Whether the message was the same in every example: `prefix` is all of it."""

    @classmethod
    def around(cls, contents: Sequence[str]) -> Frame:
        """What all `contents` begin and end with, in whole words.

        Half a word is left in the text: that all texts of a file begin with `un` says nothing about the
        prompt.
        """
        first, last = min(contents), max(contents)
        if first == last:
            return cls(prefix=first, constant=True)
        prefix = _common_beginning(first, last)
        prefix = _WORD_AT_END.sub("", prefix)
        shortest = min(len(content) for content in contents) - len(prefix)
        reverse = [content[::-1][:shortest] for content in contents]
        suffix = _common_beginning(min(reverse), max(reverse))[::-1]
        return cls(prefix=prefix, suffix=_WORD_AT_START.sub("", suffix))

    def varying(self, content: str) -> str:
        """The part of `content` between prefix and suffix; all of it if it does not fit."""
        start, end = self.place(content)
        return content[start:end]

    def place(self, content: str) -> tuple[int, int]:
        """Where `varying` begins and ends."""
        if self.constant:
            return (0, 0) if content == self.prefix else (0, len(content))
        start, end = len(self.prefix), len(content) - len(self.suffix)
        if end >= start and content.startswith(self.prefix) and content.endswith(self.suffix):
            return start, end
        return 0, len(content)


@dataclass(frozen=True, slots=True)
class Template:
    """What the conversations of a training file have in common.

    Messages are matched by role, counted from the end, so that a conversation with one turn more or without
    its system message still fits. A message that fits nothing counts with all its words.
    """

    frames: Mapping[tuple[str, int], Frame]

    @classmethod
    def of(cls, conversations: Sequence[Sequence[Message]]) -> Template:
        """Learn the frames from conversations without the assistant's last message."""
        contents: dict[tuple[str, int], list[str]] = {}
        for conversation in conversations:
            for place, content in _placed(conversation):
                contents.setdefault(place, []).append(content)
        return cls({place: Frame.around(found) for place, found in contents.items()})

    def text(self, conversation: Sequence[Message]) -> str:
        """The varying parts of a conversation, one after the other."""
        nothing = Frame()
        parts = [self.frames.get(place, nothing).varying(content) for place, content in _placed(conversation)]
        return "\n".join(part for part in parts if part)

    def located(
        self, conversation: Sequence[Message], spans: Iterable[tuple[int, int]]
    ) -> list[tuple[int, int, int]]:
        """Where parts of `text` stand in the conversation: the number of the message, and where in its
        content each begins and ends. The parts reach over no line break.
        """
        nothing = Frame()
        begins, shifts, length = [], [], 0
        for number, (place, content) in enumerate(_placed(conversation)):
            start, end = self.frames.get(place, nothing).place(content)
            if end > start:
                begins.append(length)
                shifts.append((number, start - length))
                length += end - start + 1
        found = []
        for begin, end in spans:
            number, shift = shifts[bisect_right(begins, begin) - 1]
            found.append((number, begin + shift, end + shift))
        return found

    def declared_labels(self) -> tuple[tuple[str, ...], ...]:
        """Every list like `['a', 'b']` in the fixed words: labels that the prompt may have declared."""
        found: list[tuple[str, ...]] = []
        for frame in self.frames.values():
            for fixed in (frame.prefix, frame.suffix):
                for match in _QUOTED_LIST.finditer(fixed):
                    try:
                        values = ast.literal_eval(match.group())
                    except (ValueError, SyntaxError):
                        continue
                    if len(set(values)) == len(values) > 1:
                        found.append(tuple(values))
        return tuple(found)

    def to_json(self) -> list[dict[str, Any]]:
        """The frames as JSON values."""
        return [
            {"role": role, "from_end": index, "prefix": f.prefix, "suffix": f.suffix, "constant": f.constant}
            for (role, index), f in self.frames.items()
        ]

    @classmethod
    def from_json(cls, values: Sequence[Mapping[str, Any]]) -> Template:
        """The inverse of `to_json`."""
        return cls(
            {
                (value["role"], value["from_end"]): Frame(value["prefix"], value["suffix"], value["constant"])
                for value in values
            }
        )


def _common_beginning(first: str, second: str) -> str:
    # By halves of the length: slices are compared at once, and a prompt may have thousands of characters.
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[:middle] == second[:middle] else (low, middle - 1)
    return first[:low]


def _placed(conversation: Sequence[Message]) -> Iterator[tuple[tuple[str, int], str]]:
    """Each message's role and number from the end among its role's messages, with its text."""
    left: dict[str, int] = {}
    for message in conversation:
        role = str(message.get("role", ""))
        left[role] = left.get(role, 0) + 1
    for message in conversation:
        role = str(message.get("role", ""))
        yield (role, left[role]), content_of(message)
        left[role] -= 1
