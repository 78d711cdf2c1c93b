"""The settings of labelling by a model, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.collect.shots import Pick

__all__ = ["DEFAULT_OUTPUT", "AnnotateOptions", "beside"]

DEFAULT_OUTPUT = "annotated.csv"


@dataclass(frozen=True, slots=True)
class AnnotateOptions:
    """How rows are labelled.

    `examples`: a table of labelled rows besides those of the table itself. `shots`: examples in each prompt.
    `pick`: those near the row, or at random. `review_below`: rows with less confidence go to people, as do
    those without any. `sample`: so many labelled rows to be checked by people. `seed` of what is drawn.
    """

    examples: str | None = None
    shots: int = 8
    pick: Pick = "near"
    review_below: float | None = None
    sample: int = 0
    seed: int = 42


def beside(output: str, what: str) -> str:
    """The table for people that stands beside an output: `annotated.review.csv` beside `annotated.csv`."""
    path = Path(output)
    name = path.name.removesuffix(".gz")
    return str(path.with_name(f"{Path(name).stem}.{what}.csv"))
