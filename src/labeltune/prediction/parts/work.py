"""A run over parts while it goes on: what it was given, and what came of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.prediction.export import Export

if TYPE_CHECKING:
    from labeltune.errors import DataError
    from labeltune.files.parts import Listing, Part, PartsOutput
    from labeltune.prediction.plan import Job
    from labeltune.prediction.sending import Sent
    from labeltune.prediction.story import Story

__all__ = ["PartsStory", "PartsWork", "Told", "tell_refused"]


class PartsStory:
    """Tells a run's rows together, whichever part they are of, with the part beside them."""

    def __init__(self, story: Story, parts: int) -> None:
        self._story, self._parts, self._part = story, parts, 0

    def next_part(self) -> None:
        """The next part is begun, or over."""
        self._part += 1

    def begin(self, rows: int | None) -> None:
        """So many requests are to be asked; None where nobody has counted them."""
        self._story.begin(rows)

    def advance(self, rows: int, /, **info: object) -> None:
        """So many more are over."""
        self._story.advance(rows, **info, part=f"{self._part:,}/{self._parts:,}")

    def note(self, message: str) -> None:
        """A line of the story."""
        self._story.note(message)

    def warn(self, message: str) -> None:
        """Something that should be known."""
        self._story.warn(message)

    def confirm(self, question: str) -> bool:
        """Whether to go on."""
        return self._story.confirm(question)


def tell_refused(story: Story, error: DataError) -> None:
    """Tell that a part is refused, by the first of what is wrong with it."""
    first, *rest = str(error).split("\n")
    story.warn(f"refused, the other parts go on: {first}{' …' if rest else ''}")


@dataclass(frozen=True, slots=True)
class Told:
    """Of a part that was made: the counts of its `Export` that warnings are about."""

    rows: int
    answered: int
    unspelled: int
    untold: int

    @classmethod
    def of(cls, export: Export) -> Told:
        """Those of an export, which itself cannot be sent from one process to another."""
        return cls(export.rows, export.answered, export.unspelled, export.untold)


@dataclass(slots=True)
class PartsWork:
    """What a run over parts was given, and what came of it."""

    job: Job
    listing: Listing
    run: PartsOutput
    made: int = 0
    sent: list[Sent] = field(default_factory=list)
    refused: dict[str, DataError] = field(default_factory=dict)
    labelled: bool = True
    kept: int = 0
    lost: int = 0
    stopped_by: int | None = None
    """The signal that ended it."""
    _told: Export = field(init=False, repr=False)
    """The counts of all parts that warnings are about."""

    def __post_init__(self) -> None:
        self._told = Export(self.job.task, self.job.options.probabilities)

    def refuse(self, part: Part, error: DataError) -> None:
        """A part is no good: it is told at once, and the others go on."""
        self.refused[part.input] = error
        tell_refused(self.job.story, error)

    def add(self, export: Export | Told, *, labelled: bool) -> None:
        """A part was made."""
        self.made += 1
        self.labelled = self.labelled and labelled
        self._told.answered += export.answered
        self._told.unspelled += export.unspelled
        self._told.untold += export.untold
        self._told.rows += export.rows

    def warn(self) -> None:
        """Say once for all parts what log-probabilities there are and do not tell."""
        for warning in self._told.warnings():
            self.job.story.warn(warning)
