"""The task's prompt, met again in a record: whether it is the task's, and which text it was made for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labeltune.task.chat import labels_literal
from labeltune.task.template import LabelsSlot, TextSlot

if TYPE_CHECKING:
    from labeltune.task import Task
    from labeltune.task.template import Template

__all__ = ["PromptForm"]


class PromptForm:
    """One message of the task's prompt: fixed parts around the text and, seldom, other columns."""

    def __init__(self, task: Task, template: Template) -> None:
        slots = [
            labels_literal(task.labels if slot.field is None else task.field(slot.field).labels)
            if isinstance(slot, LabelsSlot)
            else slot
            for slot in template
        ]
        places = [place for place, slot in enumerate(slots) if not isinstance(slot, str)]
        self.constant = not places
        """Whether the message is the same for every row."""
        self.simple = len(places) == 1 and isinstance(slots[places[0]], TextSlot)
        """Whether it is the text between `prefix` and `suffix`, and nothing else varies."""
        cut = places[0] if places else len(slots)
        self.prefix = "".join(slot for slot in slots[:cut] if isinstance(slot, str))
        self.suffix = "".join(slot for slot in slots[cut + 1 :] if isinstance(slot, str))
        pattern = ""
        seen = False
        for slot in slots:
            if isinstance(slot, str):
                pattern += re.escape(slot)
            elif isinstance(slot, TextSlot):
                pattern += "(?P=text)" if seen else "(?P<text>.*)"
                seen = True
            else:
                pattern += ".*"
        self._pattern = re.compile(pattern, re.DOTALL)
        self._has_text = seen

    def text(self, content: str) -> str | None:
        """The text that the message was made for; None if the task makes no such message.

        Where the message does not hold `{text}`, all of it stands for the text.
        """
        if self.constant:
            return "" if content == self.prefix else None
        if self.simple:
            fixed = len(self.prefix) + len(self.suffix)
            fits = content.startswith(self.prefix) and content.endswith(self.suffix)
            return (
                content[len(self.prefix) : len(content) - len(self.suffix)]
                if fits and len(content) >= fixed
                else None
            )
        match = self._pattern.fullmatch(content)
        if match is None:
            return None
        return match["text"] if self._has_text else content

    def difference(self, content: str) -> str:
        """Where a message that does not fit leaves the task's own; for messages to people."""
        own = self.prefix
        at = next(
            (place for place, (a, b) in enumerate(zip(own, content, strict=False)) if a != b),
            min(len(own), len(content)),
        )
        if at < len(own):
            return f'expected "{_around(own, at)}" but found "{_around(content, at)}" at character {at + 1}'
        if self.constant:
            return f'"{_around(content, at)}" follows where the task\'s message ends'
        if not content.endswith(self.suffix):
            return f'expected it to end with "{_around(self.suffix, len(self.suffix))}"'
        return "it does not fit the task's template"


def _around(text: str, at: int) -> str:
    return ("…" if at > 20 else "") + text[max(at - 20, 0) : at + 20].replace("\n", " ")
