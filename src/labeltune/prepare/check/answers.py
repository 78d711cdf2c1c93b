"""Answers of records: read once each, with what is wrong with them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from labeltune.errors import did_you_mean
from labeltune.prepare.check.finding_log import clip
from labeltune.task.answers import decode_answer, encode_answer
from labeltune.task.labels import Labels

if TYPE_CHECKING:
    from labeltune.task import Task

__all__ = ["LONGEST_KEPT", "MOST_KEPT", "AnswerReader", "Problem"]

Problem = tuple[str, str]
"""A finding's code and message."""

MOST_KEPT, LONGEST_KEPT = 100_000, 1_000
"""So many answers are kept, of so many characters at most."""


class AnswerReader(dict[str, tuple[Labels | None, Problem | None]]):
    """For each answer its labels and its problem; a file has few distinct ones, so they are kept."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def __missing__(self, answer: str) -> tuple[Labels | None, Problem | None]:
        read = self._read(answer)
        if len(self) < MOST_KEPT and len(answer) <= LONGEST_KEPT:
            self[answer] = read
        return read

    def _read(self, answer: str) -> tuple[Labels | None, Problem | None]:
        task = self._task
        decoded = decode_answer(task, answer)
        if decoded.labels is None:
            near = self._nearest(answer)
            return None, (
                "bad_answer",
                f'answer "{clip(answer)}" is not one of {task.source}: {decoded.problem}{near}',
            )
        if decoded.normalised:
            own = encode_answer(task, decoded.labels)
            spelled = f'spells it "{clip(own)}"' if own is not None else "has no answer for it"
            shown = clip(answer)
            if own is not None and shown == clip(own):  # they differ in what a message does not show
                shown = json.dumps(answer[:LONGEST_KEPT], ensure_ascii=shown == answer)[1:-1]
            return decoded.labels, ("respelt_answer", f'answer "{shown}": {task.source} {spelled}')
        return decoded.labels, None

    def _nearest(self, answer: str) -> str:
        """What the first piece that is no label may have meant."""
        task = self._task
        names = (*task.labels, *(field.name for field in task.fields))
        known = {name.casefold() for name in names}
        if task.answer.format in ("json", "flags"):
            pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', answer)
        elif task.answer.format == "list":
            pieces = answer.split(task.answer.separator.strip() or task.answer.separator)
        else:
            pieces = [answer]
        unknown = next((piece for piece in pieces if piece.strip().casefold() not in known), None)
        return did_you_mean(unknown[:200], names) if unknown and unknown.strip() else ""
