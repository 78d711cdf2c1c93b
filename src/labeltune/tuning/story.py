"""What is told while a job is made and watched; the command line prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labeltune.providers.lenient import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

__all__ = ["Event", "Silence", "Story"]

_MOST = 1e300
"""Beyond any number that a training tells of; a whole one of a server may be too large for a float."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; `metrics` are the numbers that came with it, by name."""

    id: str
    created_at: int
    level: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, event: FineTuningJobEvent) -> Event:
        """From the SDK's."""
        data = event.data if isinstance(event.data, dict) else {}
        numbers = {
            str(key): float(value)
            for key, value in data.items()
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST
        }
        created_at = whole_number(event.created_at) or 0
        return cls(event.id, created_at, str(event.level), str(event.message or ""), numbers)


class Story(Protocol):
    """Who is told what happens while a job is made and watched."""

    def note(self, message: str) -> None:
        """A line of the story."""

    def warn(self, message: str) -> None:
        """Something that should be known."""

    def job(self, job: FineTuningJob) -> None:
        """The job has another status than before."""

    def event(self, event: Event) -> None:
        """An event of the job; each comes once, in order."""


class Silence:
    """A story that nobody hears."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    def job(self, job: FineTuningJob) -> None:
        """Say nothing."""

    def event(self, event: Event) -> None:
        """Say nothing."""
