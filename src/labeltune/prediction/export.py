"""From the journal to the table of predictions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError, DiskError, SettingsError
from labeltune.files.tables.cells import NOTHING, Typed
from labeltune.files.threshold_file import choose_labels, read_thresholds
from labeltune.files.unsure import sureness
from labeltune.prediction.confidence import answer_confidence, label_probabilities
from labeltune.prediction.replies import (
    BAD_RESPONSE,
    REJECTED,
    answer_of,
    choice_of,
    has_thought,
    read_json,
    shown_answer,
)
from labeltune.prediction.tokens import has_logprobs
from labeltune.task.answers import decode_answer
from labeltune.task.columns import UNSURE, added_columns, predicted_columns
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.threshold_file import Thresholds
    from labeltune.prediction.journal import Result
    from labeltune.prediction.options import PredictOptions
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["PROBLEM", "Export", "has_labels", "outcome", "output_header", "thresholds_of"]

_UNKNOWN = "unknown"
PROBLEM = "problem "
"""What the count of a problem is called in `Export.counts`, before its name."""
_YES, _NO = Typed("1", 1), Typed("0", 0)


def output_header(task: Task, header: Sequence[str], options: PredictOptions, *, source: str) -> list[str]:
    """The columns of the output: those of the table, then what predict adds.

    Columns of the table that are called like an added one get the prefix that was told, so that nothing of
    them is overwritten. Raises `DataError` where they would clash all the same, or the task needs their name.
    """
    added = added_columns(task, probabilities=options.probabilities)
    both = [column for column in added if column in header]
    if not both:
        return [*header, *added]
    named = ", ".join(f'"{column}"' for column in both[:5]) + (", …" if len(both) > 5 else "")
    has = f"{source}:1: has the column {named}, which predict adds"
    if options.prefix is None:
        raise DataError(
            has,
            hint="is it the output of predict? Give the table it was made from; --prefix input_ keeps it "
            f'as "input_{both[0]}"',
        )
    if needed := task.columns.intersection(both):
        raise DataError(
            f'{has}; the task names "{min(needed)}", so that a prefix would hide it', hint="rename the column"
        )
    own = [options.prefix + column if column in both else column for column in header]
    if len({*own, *added}) < len(own) + len(added):
        raise DataError(f"{has}, with the prefix {options.prefix!r}, too", hint="give another --prefix")
    return [*own, *added]


def has_labels(task: Task, header: Sequence[str]) -> bool:
    """Whether a table has the task's labels, too, so that predictions for it can be measured."""
    return all({*field_.source_columns} <= {*header} for field_ in task.fields)


def thresholds_of(options: PredictOptions, task: Task) -> Thresholds | None:
    """The thresholds that are to decide, if any.

    Raises `SettingsError` for a file that cannot be used, or without the log-probabilities that it needs.
    """
    if options.thresholds is None:
        return None
    if not options.confidence:
        raise SettingsError("--thresholds needs log-probabilities, and --no-confidence asks for none")
    return read_thresholds(options.thresholds, task)


@dataclass(slots=True)
class Export:
    """Makes the rows of the output, and counts what is in them."""

    task: Task
    probabilities: bool
    thresholds: Thresholds | None = None
    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    """Rows with a reply that has log-probabilities."""
    unspelled: int = 0
    """Those of them whose tokens do not spell the answer."""
    thinking: int = 0
    """Rows without a valid answer whose model thought before it wrote one, or ran out of room."""
    unsure: int = 0
    """Valid answers that the thresholds call too doubtful."""
    untold: int = 0
    """Valid answers from which no probability of a label can be read, where they are asked for."""
    _decoded: Any = field(init=False, repr=False)
    _none: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._decoded = lru_cache(maxsize=4096)(self._cells)
        self._none = self._empty()

    def table(self, rows: Iterable[tuple[Sequence[str], object, Result]]) -> Iterator[list[str]]:
        """Each row of the input, which comes with its result, and its prediction."""
        for values, _, result in rows:
            yield self.row(values, result)

    def row(self, values: Sequence[str], result: Result) -> list[str]:
        """A row of the input and its prediction."""
        self.rows += 1
        return [*values, *self._prediction(result)]

    def counts(self) -> dict[str, int]:
        """What is in the output, by names that add up over many: problems as `problem off_list`."""
        invalid = sum(self.problems.values())
        counts = {"rows": self.rows, "invalid": invalid, "unsure": self.unsure, "thinking": self.thinking}
        return counts | {f"{PROBLEM}{name}": count for name, count in self.problems.most_common()}

    def warnings(self) -> Iterator[str]:
        """What log-probabilities there are and do not tell, each once."""
        if self.unspelled:
            have = counted(self.answered, "answer has", "answers have")
            yield (
                f"{self.unspelled:,} of {have} no confidence: "
                "the tokens that came with them do not spell them"
            )
        if self.untold:
            wanted = "--probabilities" if self.probabilities else "--thresholds"
            yield f"{wanted}: {self.untold:,} of {counted(self.rows, 'answer does', 'answers do')} not tell"

    def _prediction(self, result: Result) -> list[str]:
        choice, answer, problem = outcome(result)
        labels: Labels | None = None
        cells = self._none
        if choice is not None and not problem:
            cells, labels, problem = self._decoded(answer_of(choice))
        if problem:
            self.problems[problem] += 1
            self.thinking += choice is not None and has_thought(choice)
        confidence = None if choice is None else answer_confidence(choice)
        if choice is not None and answer and has_logprobs(choice):
            self.answered += 1
            self.unspelled += confidence is None
        shares: list[float | None] = [None] * len(self.task.labels)
        if choice is not None and labels is not None and (self.probabilities or self.thresholds):
            shares = label_probabilities(self.task, choice, labels)
            # Single fields are sure or not by the confidence of the answer.
            if self.probabilities or (self.thresholds and self.thresholds.fields):
                self.untold += all(share is None for share in shares)
            if self.thresholds is not None:
                problem = self._doubt(labels, confidence, shares)
                chosen = choose_labels(self.thresholds, self.task, labels, shares)
                if chosen != labels:
                    # The confidence was that of the answer, which these labels no longer are.
                    cells, confidence = self._spread(chosen), None
        row = [*cells, answer, problem, _shown(confidence)]
        return row + [_shown(share) for share in shares] if self.probabilities else row

    def _doubt(self, labels: Labels, confidence: float | None, shares: Sequence[float | None]) -> str:
        """`UNSURE`, or nothing; by the numbers as they are written, which evaluate reads."""
        limit = self.thresholds and self.thresholds.unsure
        if not limit:
            return ""
        written = [share if share is None else float(_number(share)) for share in (confidence, *shares)]
        if not limit.doubts(sureness(self.task, labels, written[0], written[1:])):
            return ""
        self.unsure += 1
        return UNSURE

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
    text = _number(share)
    return Typed(text, float(text))


def _number(share: float) -> str:
    return f"{share:.6g}"


def outcome(result: Result) -> tuple[dict[str, Any] | None, str, str]:
    """The choice of a reply, the raw answer, and the problem that shows before the answer is decoded."""
    if result.state is None:
        return None, "", "empty"
    if result.state == "failed":
        return None, "", result.kind if result.kind in (REJECTED, BAD_RESPONSE) else _UNKNOWN
    choice = _choice(result.raw) if result.state == "done" else None
    if choice is None:
        return None, "", _UNKNOWN
    reason = choice.get("finish_reason")
    if choice["message"].get("refusal") or reason == "content_filter":
        return choice, shown_answer(choice), "refused"
    return choice, shown_answer(choice), "truncated" if reason == "length" else ""


def _choice(raw: bytes) -> dict[str, Any] | None:
    try:
        return choice_of(read_json(raw))
    except ValueError as error:
        raise DiskError(
            f"the journal is damaged: an answer in it is not what was saved ({error})",
            hint="the same command with --recover keeps a copy and every answer that can still be read",
        ) from error
