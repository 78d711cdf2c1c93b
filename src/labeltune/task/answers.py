"""From labels to an answer and back: how answers are spelled.

`decode_answer` takes any string whatever and returns labels or a named problem, never an exception.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from labeltune.task.labels import illegal_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["Decoded", "DecodingProblem", "decode_answer", "encode_answer", "longest_answer"]

DecodingProblem = Literal["off_list", "empty", "not_json", "bad_schema", "illegal_pair"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What an answer says: `labels`, or else the `problem` that it has.

    `normalised` is true where the answer differed harmlessly from the task's own spelling.
    """

    labels: Labels | None
    problem: DecodingProblem | None = None
    normalised: bool = False


# labels → answer


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


# answer → labels


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
    if illegal_pair(task, labels) is not None:
        return Decoded(None, "illegal_pair")
    return Decoded(labels, None, normalised=answer != encode_answer(task, labels))


def _decode_label(task: Task, answer: str) -> Labels:
    return ((_resolve(task.fields[0].labels, answer),),)


def _decode_list(task: Task, answer: str) -> Labels:
    field, form = task.fields[0], task.answer
    if form.none and answer not in field.labels and _fold(answer) == _fold(form.none):
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
