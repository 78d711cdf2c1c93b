"""What models that have not seen a row say of its labels: fold by fold, question by question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.metrics.label_errors import confidently_other, label_confidence, self_confidence
from labeltune.local.cross_validation import cross_validate
from labeltune.prepare.duplicates import duplicate_groups, merged
from labeltune.prepare.stratify import Combinations, stratify
from labeltune.task.vectors import label_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.local.engines import Base, HeldOut
    from labeltune.task import Task
    from labeltune.task.corrections import Path, Question
    from labeltune.task.labels import Labels

__all__ = ["FEWEST_ELSEWHERE", "Doubt", "doubt_question", "folds_of"]

FEWEST_ELSEWHERE = 4
"""A row is judged if so many rows outside its fold have its label: of fewer, models learn nothing, and every
row of a rare label would look wrong."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is said of one question's answers, arrays (n_rows,).

    `given` and `proposed` are the confidences of the row's own answer and of the likeliest one, of a multi
    field those of its least certain label; NaN where the row is not judged. `wrong`: whether confident
    learning counts the row.
    """

    answers: Sequence[Path]
    """The likeliest answer of each row."""
    given: FloatArray
    proposed: FloatArray
    wrong: BoolArray


def folds_of(
    task: Task,
    texts: Sequence[str],
    labels: Sequence[Labels],
    groups: Sequence[int] | None,
    *,
    folds: int,
    seed: int,
    source: str,
) -> IntArray:
    """(n_rows,) The fold of each row, from 1 on, alike in their labels.

    Rows of the same or nearly the same text are in one fold, and those of one of `groups`: a model that knows
    the twin of a row knows its label. Raises `DataError` if that leaves one fold.
    """
    together = duplicate_groups(texts)
    if groups is not None:
        together = merged(together, groups)
    n = len(texts)
    sizes = [(n + fold) // folds for fold in range(folds)]
    combinations = Combinations.of_vectors(label_matrix(task, labels))
    parts = stratify(combinations, sizes, seed=seed, groups=np.array(together, np.int64))
    found, fold = np.unique(parts, return_inverse=True)
    if len(found) < 2:
        raise DataError(f"{source}: rows that stay together leave one fold, and there is nothing to compare")
    numbered: IntArray = fold.astype(np.int64) + 1
    return numbered


def doubt_question(
    question: Question,
    texts: Sequence[str],
    labels: Sequence[Labels],
    fold: IntArray,
    *,
    base: Base,
    seed: int,
) -> Doubt:
    """What is said of a question. Raises what the engine's `fit` raises."""
    answers = [question.of(own) for own in labels]
    if len(set(answers)) == 1:  # there is nothing to learn, and nothing to doubt
        sure = np.ones(len(answers))
        return Doubt(answers, sure, sure, np.zeros(len(answers), np.bool_))
    spelled = [_spelled(question, answer) for answer in answers]
    records = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        for text, answer in zip(texts, spelled, strict=True)
    ]
    held_out = cross_validate(base, records, fold, seed=seed)
    return (_doubt_labels if question.is_multi else _doubt_paths)(question, answers, fold, held_out)


def _spelled(question: Question, answer: Path) -> str:
    """An answer for an engine: an object whatever the task's answers are, so that every label has its say."""
    if question.is_multi:
        document = {label: label in answer for label in question.fields[0].labels}
    else:
        document = {"label": answer[0] if len(answer) == 1 else " > ".join(map(json.dumps, answer))}  # type: ignore[dict-item]  # one of two kinds
    return json.dumps(document, ensure_ascii=False)


def _doubt_paths(question: Question, answers: Sequence[Path], fold: IntArray, held_out: HeldOut) -> Doubt:
    names = {json.loads(_spelled(question, path))["label"]: path for path in set(answers)}
    paths = [names[json.loads(name)] for name in held_out.heads[0]]
    place = {path: number for number, path in enumerate(paths)}
    given = np.array([place[answer] for answer in answers], np.int64)
    probabilities = held_out.probabilities
    own = self_confidence(probabilities, given)
    best = probabilities.argmax(axis=1)
    judged = _known_elsewhere(np.eye(len(paths), dtype=np.bool_)[given], fold)[np.arange(len(given)), given]
    return Doubt(
        answers=[paths[number] for number in best.tolist()],
        given=np.where(judged, own, np.nan),
        proposed=probabilities.max(axis=1),
        wrong=judged & confidently_other(probabilities, given),
    )


def _doubt_labels(question: Question, answers: Sequence[Path], fold: IntArray, held_out: HeldOut) -> Doubt:
    names = question.fields[0].labels
    order = [held_out.heads[0].index(name) for name in names]
    probabilities = held_out.probabilities[:, order]
    holds = np.array([[name in answer for name in names] for answer in answers], np.bool_)
    # That a rare label is there cannot be doubted, as nothing was learnt of it; that it is missing can.
    judged = ~holds | _known_elsewhere(holds, fold)
    own = np.where(judged, label_confidence(probabilities, holds), 1.0)
    proposed = np.where(judged & (own < 0.5), ~holds, holds)  # the likelier of two
    wrong = np.zeros(len(holds), np.bool_)
    for label in range(len(names)):
        both = np.column_stack([1 - probabilities[:, label], probabilities[:, label]])
        wrong |= judged[:, label] & confidently_other(both, holds[:, label].astype(np.int64))
    return Doubt(
        answers=[tuple(name for name, on in zip(names, row, strict=True) if on) for row in proposed.tolist()],
        given=own.min(axis=1),
        proposed=np.where(judged, np.maximum(own, 1 - own), 1.0).min(axis=1),
        wrong=wrong,
    )


def _known_elsewhere(holds: BoolArray, fold: IntArray) -> BoolArray:
    """(n_rows, n_labels) Whether enough rows outside a row's fold have the label, as `holds` has it."""
    counts = np.array([holds[fold != number].sum(axis=0) for number in range(int(fold.max()) + 1)])
    known: BoolArray = (counts >= FEWEST_ELSEWHERE)[fold]
    return known
