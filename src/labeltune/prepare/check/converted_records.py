"""Records as convert writes them, known by the bytes around text and answer without reading the rest.

Whatever is read here is what the JSON of the line says; for any other line, nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from labeltune.prepare.check.answers import LONGEST_KEPT, MOST_KEPT
from labeltune.prepare.check.part import MAY_BE_SPECIAL

if TYPE_CHECKING:
    from labeltune.prepare.check.answers import AnswerReader, Problem
    from labeltune.prepare.check.prompts import PromptForm
    from labeltune.task.labels import Labels

    Known = tuple[str, Labels | None, Problem | None]
    """An answer, its labels, and what is wrong with it."""

__all__ = ["RecordReader", "WrittenForm"]

RecordReader = Callable[[bytes], "tuple[str, Known] | None"]
"""Text and answer of a line; None if it has another form."""

_SPELLINGS = [
    (separators, ascii_only) for separators in ((", ", ": "), (",", ":")) for ascii_only in (False, True)
]
"""How JSON is written by most programs: with and without space, and signs beyond ASCII escaped or not."""

_SLOT = "\0"
_ESCAPED_SLOT = b"\\u0000"


class WrittenForm:
    """The records of a task whose prompt has the text between fixed parts."""

    def __init__(self, system: PromptForm | None, user: PromptForm, answers: AnswerReader) -> None:
        messages = [] if system is None else [{"role": "system", "content": system.prefix}]
        messages += [
            {"role": "user", "content": user.prefix + _SLOT + user.suffix},
            {"role": "assistant", "content": _SLOT},
        ]
        self._frames = [
            json.dumps({"messages": messages}, separators=separators, ensure_ascii=ascii_only)
            .encode("utf-8", "surrogatepass")
            .split(_ESCAPED_SLOT)
            for separators, ascii_only in _SPELLINGS
        ]
        self._answers = _Answers(answers)

    def reader(self, first: bytes) -> RecordReader:
        """What reads the records that are written like this one."""
        bare = first.rstrip(b"\r\n")
        frame = next((frame for frame in self._frames if bare.startswith(frame[0])), self._frames[0])
        if len(frame) != 3:  # a NUL in the prompt itself
            return lambda _: None
        head, middle, tail = frame
        tail += first[len(bare) :]
        start, end = len(head), -len(tail)
        answers, loads = self._answers, orjson.loads
        sign = MAY_BE_SPECIAL[0]

        def read(line: bytes) -> tuple[str, Known] | None:
            if not (line.startswith(head) and line.endswith(tail)):
                return None
            # The middle has bare quotes, which no text and no answer in JSON has: it stands there once.
            escaped, found, answer = line[start:end].rpartition(middle)
            if not found:
                return None
            known = answers[answer]
            if known is None:
                return None
            try:
                text: str = loads(b'"%b"' % escaped)
            except orjson.JSONDecodeError:
                return None
            # One sign is found far sooner than two.
            if sign in text and MAY_BE_SPECIAL in text:
                return None
            return text, known

        return read


class _Answers(dict[bytes, "Known | None"]):
    """For answers in JSON, without the quotes, what is known of them; None if they need a closer look."""

    def __init__(self, answers: AnswerReader) -> None:
        super().__init__()
        self._answers = answers

    def __missing__(self, escaped: bytes) -> Known | None:
        known = self._read(escaped)
        if len(self) < MOST_KEPT and len(escaped) <= LONGEST_KEPT:
            self[escaped] = known
        return known

    def _read(self, escaped: bytes) -> Known | None:
        try:
            answer: str = orjson.loads(b'"%b"' % escaped)
        except orjson.JSONDecodeError:
            return None
        if not answer.strip() or MAY_BE_SPECIAL in answer:
            return None
        return answer, *self._answers[answer]
