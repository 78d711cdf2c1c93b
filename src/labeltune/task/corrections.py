"""Labels as people write them in one cell, and the columns in which they correct them.

A question is what one cell answers: a single field with those that refine it (a path), or a multi field. A
path is spelled `parent > child`, several labels as the task's lists are, and no label at all by a word, so
that an empty cell can mean that nobody has looked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from labeltune.errors import did_you_mean
from labeltune.task.cells import list_items, nfc
from labeltune.task.label_cells import LabelCellError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.task.labels import Labels
    from labeltune.task.model import Task
    from labeltune.task.parts import Field

__all__ = ["LINE", "PATH_SIGN", "Path", "Question", "correction_columns", "questions_of"]

LINE = "line"
"""In a table of suspects: where the row stands in the table that they were found in."""
PATH_SIGN = " > "
_NO_LABEL = "none"
_EMPTY_LIST = "[]"

Path = tuple[str, ...]
"""The labels of a question's single fields, one each; or those that apply of a multi field."""


@dataclass(frozen=True)
class Question:
    """Fields that one cell answers.

    `places` are theirs in the task; `alone`: whether it is the task's only question.
    """

    task: Task
    places: tuple[int, ...]
    alone: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, a parent before its children."""
        return tuple(self.task.fields[place] for place in self.places)

    @property
    def is_multi(self) -> bool:
        """Whether any number of labels may apply."""
        return self.fields[0].type == "multi"

    def column(self, kind: Literal["given", "proposed", "second", "correct"]) -> str:
        """The column of one kind, such as `correct_label` or `correct_labels`; of several `correct_FIELD`."""
        if not self.alone:
            return f"{kind}_{self.fields[-1].name}"
        return f"{kind}_labels" if self.is_multi else f"{kind}_label"

    def of(self, labels: Labels) -> Path:
        """What an example's labels answer."""
        return tuple(label for place in self.places for label in labels[place])

    def into(self, labels: Labels, path: Path) -> Labels:
        """An example's labels with this question answered otherwise."""
        answers = [path] if self.is_multi else [(label,) for label in path]
        own = dict(zip(self.places, answers, strict=True))
        return tuple(own.get(place, found) for place, found in enumerate(labels))

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Every legal answer of single fields."""
        paths: list[Path] = [()]
        names = [field.name for field in self.fields]
        for field in self.fields:
            paths = [
                (*path, label)
                for path in paths
                for label in (
                    field.labels
                    if field.parent is None
                    else field.children.get(path[names.index(field.parent)], ())
                )
            ]
        return tuple(paths)

    def spell(self, path: Path) -> str:
        """An answer as one cell."""
        if not self.is_multi:
            return PATH_SIGN.join(path)
        if not path:
            return self._none
        sign = self._separator
        joined = sign.join(path)
        is_plain = all(
            sign.strip() not in label and label == label.strip() for label in self.fields[0].labels
        )
        return joined if is_plain else json.dumps(list(path), ensure_ascii=False)

    def read(self, cell: str, column: str) -> Path | None:
        """The answer in a cell; None for an empty one. Raises `LabelCellError` for what is no label."""
        bare = nfc(cell.strip())
        if not bare:
            return None
        return self._labels(bare, column) if self.is_multi else self._path(bare, column)

    def _labels(self, cell: str, column: str) -> Path:
        field = self.fields[0]
        known = {nfc(label.strip()): label for label in field.labels}
        if cell not in known and cell in (_EMPTY_LIST, self._none):
            return ()
        items = None if cell in known else list_items(cell)
        if items is None:
            items = [cell] if cell in known else cell.split(self._separator.strip() or self._separator)
        found = [nfc(item.strip()) for item in items]
        for label in found:
            if label not in known:
                raise _unknown(label, column, known)
        return tuple(label for label in field.labels if nfc(label.strip()) in found)

    def _path(self, cell: str, column: str) -> Path:
        found = self._spelled.get(cell)
        if found is None and (items := list_items(cell)) is not None:
            found = next((path for path in self.paths if list(path) == items), None)
        if found is None:
            raise _unknown(cell, column, self._spelled)
        return found

    @cached_property
    def _spelled(self) -> Mapping[str, Path]:
        """By spelling; the last label alone will do where it stands under one parent only."""
        ends: dict[str, Path | None] = {}
        for path in self.paths:
            end = nfc(path[-1].strip())
            ends[end] = None if end in ends else path
        whole = {nfc(self.spell(path).strip()): path for path in self.paths}
        return {end: path for end, path in ends.items() if path is not None} | whole

    @property
    def _separator(self) -> str:
        answer = self.task.answer
        return answer.separator if answer.format == "list" else ", "

    @property
    def _none(self) -> str:
        word = self.task.answer.none or _NO_LABEL
        return _EMPTY_LIST if word in self.fields[0].labels else word


def _unknown(label: str, column: str, known: Mapping[str, object]) -> LabelCellError:
    message = f'label "{label}" is not in task.toml{did_you_mean(label, known)}'
    return LabelCellError("unknown_label", column, message)


def questions_of(task: Task) -> tuple[Question, ...]:
    """The questions of a task, in the order of their first fields."""
    groups: dict[str, list[int]] = {}
    root: dict[str, str] = {}
    for place, field in enumerate(task.fields):
        root[field.name] = field.name if field.parent is None else root[field.parent]
        groups.setdefault(root[field.name], []).append(place)
    return tuple(Question(task, tuple(places), alone=len(groups) == 1) for places in groups.values())


def correction_columns(task: Task) -> tuple[str, ...]:
    """The columns in which people write the right labels, one for each question."""
    return tuple(question.column("correct") for question in questions_of(task))
