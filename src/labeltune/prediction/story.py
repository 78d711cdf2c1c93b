"""What a prediction run tells while it goes on; the command line prints it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Silence", "Story"]


class Story(Protocol):
    """Listens to a run."""

    def begin(self, rows: int | None) -> None:
        """So many requests are to be asked; None where they are not counted beforehand."""
        ...

    def advance(self, rows: int, /, **info: object) -> None:
        """So many more are over."""
        ...

    def note(self, message: str) -> None:
        """A line of the story."""
        ...

    def warn(self, message: str) -> None:
        """Something that should be known."""
        ...

    def confirm(self, question: str) -> bool:
        """Whether to go on. Raises `SettingsError` where nobody can be asked."""
        ...


class Silence:
    """Tells nobody."""

    def begin(self, rows: int | None) -> None:
        """Nothing."""

    def advance(self, rows: int, /, **info: object) -> None:
        """Nothing."""

    def note(self, message: str) -> None:
        """Nothing."""

    def warn(self, message: str) -> None:
        """Nothing."""

    def confirm(self, question: str) -> bool:
        """No."""
        del question
        return False
