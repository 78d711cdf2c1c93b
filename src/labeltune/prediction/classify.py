"""A few texts and their labels: the quick look, for which nothing is kept.

It is `predict` on a table made for the occasion, in a folder that goes with it, so that requests, retries,
answers and confidences are the same to the last digit.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError, SettingsError
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.predict import predict
from labeltune.task import ReadOptions
from labeltune.task.columns import CONFIDENCE, PROBLEM, predicted_columns, probability_columns
from labeltune.task.corrections import PATH_SIGN
from labeltune.task.template import ColumnSlot, parse_template

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["Classified", "classify", "refuse_candidates"]

_HERE = ReadOptions(format="jsonl", encoding="utf-8")
_TELLING = ("label", "json", "flags")
"""Answer formats from which the probability of a label that was not answered can be read."""


@dataclass(frozen=True, slots=True)
class Classified:
    """A text and what the model answered about it.

    `labels` are the answered ones in task order, a path from its parent on; none if `problem` says why.
    `probabilities` are those that the answer tells, by label.
    """

    text: str
    labels: tuple[str, ...]
    shown: str
    """The labels as one line: several joined by the task's separator, a path by ` > `."""
    confidence: float | None
    problem: str
    probabilities: Mapping[str, float]
    candidates: tuple[tuple[str, float], ...] = ()
    """What the answer could have been, likeliest first: labels, or paths, with their probabilities."""


def classify(
    texts: Sequence[str],
    *,
    task: Task,
    model: str,
    provider: Provider,
    top: int = 0,
    options: PredictOptions | None = None,
    story: Story | None = None,
    state: str | os.PathLike[str] | None = None,
) -> list[Classified]:
    """Ask the model about each text; answers come in order, with `top` candidates each.

    A text is the task's text column, or the first of several. Nothing is kept: the same call asks again.
    Raises `SettingsError` where the prompt wants a column that a text alone does not have, or the answers
    tell no candidates, and what `predict` raises.
    """
    _refuse_other_columns(task)
    if top:
        refuse_candidates(task)
    if not texts:
        return []
    options = replace(options or PredictOptions(), read=_HERE, probabilities=True, spreadsheet=False)
    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        data, output = Path(folder) / "texts.jsonl", Path(folder) / "answers.jsonl"
        data.write_text("".join(_rows(task, texts)), encoding="utf-8")
        predict(
            str(data),
            task=task,
            model=model,
            provider=provider,
            output=str(output),
            options=options,
            story=story,
            state=Path(folder) / "state" if state is None else state,
        )
        with output.open(encoding="utf-8") as lines:
            return [
                _classified(task, text, json.loads(line), top)
                for text, line in zip(texts, lines, strict=True)
            ]


def _rows(task: Task, texts: Sequence[str]) -> Iterator[str]:
    for number, text in enumerate(texts, 1):
        if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
            raise DataError(f"text {number}: has bytes that are no UTF-8")
        values = dict.fromkeys(task.text, "") | {task.text[0]: text}
        yield json.dumps(values, ensure_ascii=False) + "\n"


def _refuse_other_columns(task: Task) -> None:
    parts = (*parse_template(task.prompt.system), *parse_template(task.prompt.user))
    asked = {part.column for part in parts if isinstance(part, ColumnSlot)} - {task.text[0]}
    if asked:
        raise SettingsError(
            f'{task.source}: the prompt has the column "{min(asked)}" in it, which a text alone has not',
            hint="predict takes a table with all columns",
        )


def refuse_candidates(task: Task) -> None:
    """Raise `SettingsError` where answers do not tell what else they could have been."""
    single = [field for field in task.fields if field.type == "single"]
    chain = all(field.parent is not None for field in single[1:])
    if task.answer.format not in _TELLING or (
        task.answer.format == "json" and len(single) < len(task.fields)
    ):
        raise SettingsError(
            f"--top: an answer that is a list tells nothing of the labels that it leaves out ({task.source})",
            hint='a model trained with format = "flags" under [answer] tells a probability for each label',
        )
    if len(task.fields) > 1 and not chain:
        raise SettingsError(
            f"--top takes one question or one path, and {task.source} has {len(task.fields)} fields"
        )


def _classified(task: Task, text: str, row: Mapping[str, Any], top: int) -> Classified:
    shares = {
        column.removeprefix("probability_"): float(row[column])
        for column in probability_columns(task)
        if row.get(column) is not None and row[column] != ""
    }
    confidence = row.get(CONFIDENCE)
    found = tuple(_labels(task, row)) if not row[PROBLEM] else ()
    return Classified(
        text=text,
        labels=tuple(label for labels in found for label in labels),
        shown=_shown(task, found),
        confidence=None if confidence in (None, "") else float(confidence),
        problem=row[PROBLEM],
        probabilities=shares,
        candidates=tuple(_candidates(task, row)[:top]) if top and found else (),
    )


def _labels(task: Task, row: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The labels of each field."""
    for field, columns in zip(task.fields, predicted_columns(task), strict=True):
        if field.type == "single":
            yield (row[columns[0]],)
        else:
            yield tuple(
                label for label, column in zip(field.labels, columns, strict=True) if str(row[column]) == "1"
            )


def _shown(task: Task, found: Sequence[tuple[str, ...]]) -> str:
    separator = task.answer.separator if task.answer.format == "list" else ", "
    text = ""
    for field, labels in zip(task.fields[: len(found)], found, strict=True):
        sign = PATH_SIGN if field.parent is not None else "; "
        text += (sign if text else "") + (separator.join(labels) or task.answer.none)
    return text


def _candidates(task: Task, row: Mapping[str, Any]) -> list[tuple[str, float]]:
    """What the last field could have been, the likeliest first, as far as the answer tells it.

    A child's probability is given its parent, and that of a path the product of its labels': of paths under
    another parent than the answered one nothing can be said, so that they are left out.
    """
    told = iter(probability_columns(task))
    shares = [{label: row.get(next(told)) or 0.0 for label in field.labels} for field in task.fields]
    field, share = task.fields[-1], 1.0
    path, legal = "", field.labels
    for above, columns, of in zip(task.fields[:-1], predicted_columns(task), shares[:-1], strict=False):
        label = str(row[columns[0]])
        share *= float(of.get(label, 0.0))
        path += label + PATH_SIGN
        legal = field.children.get(label, ()) if above.name == field.parent else legal
    found = [(path + label, share * float(shares[-1][label])) for label in legal]
    return sorted((one for one in found if one[1] > 0), key=lambda one: -one[1])
