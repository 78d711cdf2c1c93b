"""Two files of predictions for the same rows, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.confidence import compare_probabilities
from labeltune.evaluation.metrics.paired import compare_paired, holm
from labeltune.evaluation.metrics.quality import metrics_of_vector
from labeltune.evaluation.report.model import Comparison, OtherAnswer
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import IntArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.predictions import Predictions

__all__ = ["SHOWN_ROWS", "compare"]

SHOWN_ROWS = 10
"""How many of the rows won and lost are named."""


def compare(
    ours: Predictions, others: Sequence[Predictions], shapes: Sequence[Shape], *, bootstrap: int, seed: int
) -> tuple[Comparison, ...]:
    """Compare with each of `others`.

    Raises `DataError` where the rows, their texts or their true labels are not the same.
    """
    metrics = metrics_of_vector(shapes)
    found = []
    for other in others:
        order = _align(ours, other)
        mine, theirs = ours.patterns.inverse, other.patterns.inverse[order]
        result = compare_paired(
            (ours.pairs, mine), (other.pairs, theirs), metrics, bootstrap=bootstrap, seed=seed
        )
        ranked = compare_probabilities(ours, other, order, shapes, bootstrap=bootstrap, seed=seed)
        right, right_there = ours.pairs.right[mine], other.pairs.right[theirs]
        won, lost = (
            tuple(_answer(ours, other, place, order) for place in np.flatnonzero(rows)[:SHOWN_ROWS])
            for rows in (right & ~right_there, ~right & right_there)
        )
        found.append((other, result, ranked, won, lost))
    adjusted = holm([result.p for _, result, *_ in found])
    verdicts = holm([result.differences[Comparison.HEADLINE].p for _, result, *_ in found])
    return tuple(
        Comparison(
            source=ours.source,
            other=other.source,
            result=result,
            ranked=ranked,
            p_holm=p_holm,
            headline_p_holm=verdict_p,
            won=won,
            lost=lost,
        )
        for (other, result, ranked, won, lost), p_holm, verdict_p in zip(
            found, adjusted, verdicts, strict=True
        )
    )


def _answer(ours: Predictions, other: Predictions, place: int, order: IntArray) -> OtherAnswer:
    """What the other said to our row at `place`."""
    there = int(order[place])
    return OtherAnswer(
        line=int(ours.lines[place]),
        predicted=other.predicted(there),
        valid=bool(other.pairs.valid[other.patterns.inverse[there]]),
    )


def _align(ours: Predictions, other: Predictions) -> IntArray:
    """Where each of our rows stands in the other file: by id if there is one, else in the same order."""
    if ours.ids is not None and other.ids is not None:
        order = _by_id(ours, other)
    elif ours.rows != other.rows:
        raise DataError(
            f"{other.source}: {counted(other.rows, 'row')}, but {ours.source} has {ours.rows:,}",
            hint="a comparison needs the same rows; with id = COLUMN in the task file, in any order",
        )
    else:
        order = np.arange(ours.rows)
    for what, same in (
        ("the text differs", ours.texts == other.texts[order]),
        ("the labels differ", _same_truth(ours, other, order)),
    ):
        different = np.flatnonzero(~same)
        if different.size:
            first = int(different[0])
            raise DataError(
                f"{other.where(int(order[first]))}: {what} from "
                f"{ours.where(first)} ({different.size:,} such rows)",
                hint="a comparison needs predictions for the same rows",
            )
    return order


def _same_truth(ours: Predictions, other: Predictions, order: IntArray) -> IntArray:
    mine = ours.pairs.true[ours.patterns.inverse]
    theirs = other.pairs.true[other.patterns.inverse[order]]
    same: IntArray = (mine == theirs).all(axis=1)
    return same


def _by_id(ours: Predictions, other: Predictions) -> IntArray:
    places = _places(other)
    mine = _places(ours)
    for one, its, there in ((ours, mine, places), (other, places, mine)):
        missing = [name for name in its if name not in there]
        if missing:
            named = ", ".join(f'"{name}"' for name in missing[:5])
            elsewhere = other if one is ours else ours
            raise DataError(
                f"{elsewhere.source}: lacks {counted(len(missing), 'row')} that {one.source} has, "
                f"such as id {named}",
                hint="a comparison needs predictions for the same rows",
            )
    assert ours.ids is not None
    return np.array([places[name] for name in ours.ids], dtype=np.int64)


def _places(predictions: Predictions) -> dict[str, int]:
    """The place of each id. Raises `DataError` for one that occurs twice."""
    assert predictions.ids is not None
    places: dict[str, int] = {}
    for place, name in enumerate(predictions.ids):
        first = places.setdefault(name, place)
        if first != place:
            raise DataError(
                f'{predictions.where(place)}: id "{name}" is already that of '
                f"{predictions.where(first, source=False)}",
                hint="a comparison needs each row once",
            )
    return places
