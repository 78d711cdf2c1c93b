"""The rows that people vouch for, measured apart from those whose labels, or texts, are a model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.patterns import Patterns
from labeltune.evaluation.metrics.quality import measure
from labeltune.evaluation.report.model import HumanRows
from labeltune.task.provenance import SOURCE, VERIFIED, is_human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, IntArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.metrics.scores import Pairs
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.tables import Table

__all__ = ["human_rows", "measure_human_rows", "measure_some"]


def measure_human_rows(
    predictions: Predictions, table: Table, shapes: Sequence[Shape], *, bootstrap: int, seed: int
) -> HumanRows | None:
    """The quality on rows that people labelled or looked at; None unless there are such rows and others."""
    human = human_rows(table)
    if human is None:
        return None
    inverse = predictions.patterns.inverse
    return measure_some(human, predictions.pairs, inverse, shapes, bootstrap=bootstrap, seed=seed)


def measure_some(
    human: BoolArray, pairs: Pairs, inverse: IntArray, shapes: Sequence[Shape], *, bootstrap: int, seed: int
) -> HumanRows | None:
    """The same from which rows people vouch for and the pattern of each row, (n_rows,) both."""
    if human.all() or not human.any():
        return None
    shown, first, numbers = np.unique(inverse[human], return_index=True, return_inverse=True)
    some = Patterns(
        first=first,
        counts=np.bincount(numbers, minlength=len(shown)).astype(np.int64),
        inverse=numbers.astype(np.int64),
    )
    quality = measure(pairs[shown], some, shapes, bootstrap=bootstrap, seed=seed)
    return HumanRows(rows=int(human.sum()), of=len(human), quality=quality)


def human_rows(table: Table) -> BoolArray | None:
    """(n_rows,) Whether people vouch for each row; None for a table that does not tell."""
    if SOURCE not in table.header:
        return None
    source = table.header.index(SOURCE)
    verified = table.header.index(VERIFIED) if VERIFIED in table.header else None
    return np.array(
        [is_human(row[source], "" if verified is None else row[verified]) for _, row in table], np.bool_
    )
