"""How the rows of a table are asked: with the prompt that a model was tuned on, or in another manner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from labeltune.prediction.requests import request_form
from labeltune.task.answers import longest_answer
from labeltune.task.chat import Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.prediction.requests import RequestForm
    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.task.chat import Message

__all__ = ["Manner", "Rendering", "TaskPrompt"]


class Rendering(Protocol):
    """Makes messages of the rows of one table."""

    @property
    def text(self) -> Callable[[Sequence[str]], str]:
        """What a row is asked about; a row for which it is empty is not asked."""
        ...

    def messages(self, values: Sequence[str]) -> list[Message]:
        """The messages of a row: the same, whenever they are asked for."""
        ...


class Manner(Protocol):
    """How rows are asked."""

    @property
    def identity(self) -> str | None:
        """What tells its runs from those in another manner, for messages too; None for the task's prompt."""
        ...

    @property
    def longest(self) -> int:
        """About how many characters an answer has at most, for estimates."""
        ...

    def form(self, model: str, provider: Provider, *, confidence: bool) -> RequestForm:
        """What all requests have in common."""
        ...

    def rendering(self, header: Sequence[str], *, source: str) -> Rendering:
        """What makes messages of the rows of a table with these columns."""
        ...


class TaskPrompt:
    """The task's own prompt: what a model was tuned on."""

    identity = None

    def __init__(self, task: Task) -> None:
        self._task = task
        self.longest = len(longest_answer(task))

    def form(self, model: str, provider: Provider, *, confidence: bool) -> RequestForm:
        """See `request_form`."""
        return request_form(self._task, model, provider, confidence=confidence)

    def rendering(self, header: Sequence[str], *, source: str) -> Rendering:
        """See `Renderer`."""
        return Renderer(self._task, header, source=source)
