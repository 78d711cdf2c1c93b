"""Rows whose label is probably wrong: the use case behind `labeltune check --noise`.

A local engine learns the table as often as there are folds, each time without one of them, and says what it
would have answered there. Rows of whose labels it thinks little come first in a table for people to look at.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError, Finding, SettingsError, Where
from labeltune.evaluation.output_paths import check_outputs
from labeltune.files.jsonl import is_chat_file
from labeltune.files.sources import ByteSource
from labeltune.files.tables import open_table, table_writer
from labeltune.files.tables.cells import NOTHING, Typed
from labeltune.files.writing import STANDARD_STREAM
from labeltune.local.cross_validation import check_base
from labeltune.local.engines import Base, engine_names, fetched
from labeltune.prepare.check.catalogue import CATALOGUE
from labeltune.prepare.check.finding_log import KEPT
from labeltune.studies.doubts import doubt_question, folds_of
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.chat import Renderer
from labeltune.task.columns import require_columns
from labeltune.task.corrections import LINE, questions_of
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.files.tables import Table
    from labeltune.prepare.check import Checked
    from labeltune.studies.doubts import Doubt
    from labeltune.task import Task
    from labeltune.task.corrections import Question
    from labeltune.task.labels import Labels

__all__ = [
    "CODE",
    "DEFAULT_FOLDS",
    "DEFAULT_MODEL",
    "DEFAULT_OUTPUT",
    "LabelErrors",
    "NoiseOptions",
    "Suspect",
    "engine_of",
    "find_label_errors",
    "with_label_errors",
]

CODE = "doubtful_label"
DEFAULT_FOLDS = 5
DEFAULT_MODEL = "linear"
DEFAULT_OUTPUT = "suspects.csv"
DEFAULT_SEED = 42

GIVEN, PROPOSED, SCORE = "given_confidence", "proposed_confidence", "score"
"""What a table of suspects has beside the columns of the table, `LINE` and those of `Question.column`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseOptions:
    """How wrong labels are looked for. `group`: a column whose equal values stay in one fold."""

    model: str = DEFAULT_MODEL
    folds: int = DEFAULT_FOLDS
    seed: int = DEFAULT_SEED
    group: str | None = None
    read: ReadOptions = NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose likeliest labels are others, with both and their confidences, 0 to 1.

    `score` is the confidence of the labels that the row has, those of its worst question: the lower, the more
    suspect.
    """

    line: int
    given: Labels
    proposed: Labels
    given_confidence: float
    proposed_confidence: float

    @property
    def score(self) -> float:
        """See the class."""
        return self.given_confidence


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What was found in `source`. `suspects` are all candidates, the most suspect first.

    `expected` is how many of the `judged` rows have a wrong label, as confident learning estimates it
    (`metrics.label_errors`). `rare` rows were not judged, as too few others have their label.
    """

    source: str
    model: str
    folds: int
    rows: int
    rare: int
    expected: int
    suspects: tuple[Suspect, ...]
    output: str

    @property
    def judged(self) -> int:
        """How many rows something was said of."""
        return self.rows - self.rare


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a table that have a text and labels."""

    lines: array[int]
    texts: list[str]
    labels: list[Labels]
    groups: list[int] | None


def engine_of(model: str | None) -> str:
    """What learns, for what `check --model` names: that, if it is a local engine; else the default."""
    is_local = model is not None and Base.parse(model).engine in engine_names()
    return model if model is not None and is_local else DEFAULT_MODEL


def find_label_errors(
    path: str,
    task: Task,
    options: NoiseOptions | None = None,
    *,
    output: str = DEFAULT_OUTPUT,
    advance: Callable[[int], object] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> LabelErrors:
    """Write the rows of a table whose labels are probably wrong to `output`, and tell how many are expected.

    Rows without a text, or whose labels are none of the task's, are passed over: `check` tells them. The same
    table, options and machine give the same bytes. `advance` is called with the questions done, and `tell`
    with what is fetched of a base model in a hub.

    Raises `SettingsError` for a chat file, too few folds, and engines that cannot do it; `DataError` for a
    table that cannot be read or learnt from, or has columns that are called like those that are added.
    """
    options = options or NoiseOptions()
    if options.folds < 2:  # one to learn from, one to judge
        raise SettingsError(f"{options.folds} folds: expected 2 or more")
    if STANDARD_STREAM in (path, output):
        raise SettingsError(
            "wrong labels are looked for in a file and written to one, not standard input or output",
            hint="name files: rows are found again by their lines",
        )
    check_outputs([path], [output])
    base = check_base(options.model)
    questions = questions_of(task)
    with _open(path, task, options) as table:
        added = _added(table, questions)
        rows = _read(table, task, options)
        exact = fetched(base, tell)
        learnt = base if exact is None else exact.base
        doubts = _doubts(rows, task, questions, learnt, options, table.source, advance)
        given = _worst([doubt.given for doubt in doubts])
        suspects = _suspects(rows, questions, doubts, given)
        _write(table, output, added, questions, suspects)
        return LabelErrors(
            source=table.source,
            model=str(base),
            folds=options.folds,
            rows=len(rows.lines),
            rare=int(np.isnan(given).sum()),
            expected=int(np.logical_or.reduce([doubt.wrong for doubt in doubts]).sum()),
            suspects=suspects,
            output=output,
        )


def with_label_errors(checked: Checked, found: LabelErrors) -> Checked:
    """The same with a finding for each row that is expected to be wrong: the most suspect ones."""
    likely = found.suspects[: found.expected]
    findings = [
        Finding(CODE, CATALOGUE[CODE].severity, _sentence(one), Where(found.source, one.line))
        for one in sorted(likely[:KEPT], key=lambda one: one.line)
    ]
    if not findings:
        return checked
    names = list(checked.roles)
    every = [*checked.findings, *findings]
    every.sort(key=lambda finding: (names.index(finding.where.file), finding.where.line or 0))
    counts = {**checked.counts, (found.source, CODE): len(likely)}
    return replace(checked, findings=every, counts=counts)


def _sentence(suspect: Suspect) -> str:
    own, other = (
        " > ".join(f'"{label}"' for labels in one for label in labels) or "no label"
        for one in (suspect.given, suspect.proposed)
    )
    shares = f"{suspect.proposed_confidence:.2f} against {suspect.given_confidence:.2f}"
    return f"{own} is probably wrong; {other} is likelier ({shares})"


# ---------------------------------------------------------------------------------------------------- reading


def _open(path: str, task: Task, options: NoiseOptions) -> Table:
    source = ByteSource(path)
    try:
        _refuse_chat(source, options.read)
        table = open_table(source, options.read, task=task)
    except BaseException:
        source.close()
        raise
    table.on_bad = lambda *_: None
    return table


def _refuse_chat(source: ByteSource, read: ReadOptions) -> None:
    if read.format in (None, "jsonl") and is_chat_file(source):
        raise SettingsError(
            f"{source.name}: is a chat file; wrong labels are looked for in the table that it was made of",
            hint="labeltune check TABLE --noise",
        )


def _read(table: Table, task: Task, options: NoiseOptions) -> _Rows:
    if options.group is not None:
        require_columns([options.group], table.header, source=table.source, why="which --group names")
    text_of = Renderer(task, table.header, source=table.source).text
    read = LabelReader(task, table.header, source=table.source, strip=table.strip).read
    group = None if options.group is None else table.header.index(options.group)
    rows = _Rows(array("q"), [], [], None if group is None else [])
    known: dict[str | int, int] = {}
    for line, values in table:
        text = text_of(values)
        try:
            labels = read(values)
        except LabelCellError:
            continue
        if not text:
            continue
        if rows.groups is not None and group is not None:
            # A row without a group is not in one with the others that have none.
            rows.groups.append(known.setdefault(values[group] or line, len(known)))
        rows.lines.append(line)
        rows.texts.append(text)
        rows.labels.append(labels)
    if len(rows.lines) < 2 * options.folds:
        raise DataError(
            f"{table.source}: {counted(len(rows.lines), 'row')} with a text and labels, expected at least "
            f"{2 * options.folds} to look for wrong labels",
            hint=f"labeltune check {pasted(table.source)} tells what is wrong with the others",
        )
    return rows


# ---------------------------------------------------------------------------------------------------- judging


def _doubts(
    rows: _Rows,
    task: Task,
    questions: Sequence[Question],
    base: Base,
    options: NoiseOptions,
    source: str,
    advance: Callable[[int], object],
) -> list[Doubt]:
    fold = folds_of(
        task,
        rows.texts,
        rows.labels,
        rows.groups,
        folds=options.folds,
        seed=options.seed,
        source=source,
    )
    doubts = []
    for question in questions:
        doubts.append(doubt_question(question, rows.texts, rows.labels, fold, base=base, seed=options.seed))
        advance(1)
    return doubts


def _worst(confidences: Sequence[FloatArray]) -> FloatArray:
    """(n_rows,) The lowest of several confidences; NaN where there is none."""
    lowest: FloatArray = np.fmin.reduce(confidences)
    return lowest


def _suspects(
    rows: _Rows, questions: Sequence[Question], doubts: Sequence[Doubt], given: FloatArray
) -> tuple[Suspect, ...]:
    found: list[Suspect] = []
    every = np.array([doubt.given for doubt in doubts])
    for row in np.flatnonzero(~np.isnan(given)).tolist():
        own = labels = rows.labels[row]
        for question, doubt in zip(questions, doubts, strict=True):
            if not np.isnan(doubt.given[row]):
                labels = question.into(labels, doubt.answers[row])
        if labels != own:
            worst = doubts[int(np.nanargmin(every[:, row]))]
            both = float(worst.given[row]), float(worst.proposed[row])
            found.append(Suspect(rows.lines[row], own, labels, *both))
    return tuple(sorted(found, key=lambda one: (one.score, one.line)))


# ---------------------------------------------------------------------------------------------------- writing


def _added(table: Table, questions: Sequence[Question]) -> list[str]:
    """The columns that are added. Raises `DataError` if the table has one of them."""
    added = [
        LINE,
        *(question.column("given") for question in questions),
        *(question.column("proposed") for question in questions),
        GIVEN,
        PROPOSED,
        SCORE,
        *(question.column("correct") for question in questions),
    ]
    if both := [column for column in added if column in table.header]:
        raise DataError(
            f'{table.source}:1: has the column "{both[0]}", which the table of suspects adds',
            hint="is it a table of suspects? Give the table it was made from; else rename the column",
        )
    return added


def _write(
    table: Table,
    output: str,
    added: Sequence[str],
    questions: Sequence[Question],
    suspects: Sequence[Suspect],
) -> None:
    wanted = {suspect.line for suspect in suspects}
    values_of = {line: list(values) for line, values in table if line in wanted}
    with table_writer(output, [*table.header, *added], like=table) as write:
        for one in suspects:
            write(
                [
                    *values_of[one.line],
                    Typed(str(one.line), one.line),
                    *(question.spell(question.of(one.given)) for question in questions),
                    *(question.spell(question.of(one.proposed)) for question in questions),
                    *map(_number, (one.given_confidence, one.proposed_confidence, one.score)),
                    *(NOTHING for _ in questions),
                ]
            )


def _number(share: float) -> Typed:
    text = f"{share:.6g}"
    return Typed(text, float(text))
