"""Predictions of a table: what was true, what was answered, how sure the model was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.task.columns import probability_columns
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.evaluation.ids import Ids
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray, Patterns
    from labeltune.evaluation.metrics.scores import Pairs
    from labeltune.task import Task

__all__ = ["UNNAMED_PROBLEM", "Predictions", "require_probabilities"]

UNNAMED_PROBLEM = "unknown"
"""The problem of a row without an answer in a table that names none."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """One file of predictions. Arrays by row are in the order of the file."""

    source: str
    labels: tuple[str, ...]
    """(n_labels,) in task order"""
    pairs: Pairs
    """one line per pattern"""
    patterns: Patterns
    problems: Mapping[str, int]
    """how many answers were invalid for which reason, the commonest first"""
    lines: IntArray
    """(n_rows,) the line each row begins on"""
    texts: IntArray
    """(n_rows,) a digest of each row's text columns; (0,) if they were read without"""
    ids: Ids | None
    """(n_rows,) None if the task has no id column or the table lacks it"""
    confidence: FloatArray | None
    """(n_rows,) NaN where none was given; None if the table has no such column"""
    probabilities: FloatArray | None
    """(n_rows, n_labels), NaN where none was given; None if the table lacks a column of them"""
    unsure: BoolArray
    """(n_rows,) valid answers that are too doubtful to be relied on"""
    lacks: tuple[str, ...] = ()
    """columns of probabilities that the table lacks, though it has others of them"""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.patterns.rows

    def predicted(self, row: int) -> tuple[str, ...]:
        """The predicted labels of a row, in task order."""
        return self._named(self.pairs.pred, row)

    def true(self, row: int) -> tuple[str, ...]:
        """The true labels of a row, in task order."""
        return self._named(self.pairs.true, row)

    def _named(self, vectors: BoolArray, row: int) -> tuple[str, ...]:
        places = np.flatnonzero(vectors[self.patterns.inverse[row]])
        return tuple(self.labels[place] for place in places)

    def warnings(self) -> list[str]:
        """What should be known of the table: ids that occur more than once, probabilities left aside."""
        repeated = [] if self.ids is None else self.ids.repeated()
        said = []
        if repeated:
            repeats = counted(len(repeated), "id occurs", "ids occur")
            said.append(f'{repeats} more than once, such as "{repeated[0]}"')
        if self.lacks:
            said.append(
                f'the other probabilities are not used, for there is no column "{self.lacks[0]}"'
                + (f" (nor {len(self.lacks) - 1:,} more)" if len(self.lacks) > 1 else "")
            )
        return [f"{self.source}: {one}" for one in said]


def require_probabilities(predictions: Predictions, task: Task) -> FloatArray:
    """(n_rows, n_labels). Raises `DataError` where there are none."""
    probabilities = predictions.probabilities
    columns = probability_columns(task)
    if probabilities is not None and np.isnan(probabilities).any(axis=1).all():
        raise DataError(
            f'{predictions.source}: no row has a probability for every label, "{columns[0]}" and so on',
            hint="a list tells that of labels that it holds only; answers as flags tell all",
        )
    if probabilities is None:
        raise DataError(
            f'{predictions.source}: there are no probabilities: columns "{columns[0]}" and so on are needed',
            hint="labeltune predict DATA --model MODEL --probabilities writes them",
        )
    return probabilities
