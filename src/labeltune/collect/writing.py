"""Requests for a model to write something: messages that are made already, answers as JSON of one schema."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.files.tables.memory import MadeTable
from labeltune.prediction.costs import CHARACTERS_PER_TOKEN
from labeltune.prediction.export import outcome
from labeltune.prediction.replies import answer_of
from labeltune.prediction.requests import writing_form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.prediction.journal import Result
    from labeltune.prediction.requests import RequestForm
    from labeltune.providers import Provider
    from labeltune.task.chat import Message

__all__ = ["Reply", "WritingPrompt", "read_reply", "requests_table"]

_HEADER = ("system", "user")
_FENCE = re.compile(r"```[\w-]*\s*(.*?)\s*```", re.DOTALL)


def requests_table(name: str, requests: Sequence[tuple[str, str]]) -> MadeTable:
    """Requests, each a system and a user message, as a table that `WritingPrompt` renders."""
    return MadeTable(name, _HEADER, requests)


@dataclass(frozen=True)
class WritingPrompt:
    """The manner in which such requests are asked: `schema` and `room` for an answer, in tokens."""

    name: str
    schema: dict[str, Any]
    room: int
    temperature: float = 0.0

    @property
    def identity(self) -> str:
        """See `Manner`."""
        digest = hashlib.blake2b(orjson.dumps([self.schema, self.room, self.temperature]), digest_size=4)
        return f"{self.name} [{digest.hexdigest()}]"

    @property
    def longest(self) -> int:
        """See `Manner`."""
        return round(self.room * CHARACTERS_PER_TOKEN)

    def form(self, model: str, provider: Provider, *, confidence: bool) -> RequestForm:
        """See `writing_form`; nothing is asked about how sure a text is."""
        del confidence
        return writing_form(model, provider, schema=self.schema, temperature=self.temperature, room=self.room)

    def rendering(self, header: Sequence[str], *, source: str) -> _Rendering:
        """See `Manner`."""
        del header, source
        return _Rendering()


class _Rendering:
    text: Callable[[Sequence[str]], str] = staticmethod(lambda values: values[1])

    @staticmethod
    def messages(values: Sequence[str]) -> list[Message]:
        """The two messages as they are; a system message that is empty is left out."""
        return [
            {"role": role, "content": content}
            for role, content in zip(_HEADER, values, strict=True)
            if content
        ]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: the JSON object that was answered, or the problem; and the raw answer."""

    document: dict[str, Any] | None
    problem: str = ""
    answer: str = ""


def read_reply(result: Result) -> Reply:
    """The JSON object of an answer; a code fence around it is taken off, words around it are not."""
    choice, shown, problem = outcome(result)
    if choice is None or problem:
        return Reply(None, problem, shown)
    answer = answer_of(choice)
    if not answer.strip():
        return Reply(None, "empty", shown)
    fenced = _FENCE.fullmatch(answer.strip())
    try:
        document = orjson.loads(fenced[1] if fenced else answer)
    except ValueError:
        return Reply(None, "not_json", shown)
    if not isinstance(document, dict):
        return Reply(None, "bad_schema", shown)
    return Reply(document, "", shown)
