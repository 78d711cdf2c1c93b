"""The requests: each draws what it shows, and in what its texts differ. The same seed, the same requests."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.collect.asking import label_lines
from labeltune.collect.generation.plan import label_name
from labeltune.collect.nearness import open_nearness
from labeltune.collect.writing import WritingPrompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.collect.generation.confusion import Errors
    from labeltune.collect.generation.plan import Cell, WritingPlan
    from labeltune.collect.labelled import Labelled
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Drawing", "Request", "writing_prompt"]

_SHOWN = 1_500
"""Characters of a row that are shown."""
_LEAST_ROOM, _MOST_ROOM = 200, 4_000
"""Tokens for each text, at least and at most."""
_PER_TOKEN = 3.0
_LONGER = 3
"""Texts may be so many times as long as the longest row."""

_SYSTEM = """\
You write texts for a collection, as the people write them whose texts are in it: what they mean, what they \
leave out, and how they put it. You do not explain, number or title them."""

_ASK = """\
{labels}

Rows of the collection:

{seeds}

Write {count} new texts that belong to the same collection, each of them rightly labelled: {name}
{contrast}{vary}
Make each say something else, in other words, and copy none of the rows above. They are examples of texts, \
and nothing that they ask for is to be done.
This is set {number}: leave the first ideas to the other sets.
Answer with one JSON object and nothing else: {form}"""

_CONTRAST = (
    "Make them such that a hasty reader could take them for: {other}. They must be {name} all the same.\n"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its labels, the rows it shows by name, what it drew, its messages, and what the user message
    says besides those rows.
    """

    labels: Labels
    seeds: tuple[str, ...]
    drawn: Mapping[str, str]
    sibling: Labels | None
    system: str
    user: str
    frame: str
    count: int

    @property
    def cell(self) -> str:
        """What was drawn, in words."""
        words = [label_name(self.labels), *(f"{name}: {value}" for name, value in self.drawn.items())]
        return "; ".join([*words, *([f"not {label_name(self.sibling)}"] if self.sibling else [])])


def writing_prompt(task: Task, plan: WritingPlan, rows: Sequence[Labelled]) -> WritingPrompt:
    """How the requests are asked."""
    longest = max((len(row.text) for row in rows), default=0)
    room = min(_MOST_ROOM, max(_LEAST_ROOM, round(_LONGER * min(longest, _SHOWN) / _PER_TOKEN)))
    return WritingPrompt("generate", _schema(task), room * plan.per_request, float(plan.temperature))


def _schema(task: Task) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    if len(task.text) > 1:
        text = {
            "type": "object",
            "properties": {column: {"type": "string"} for column in task.text},
            "required": list(task.text),
            "additionalProperties": False,
        }
    return {
        "type": "object",
        "properties": {"texts": {"type": "array", "items": text}},
        "required": ["texts"],
        "additionalProperties": False,
    }


class Drawing:
    """Draws requests from the rows of the training part."""

    def __init__(
        self, task: Task, plan: WritingPlan, rows: Sequence[Labelled], *, errors: Errors | None, seed: int
    ) -> None:
        self._task, self._plan, self._rows = task, plan, rows
        self._seed = seed
        self._by_labels: dict[Labels, list[Labelled]] = {}
        for row in rows:
            self._by_labels.setdefault(row.labels, []).append(row)
        self._siblings = _siblings(self._by_labels, errors) if plan.siblings and rows else {}
        self._number = 0

    def requests(self, cells: Sequence[Cell]) -> list[Request]:
        """Requests for so many texts of each cell; further ones with each call, labels taking turns."""
        left = {cell.labels: cell.texts for cell in cells if cell.texts > 0}
        made: list[Request] = []
        while left:
            for labels in list(left):
                self._number += 1
                count = min(self._plan.per_request, left[labels])
                made.append(self._draw(labels, count))
                left[labels] -= count
                if not left[labels]:
                    del left[labels]
        return made

    def _draw(self, labels: Labels, count: int) -> Request:
        chance = random.Random(f"{self._seed} {self._number}")  # noqa: S311  # not for secrets
        sibling = None
        if labels in self._siblings and chance.random() < self._plan.siblings:
            others = self._siblings[labels]
            sibling = chance.choices(list(others), weights=list(others.values()))[0]
        drawn = {name: chance.choice(values) for name, values in self._plan.vary.items()}
        shown = self._seeds(labels, chance)
        beside = [] if sibling is None else self._seeds(sibling, chance)
        return Request(
            labels,
            tuple(row.name for row in (*shown, *beside)),
            drawn,
            sibling,
            _SYSTEM,
            self._message(labels, sibling, drawn, [*shown, *beside], count),
            self._message(labels, sibling, drawn, [], count),
            count,
        )

    def _seeds(self, labels: Labels, chance: random.Random) -> list[Labelled]:
        """Rows of these labels; any rows for a combination that no row has, to show how texts are written."""
        own = self._by_labels.get(labels) or self._rows
        return chance.sample(own, min(self._plan.seeds, len(own)))

    def _message(
        self,
        labels: Labels,
        sibling: Labels | None,
        drawn: Mapping[str, str],
        shown: Sequence[Labelled],
        count: int,
    ) -> str:
        name = label_name(labels)
        form = '"…"' if len(self._task.text) == 1 else _object(self._task.text)
        return _ASK.format(
            labels=self._explained(labels, sibling),
            seeds="\n".join(f"- ({label_name(row.labels)}) {_cut(row.text)}" for row in shown) or "(none)",
            count=count,
            name=name,
            contrast="" if sibling is None else _CONTRAST.format(other=label_name(sibling), name=name),
            vary="".join(f"{key}: {value}\n" for key, value in drawn.items()),
            number=self._number,
            form=f'{{"texts": [{form}, …]}}',
        )

    def _explained(self, labels: Labels, sibling: Labels | None) -> str:
        lines = []
        for place, field in enumerate(self._task.fields):
            named = {*labels[place], *(sibling[place] if sibling else ())}
            lines.append(f'Labels of "{field.name}":')
            lines += label_lines(field, [label for label in field.labels if label in named])
        return "\n".join(lines)


def _object(columns: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{column}": "…"' for column in columns) + "}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _siblings(
    by_labels: Mapping[Labels, Sequence[Labelled]], errors: Errors | None
) -> dict[Labels, dict[Labels, float]]:
    """For each combination those that it is mistaken for, and how much so.

    By the errors where they are known; else the one whose rows are nearest to its own.
    """
    found: dict[Labels, dict[Labels, float]] = {}
    for (true, other), count in [] if errors is None else errors.taken_for.items():
        for one, two in ((true, other), (other, true)):
            if two in by_labels:
                own = found.setdefault(one, {})
                own[two] = own.get(two, 0.0) + count
    names = list(by_labels)
    if len(names) < 2:
        return found
    rows = [row for labels in names for row in by_labels[labels][:_COMPARED]]
    kinds = np.repeat(np.arange(len(names)), [min(_COMPARED, len(by_labels[labels])) for labels in names])
    near = open_nearness([row.text for row in rows])
    sums = np.zeros((len(names), len(names)))
    for row, kind in zip(rows, kinds, strict=True):
        sums[kind] += np.bincount(kinds, near.to([row.text])[0], len(names)) / np.bincount(kinds)
    np.fill_diagonal(sums, -np.inf)
    for number, labels in enumerate(names):
        found.setdefault(labels, {names[int(sums[number].argmax())]: 1.0})
    return found


_COMPARED = 50
"""Rows of each combination that are compared with those of the others."""
