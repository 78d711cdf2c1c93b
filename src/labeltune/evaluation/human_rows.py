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

    from labeltune.evaluation.metrics.patterns import BoolArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.tables import Table

__all__ = ["measure_human_rows"]


def measure_human_rows(
    predictions: Predictions, table: Table, shapes: Sequence[Shape], *, bootstrap: int, seed: int
) -> HumanRows | None:
    """The quality on rows that people labelled or looked at; None unless there are such rows and others."""
    human = _human(table)
    if human is None or human.all() or not human.any():
        return None
    patterns = predictions.patterns
    shown, inverse = np.unique(patterns.inverse[human], return_inverse=True)
    some = Patterns(
        first=patterns.first[shown],
        counts=np.bincount(inverse, minlength=len(shown)).astype(np.int64),
        inverse=inverse.astype(np.int64),
    )
    quality = measure(predictions.pairs[shown], some, shapes, bootstrap=bootstrap, seed=seed)
    return HumanRows(rows=int(human.sum()), of=len(human), quality=quality)


def _human(table: Table) -> BoolArray | None:
    """(n_rows,) Whether people vouch for each row; None for a table that does not tell."""
    if SOURCE not in table.header:
        return None
    source = table.header.index(SOURCE)
    verified = table.header.index(VERIFIED) if VERIFIED in table.header else None
    return np.array(
        [is_human(row[source], "" if verified is None else row[verified]) for _, row in table], np.bool_
    )
