"""The plan of what is to be written: labels, how many texts, and in what they differ besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.task.labels import Labels

__all__ = ["USUAL_VARIETY", "Cell", "WritingPlan", "label_name"]

USUAL_VARIETY: Mapping[str, tuple[str, ...]] = {
    "length": ("a few words", "one sentence", "two or three sentences", "a short paragraph"),
    "manner": ("matter-of-fact", "polite", "annoyed", "in a hurry, with a slip of the pen"),
    "detail": (
        "none beyond what is needed",
        "one concrete detail, such as a name, a date or an amount",
        "many",
    ),
}
"""What is varied where no model has proposed anything better."""


@dataclass(frozen=True, slots=True)
class Cell:
    """So many texts of these labels."""

    labels: Labels
    texts: int


@dataclass(frozen=True, slots=True)
class WritingPlan:
    """What is to be written. `to`: the number of rows that each label should come to.

    `per_request` texts are asked for at once, shown `seeds` rows of the same labels; a share `siblings` of
    the requests shows two combinations of labels that are mistaken for each other. `vary`: by name the values
    of which each request draws one.
    """

    to: int
    cells: tuple[Cell, ...]
    vary: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(USUAL_VARIETY))
    per_request: int = 5
    seeds: int = 3
    siblings: float = 0.3
    temperature: float = 1.0

    @property
    def texts(self) -> int:
        """How many texts in all."""
        return sum(cell.texts for cell in self.cells)


def label_name(labels: Labels) -> str:
    """Labels as people read them: `Billing / Refund`, `joy, anger`."""
    return " / ".join(", ".join(found) or "none" for found in labels)
