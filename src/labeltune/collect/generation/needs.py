"""How many texts of which labels: what each label lacks of the number that it should come to."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from labeltune.collect.generation.plan import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.collect.generation.confusion import Errors
    from labeltune.collect.labelled import Labelled
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["needed_cells"]


def needed_cells(
    task: Task, rows: Sequence[Labelled], to: int, *, errors: Errors | None, seed: int
) -> tuple[Cell, ...]:
    """For each combination of labels, how many texts bring all labels to `to` rows.

    With `errors` only those rows of a label count that a model learnt something from: its rows times its
    recall. Combinations are those of the rows, and of labels that no row has those that the task allows. The
    label that lacks most comes first, in a combination drawn as often as rows have it.
    """
    counts = Counter(row.labels for row in rows)
    has = Counter((place, label) for row in rows for place, own in enumerate(row.labels) for label in own)
    lacks: dict[tuple[int, str], int] = {}
    for place, field in enumerate(task.fields):
        for label in field.labels:
            known = (place, label)
            worth = has[known] * (1.0 if errors is None else errors.recall(known))
            lacks[known] = max(0, to - round(worth))
    chance = random.Random(f"{seed} needs")  # noqa: S311  # not for secrets
    planned: Counter[Labels] = Counter()
    order = {known: number for number, known in enumerate(lacks)}
    while True:
        known, missing = max(lacks.items(), key=lambda item: (item[1], -order[item[0]]))
        if missing <= 0:
            break
        labels = _with(task, known, counts, chance)
        if labels is None:
            lacks[known] = 0
            continue
        planned[labels] += 1
        for place, own in enumerate(labels):
            for label in own:
                lacks[place, label] -= 1
    names = list(dict.fromkeys([*counts, *planned]))
    return tuple(Cell(labels, planned[labels]) for labels in names if planned[labels])


def _with(
    task: Task, known: tuple[int, str], counts: Counter[Labels], chance: random.Random
) -> Labels | None:
    """A combination that has this label; None if the task allows none that could be named."""
    place, label = known
    own = {labels: count for labels, count in counts.items() if label in labels[place]}
    if own:
        return chance.choices(list(own), weights=list(own.values()))[0]
    return _allowed(task, place, label)


def _allowed(task: Task, place: int, label: str) -> Labels | None:
    """The plainest combination with a label that no row has."""
    chosen: list[tuple[str, ...]] = [()] * len(task.fields)
    chosen[place] = (label,)
    names = [field.name for field in task.fields]
    for number in range(len(task.fields) - 1, -1, -1):
        field = task.fields[number]
        if field.parent is not None and chosen[number]:
            upper = next(upper for upper, lowers in field.children.items() if chosen[number][0] in lowers)
            above = names.index(field.parent)
            if chosen[above] not in ((), (upper,)):
                return None
            chosen[above] = (upper,)
    for number, field in enumerate(task.fields):
        if field.type == "single" and not chosen[number]:
            lowers = field.labels
            if field.parent is not None:
                lowers = field.children.get(chosen[names.index(field.parent)][0], ())
            if not lowers:
                return None
            chosen[number] = (lowers[0],)
    return tuple(chosen)
