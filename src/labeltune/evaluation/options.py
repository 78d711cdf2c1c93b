"""What `evaluate` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.evaluation.metrics.quality import BOOTSTRAP, SEED
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    import os

    from labeltune.evaluation.gates import Gate

__all__ = ["EvaluateOptions", "Review"]


@dataclass(frozen=True, slots=True)
class Review:
    """Which rows a person should look at, and where they are written."""

    below: float
    """the confidence under which a row is for review"""
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked for besides the figures."""

    bootstrap: int = BOOTSTRAP
    seed: int = SEED
    compare: tuple[str, ...] = ()
    """other predictions for the same rows"""
    thresholds: str | None = None
    """a file of thresholds to predict with anew"""
    review: Review | None = None
    errors: bool = False
    """whether the report should hold wrong rows with their texts"""
    training: str | None = None
    """a job's events or result file, whose figures by step the report should hold"""
    gates: tuple[Gate, ...] = ()
    read: ReadOptions = NOTHING_TOLD
    """how the tables are read, before what is found"""
    not_worse_than: str | None = None
    """other predictions that these must not be shown to be worse than"""
    margin: float | None = None
    """by how much macro-F1 may be lower than there at the most, which must then be shown"""
    state: str | os.PathLike[str] = STATE_FOLDER
    """where the journals of prediction runs are, which know what they cost"""
    why: bool = False
    """whether wrong rows should tell the words that decided; the model that answered is asked for them"""
    texts: bool = True
    """whether the report may hold a word of any row"""
    distributed: str | None = None
    """the cluster that is to read the parts of a folder: `ray` or `ray:HOST:PORT`"""
    workers: int | None = None
    """how many of its workers, by default one for each CPU"""
    date: str = ""
    """the day of the predictions, for the title"""

    @property
    def side_by_side(self) -> tuple[str, ...]:
        """The options that need all rows side by side, by their names."""
        wanted = {
            "--compare": self.compare,
            "--fail-if-worse": self.not_worse_than,
            "--thresholds": self.thresholds,
            "--review-below": self.review,
            "--why": self.why,
        }
        return tuple(name for name, value in wanted.items() if value)

    @property
    def others(self) -> tuple[str, ...]:
        """All predictions that these are compared with, each once."""
        return tuple(dict.fromkeys([*self.compare, *filter(None, [self.not_worse_than])]))
