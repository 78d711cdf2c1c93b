"""From the journal to the table of predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import DataError, DiskError
from labeltune.files.tables.cells import NOTHING, Typed
from labeltune.files.threshold_file import choose_labels
from labeltune.prediction.confidence import answer_confidence, label_probabilities
from labeltune.prediction.replies import BAD_RESPONSE, REJECTED, message_of
from labeltune.task.columns import ANSWER, CONFIDENCE, PROBLEM, predicted_columns, probability_columns
from labeltune.task.labels import decode_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.threshold_file import Thresholds
    from labeltune.prediction.journal import Result
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Export", "added_columns", "refuse_collisions"]

_UNKNOWN = "unknown"
_YES, _NO = Typed("1", 1), Typed("0", 0)


def added_columns(task: Task, *, probabilities: bool) -> list[str]:
    """The columns that predict adds, in their order."""
    columns = [column for group in predicted_columns(task) for column in group]
    columns += [ANSWER, PROBLEM, CONFIDENCE]
    return columns + list(probability_columns(task) if probabilities else ())


def refuse_collisions(header: Sequence[str], added: Sequence[str], *, source: str) -> None:
    """Raise `DataError` if the table has a column that predict would add: nothing of it may be
    overwritten.
    """
    both = [column for column in added if column in header]
    if both:
        named = ", ".join(f'"{column}"' for column in both[:5]) + (", …" if len(both) > 5 else "")
        raise DataError(
            f"{source}:1: has the column {named}, which predict adds",
            hint="is it the output of predict? Give the table it was made from, or rename the column",
        )


@dataclass(slots=True)
class Export:
    """Makes the rows of the output, and counts what is in them."""

    task: Task
    probabilities: bool
    thresholds: Thresholds | None = None
    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def table(self, rows: Iterable[tuple[Sequence[str], object, Result]]) -> Iterator[list[str]]:
        """Each row of the input, which comes with its result, and its prediction."""
        decoded = lru_cache(maxsize=4096)(self._cells)
        empty = self._empty()
        for values, _, result in rows:
            self.rows += 1
            yield [*values, *self._prediction(result, decoded, empty)]

    def _prediction(self, result: Result, decoded: Any, empty: list[str]) -> list[str]:
        choice, answer, problem = _outcome(result)
        labels: Labels | None = None
        cells = empty
        if not problem:
            cells, labels, problem = decoded(answer)
        if problem:
            self.problems[problem] += 1
        confidence = None if choice is None else answer_confidence(choice)
        shares: list[float | None] = [None] * len(self.task.labels)
        if choice is not None and labels is not None and (self.probabilities or self.thresholds):
            shares = label_probabilities(self.task, choice, labels)
            if self.thresholds is not None:
                chosen = choose_labels(self.thresholds, self.task, labels, shares)
                if chosen != labels:
                    # The confidence was that of the answer, which these labels no longer are.
                    cells, confidence = self._spread(chosen), None
        row = [*cells, answer, problem, _shown(confidence)]
        return row + [_shown(share) for share in shares] if self.probabilities else row

    def _cells(self, answer: str) -> tuple[list[str], Labels | None, str]:
        """The predicted columns for an answer, its labels, and its problem."""
        decoded = decode_answer(self.task, answer)
        if decoded.labels is None:
            return self._empty(), None, decoded.problem or _UNKNOWN
        return self._spread(decoded.labels), decoded.labels, ""

    def _spread(self, labels: Labels) -> list[str]:
        """The predicted columns for labels."""
        cells: list[str] = []
        for field_, found in zip(self.task.fields, labels, strict=True):
            if field_.type == "single":
                cells.append(found[0])
            else:
                cells += [_YES if label in found else _NO for label in field_.labels]
        return cells

    def _empty(self) -> list[str]:
        return [
            "" if field_.type == "single" else NOTHING
            for field_, group in zip(self.task.fields, predicted_columns(self.task), strict=True)
            for _ in group
        ]


def _shown(share: float | None) -> str:
    if share is None:
        return NOTHING
    text = f"{share:.6g}"
    return Typed(text, float(text))


def _outcome(result: Result) -> tuple[dict[str, Any] | None, str, str]:
    """The choice of a reply, the raw answer, and the problem that shows before the answer is decoded."""
    if result.state is None:
        return None, "", "empty"
    if result.state == "failed":
        return None, "", result.kind if result.kind in (REJECTED, BAD_RESPONSE) else _UNKNOWN
    choice = _choice(result.raw) if result.state == "done" else None
    if choice is None:
        return None, "", _UNKNOWN
    message, reason = choice["message"], choice.get("finish_reason")
    content = message.get("content")
    answer = content if isinstance(content, str) else ""
    refusal = message.get("refusal")
    if refusal or reason == "content_filter":
        return choice, answer or (refusal if isinstance(refusal, str) else ""), "refused"
    if reason == "length":
        return choice, answer, "truncated"
    return choice, answer, ""


def _choice(raw: bytes) -> dict[str, Any] | None:
    try:
        return message_of(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise DiskError(
            f"the journal is damaged: an answer in it is not what was saved ({error})",
            hint="the same command with --recover keeps a copy and every answer that can still be read",
        ) from error
