"""Labels: from a table's columns, to an answer and back, and to label vectors.

The only module that knows how labels are separated in a column and how answers are spelled. `decode_answer`
takes any string whatever and returns labels or a named problem, never an exception.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from labeltune.errors import DataError, did_you_mean
from labeltune.task.cells import LIST_DELIMITER, list_items, nfc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.task import Field, Task

__all__ = [
    "Decoded",
    "DecodingProblem",
    "LabelCellError",
    "LabelReader",
    "Labels",
    "answer_schema",
    "decode_answer",
    "encode_answer",
    "label_matrix",
    "label_vector",
    "longest_answer",
    "require_columns",
]

Labels = tuple[tuple[str, ...], ...]
"""The labels of one example: for each field, in task order, its labels, in task order."""

DecodingProblem = Literal["off_list", "empty", "not_json", "bad_schema", "illegal_pair"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an answer says: `labels`, or else the `problem` that it has.

    `normalised` is true where the answer differed harmlessly from the task's own spelling.
    """

    labels: Labels | None
    problem: DecodingProblem | None = None
    normalised: bool = False


# ------------------------------------------------------------------------------------------ columns → labels


class LabelCellError(ValueError):
    """A cell that holds no label of the task: `code`, the column, and a sentence without the place."""

    def __init__(self, code: str, column: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.column = column


_NAMED_COLUMNS = 20
"""How many columns a message names."""


def _listed(columns: Sequence[str]) -> str:
    left = len(columns) - _NAMED_COLUMNS
    return ", ".join(columns[:_NAMED_COLUMNS]) + (f" and {left:,} more" if left > 0 else "")


def require_columns(
    columns: Iterable[str],
    header: Sequence[str],
    *,
    source: str,
    why: str = "which the task names",
    hint: str = "",
) -> None:
    """Raise `DataError` unless the table `source` has all these columns; names the nearest ones.

    `why` says for what they are needed; `hint` what to do, if it is not to look at what the table has.
    """
    missing = [column for column in columns if column not in header]
    if missing:
        named = _listed([f'"{column}"{did_you_mean(column, header)}' for column in missing])
        has = f"the table has: {_listed(header)}"
        if list(header) == ["messages"]:
            has = "this is a chat file, which holds prompts and answers; name the table that it was made of"
        elif len(header) == 1:
            has += "; is its first line a comment, or the separator another one (--sep)?"
        raise DataError(f"{source}:1: no column {named}, {why}", hint=hint or has)


class LabelReader:
    """Reads the labels of rows of one table.

    Cells are taken as they are written; with `strip`, space around labels is taken off. Results are cached by
    the cells' text, so a table of few distinct label sets costs one look-up a row.
    Raises `DataError` when made for a table that lacks a label column.
    """

    def __init__(
        self, task: Task, header: Sequence[str], *, source: str = "table", strip: bool = False
    ) -> None:
        require_columns(task.label_columns, header, source=source)
        self._task = task
        self._strip = strip
        positions = [header.index(column) for column in task.label_columns]
        pick = itemgetter(*positions)
        # itemgetter of one position returns the value itself, not a tuple of one.
        self.cells: Callable[[Sequence[str]], tuple[str, ...]] = (
            pick if len(positions) > 1 else lambda values: (pick(values),)
        )
        """The label cells of a row's values, in the order of `task.label_columns`."""
        self.parse = lru_cache(maxsize=65_536)(self._parse)
        """The labels that such cells hold. Raises `LabelCellError`."""

    def read(self, values: Sequence[str]) -> Labels:
        """The labels of one row. Raises `LabelCellError` for the first cell that holds none."""
        return self.parse(self.cells(values))

    def _parse(self, cells: tuple[str, ...]) -> Labels:
        result: list[tuple[str, ...]] = []
        start = 0
        for field in self._task.fields:
            own = cells[start : start + len(field.source_columns)]
            start += len(own)
            result.append(self._field(field, own))
        labels = tuple(result)
        pair = _illegal_pair(self._task, labels)
        if pair is not None:
            child, upper, lower = pair
            parent = self._task.field(child.parent or "")
            raise LabelCellError(
                "illegal_pair",
                child.column or child.name,
                f'"{lower}" does not stand under "{upper}" in task.toml '
                f"({child.name} under {parent.name}: {', '.join(child.children.get(upper, ())) or 'none'})",
            )
        return labels

    def _field(self, field: Field, cells: tuple[str, ...]) -> tuple[str, ...]:
        if field.columns:
            return tuple(
                label
                for label, column, cell in zip(field.labels, field.columns, cells, strict=True)
                if _flag(cell, column)
            )
        column, cell = field.column or "", cells[0]
        if field.delimiter is None:
            return (self._label(field, _only_item(field, cell, column), column),)
        if not cell.strip():
            return ()
        found = {self._label(field, part, column) for part in _parts(field, cell)}
        return tuple(label for label in field.labels if label in found)

    def _label(self, field: Field, text: str, column: str) -> str:
        label = text.strip() if self._strip else text
        if label in field.labels:
            return label
        if composed := _by_nfc(field.labels).get(nfc(label)):
            return composed
        if not label.strip():
            raise LabelCellError("no_label", column, f'no label in column "{column}"')
        if nfc(label.strip()) in _by_nfc(field.labels):
            raise LabelCellError(
                "spaced_label",
                column,
                f'label "{label}" has space around it; --strip takes it off',
            )
        raise LabelCellError(
            "unknown_label",
            column,
            f'label "{label}" is not in task.toml{_meant(label, field.labels)}',
        )


@lru_cache(maxsize=64)
def _by_nfc(labels: tuple[str, ...]) -> dict[str, str]:
    return {nfc(label): label for label in labels}


def _only_item(field: Field, cell: str, column: str) -> str:
    """The label of a single field's cell: its text, or what a list of one label holds."""
    items = None if cell in field.labels else list_items(cell)
    if items is None:
        return cell
    if len(items) > 1:
        raise LabelCellError(
            "several_labels",
            column,
            f'column "{column}" holds a list of {len(items)} labels, and the field is single: expected one',
        )
    return items[0] if items else ""


def _parts(field: Field, cell: str) -> list[str]:
    """The labels of a multi field's cell: a list's items, or what the delimiter joins."""
    items = None if cell in field.labels else list_items(cell)
    if items is not None:
        return items
    if field.delimiter in (None, LIST_DELIMITER):
        return [cell]
    return cell.split(field.delimiter)


def _meant(label: str, labels: tuple[str, ...]) -> str:
    """Which label may be meant. pandas makes 1.0 of 1 where other cells of the column are empty."""
    if label.endswith(".0") and label[:-2] in labels:
        return (
            f' (did you mean "{label[:-2]}"? pandas writes it so where cells are empty: read with dtype=str)'
        )
    return did_you_mean(label, labels)


_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True}
"""A cell that says whether a label applies; pandas makes 1.0 of 1 where other cells are empty."""


def _flag(cell: str, column: str) -> bool:
    flag = _FLAGS.get(cell.strip())
    if flag is None:
        raise LabelCellError("bad_flag", column, f'column "{column}" holds "{cell}", expected 0 or 1')
    return flag


def _illegal_pair(task: Task, labels: Labels) -> tuple[Field, str, str] | None:
    """The first child field whose label does not stand under its parent's, with both labels."""
    by_field = {field.name: found for field, found in zip(task.fields, labels, strict=True)}
    for field, found in zip(task.fields, labels, strict=True):
        if field.parent is not None:
            upper, lower = by_field[field.parent][0], found[0]
            if lower not in field.children.get(upper, ()):
                return field, upper, lower
    return None


# ------------------------------------------------------------------------------------------ labels → answer


def encode_answer(task: Task, labels: Labels) -> str | None:
    """Spell labels as the task's answers are spelled; None where training has no answer for such a row.

    That is a `list` without labels where the task's `none` is empty. JSON has the separators and the escapes
    of `json.dumps(…, ensure_ascii=False)`.
    """
    answer, field = task.answer, task.fields[0]
    match answer.format:
        case "label":
            return labels[0][0]
        case "list":
            return answer.separator.join(labels[0]) or answer.none or None
        case "flags":
            return json.dumps({label: label in labels[0] for label in field.labels}, ensure_ascii=False)
        case "json":
            document = {
                field.name: found[0] if field.type == "single" else list(found)
                for field, found in zip(task.fields, labels, strict=True)
            }
            return json.dumps(document, ensure_ascii=False)


def longest_answer(task: Task) -> str:
    """An answer at least as long as any legal one."""
    fields = task.fields
    if task.answer.format == "flags":
        return encode_answer(task, ((),)) or ""
    longest = tuple(
        (max(field.labels, key=lambda label: len(label.encode())),)
        if field.type == "single"
        else field.labels
        for field in fields
    )
    return max(encode_answer(task, longest) or "", task.answer.none, key=lambda answer: len(answer.encode()))


def answer_schema(task: Task, *, pairs: bool = False) -> dict[str, Any] | None:
    """The strict JSON schema of the answers `json` and `flags`; None for the others, which are not JSON.

    A schema of this kind may have no alternatives at its root for most providers, so that parent and child
    can each be held to their labels but not to their pairs; with `pairs` it has one alternative per parent
    label.
    """
    if task.answer.format == "flags":
        return _object_schema({label: {"type": "boolean"} for label in task.fields[0].labels})
    if task.answer.format != "json":
        return None
    child = next((field for field in task.fields if field.parent is not None), None)
    if not pairs or child is None:
        return _object_schema({field.name: _field_schema(field, field.labels) for field in task.fields})
    return {
        "anyOf": [
            _object_schema(
                {
                    field.name: _field_schema(
                        field,
                        (upper,)
                        if field.name == child.parent
                        else lowers
                        if field is child
                        else field.labels,
                    )
                    for field in task.fields
                }
            )
            for upper, lowers in child.children.items()
            if lowers
        ]
    }


def _object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field_schema(field: Field, labels: Sequence[str]) -> dict[str, Any]:
    one = {"type": "string", "enum": list(labels)}
    return one if field.type == "single" else {"type": "array", "items": one}


# ------------------------------------------------------------------------------------------ answer → labels


class _UndecodableError(Exception):
    def __init__(self, problem: DecodingProblem) -> None:
        self.problem = problem


def decode_answer(task: Task, answer: str | None) -> Decoded:
    """What an answer says, whatever it is.

    Exact spelling counts first. Else case, Unicode compatibility forms, invisible characters, surrounding
    space and quotes, a final dot, and a code fence are taken off, and a label counts if exactly one matches.
    """
    if answer is None or not answer.strip():
        return Decoded(None, "empty")
    try:
        labels = _DECODERS[task.answer.format](task, answer)
    except _UndecodableError as error:
        return Decoded(None, error.problem)
    if _illegal_pair(task, labels) is not None:
        return Decoded(None, "illegal_pair")
    return Decoded(labels, None, normalised=answer != encode_answer(task, labels))


def _decode_label(task: Task, answer: str) -> Labels:
    return ((_resolve(task.fields[0].labels, answer),),)


def _decode_list(task: Task, answer: str) -> Labels:
    field, form = task.fields[0], task.answer
    if form.none and _fold(answer) == _fold(form.none):
        return ((),)
    core = form.separator.strip() or form.separator
    parts = [part for part in _unfenced(answer).split(core) if part.strip()]
    found = {_resolve(field.labels, part) for part in parts}
    if not found:
        raise _UndecodableError("empty")
    return (tuple(label for label in field.labels if label in found),)


def _decode_json(task: Task, answer: str) -> Labels:
    document = _object(answer, tuple(field.name for field in task.fields))
    return tuple(_json_field(field, document[field.name]) for field in task.fields)


def _json_field(field: Field, value: Any) -> tuple[str, ...]:
    values = [value] if field.type == "single" else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise _UndecodableError("bad_schema")
    found = {_resolve(field.labels, item) for item in values}
    return tuple(label for label in field.labels if label in found)


def _decode_flags(task: Task, answer: str) -> Labels:
    labels = task.fields[0].labels
    document = _object(answer, labels)
    if not all(isinstance(value, bool) for value in document.values()):
        raise _UndecodableError("bad_schema")
    return (tuple(label for label in labels if document[label]),)


_DECODERS: dict[str, Callable[[Task, str], Labels]] = {
    "label": _decode_label,
    "list": _decode_list,
    "json": _decode_json,
    "flags": _decode_flags,
}


def _object(answer: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object in an answer, with exactly these keys, each once."""
    try:
        pairs = json.loads(_unfenced(answer), object_pairs_hook=list)
    except (ValueError, RecursionError):  # ValueError: also for integers of more than 4,300 digits
        raise _UndecodableError("not_json") from None
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise _UndecodableError("bad_schema")
    document: dict[str, Any] = {}
    for name, value in pairs:
        key = _matching(keys, name)
        if key is None or key in document:
            raise _UndecodableError("bad_schema")
        document[key] = value
    if len(document) != len(keys):
        raise _UndecodableError("bad_schema")
    return document


_FENCE = re.compile(r"```[\w-]*\s*(.*?)\s*```", re.DOTALL)


def _unfenced(answer: str) -> str:
    fenced = _FENCE.fullmatch(answer.strip())
    return fenced[1] if fenced else answer.strip()


def _resolve(labels: tuple[str, ...], text: str) -> str:
    label = _matching(labels, text)
    if label is None:
        raise _UndecodableError("off_list")
    return label


def _matching(names: tuple[str, ...], text: str) -> str | None:
    """The one name that the text spells, exactly or but for harmless differences; else None."""
    if text in names:
        return text
    same = _by_fold(names).get(_fold(_unfenced(text)), ())
    return same[0] if len(same) == 1 else None


@lru_cache(maxsize=64)
def _by_fold(names: tuple[str, ...]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for name in names:
        result.setdefault(_fold(name), []).append(name)
    return result


_AROUND = " \t\n\r\"'`“”‘’«»„.*"
_SPACE = re.compile(r"\s+")


def _fold(text: str) -> str:
    """The text without the differences that do not matter."""
    compatible = unicodedata.normalize("NFKC", text)
    visible = "".join(char for char in compatible if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFKC", _SPACE.sub(" ", visible).casefold())
    # A label of nothing but such signs keeps them.
    return folded.strip(_AROUND) or folded


# ------------------------------------------------------------------------------------------ labels → vectors


def label_vector(task: Task, labels: Labels | None) -> list[bool]:
    """The label vector, length n_labels, all fields in task order; all false for None (an invalid answer)."""
    if labels is None:
        return [False] * len(task.labels)
    return [
        label in found for field, found in zip(task.fields, labels, strict=True) for label in field.labels
    ]


def label_matrix(task: Task, rows: Iterable[Labels | None]) -> NDArray[np.bool_]:
    """The label vectors of many rows: bool (n_rows, n_labels). Equal label sets are worked out once."""
    import numpy as np

    known: dict[Labels | None, int] = {}
    indices = [known.setdefault(labels, len(known)) for labels in rows]
    distinct = np.array([label_vector(task, labels) for labels in known], dtype=np.bool_)
    return distinct.reshape(-1, len(task.labels))[np.array(indices, dtype=np.intp)]
