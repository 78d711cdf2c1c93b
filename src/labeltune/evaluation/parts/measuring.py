"""A folder of predictions measured: each part is read once, and only what adds up is kept of it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Protocol

import numpy as np

from labeltune.evaluation.checking import check_least_sure, checked_by_limit
from labeltune.evaluation.confidence import probabilities_by_field
from labeltune.evaluation.gates import check_gates
from labeltune.evaluation.human_rows import human_rows, measure_some
from labeltune.evaluation.metrics.quality import measure
from labeltune.evaluation.parts.distributed import read_on
from labeltune.evaluation.parts.listing import incomplete, no_rows
from labeltune.evaluation.parts.pieces import key_everywhere, table_pieces
from labeltune.evaluation.parts.repeated import find_repeated
from labeltune.evaluation.parts.showing import show_wrong_rows
from labeltune.evaluation.parts.tally import MOST_CONFIDENCES, MOST_IDS, MOST_PROBABILITIES, Tally
from labeltune.evaluation.predictions import table_warnings
from labeltune.evaluation.report.headline import noun_of
from labeltune.evaluation.report.model import Report
from labeltune.evaluation.shapes import shapes_of
from labeltune.evaluation.sure_answers import sure_answers
from labeltune.evaluation.training_curves import read_training

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from labeltune.distributed import Cluster
    from labeltune.evaluation.metrics.patterns import BoolArray
    from labeltune.evaluation.metrics.quality import Shape
    from labeltune.evaluation.options import EvaluateOptions
    from labeltune.evaluation.parts.listing import Parts
    from labeltune.evaluation.parts.pieces import Key
    from labeltune.evaluation.report.headline import Checked
    from labeltune.evaluation.report.model import FieldProbabilities, SureAnswers
    from labeltune.files.tables import Table
    from labeltune.task import Task

__all__ = ["PartStory", "measure_parts"]


class PartStory(Protocol):
    """Who is told how far it is."""

    def begin(self, parts: int) -> None:
        """So many parts are to be read."""
        ...

    def advance(self, parts: int, /) -> None:
        """So many more are over."""
        ...


def measure_parts(
    path: str,
    parts: Parts,
    task: Task,
    options: EvaluateOptions,
    story: PartStory | None = None,
    *,
    cluster: Cluster | None = None,
) -> Report:
    """The report of all rows, as if they stood in one table; the parts are read here, or by a cluster.

    Raises `DataError` that names the part and the line for what cannot be read.
    """
    shapes = shapes_of(task)
    with Tally(shapes, len(task.labels), errors=options.errors) as tally:
        if story is not None:
            story.begin(len(parts))
        if cluster is None:
            key: Key = hash
            read = _read_here(tally, parts, task, options)
        else:
            key = key_everywhere
            read = _read_there(tally, parts, task, options, cluster)
        marked, human = [], []
        ends: list[int] = []
        with closing(read):
            for has_marks, vouched in read:
                marked.append(has_marks)
                human.append(vouched)
                ends.append(tally.codes.rows)
                if story is not None:
                    story.advance(1)
        if not tally.codes.rows:
            raise no_rows(path, parts)
        measured = _Measured(path, parts, tuple(marked), key, task, options, shapes, tally)
        return measured.report(_everywhere(human, ends))


def _read_here(
    tally: Tally, parts: Parts, task: Task, options: EvaluateOptions
) -> Generator[tuple[bool, BoolArray | None]]:
    """Add up each part; whether it is marked, and which rows people vouch for."""
    for number in range(len(parts)):
        with parts.open(number, task, options.read) as table:
            _add(tally, table, task, number)
            yield table.marked, human_rows(table)


def _add(tally: Tally, table: Table, task: Task, part: int) -> None:
    """Add up a part: in blocks, or row by row where it asks for it."""
    mark = tally.mark()
    first = 0
    for piece in table_pieces(table, task, hash):
        if piece is None:
            tally.back_to(mark)
            first = 0
            continue
        tally.add(piece, part=part, first=first)
        first += piece.rows


def _read_there(
    tally: Tally, parts: Parts, task: Task, options: EvaluateOptions, cluster: Cluster
) -> Generator[tuple[bool, BoolArray | None]]:
    """The same of what workers have read."""
    with closing(read_on(cluster, parts, task, options)) as read:
        for number, part in enumerate(read):
            first = 0
            for piece in part.pieces:
                tally.add(piece.unpacked(), part=number, first=first)
                first += piece.rows
            yield part.marked, part.human


def _everywhere(human: Sequence[BoolArray | None], ends: Sequence[int]) -> BoolArray | None:
    """(n_rows,) which rows of all parts people vouch for; None if no part tells.

    Rows of parts that do not tell are people's, as rows without a source are.
    """
    if all(one is None for one in human):
        return None
    sizes = np.diff(ends, prepend=0)
    return np.concatenate(
        [
            np.ones(size, dtype=np.bool_) if one is None else one
            for one, size in zip(human, sizes, strict=True)
        ]
    )


class _Measured:
    """What was added up, and the report of it."""

    def __init__(
        self,
        path: str,
        parts: Parts,
        marked: Sequence[bool],
        key: Key,
        task: Task,
        options: EvaluateOptions,
        shapes: Sequence[Shape],
        tally: Tally,
    ) -> None:
        self._path, self._parts, self._marked, self._key = path, parts, marked, key
        self._task, self._options, self._shapes, self._tally = task, options, shapes, tally

    def report(self, human: BoolArray | None) -> Report:
        """All figures; `human`, (n_rows,), are the rows that people vouch for."""
        options, tally = self._options, self._tally
        resampling = {"bootstrap": options.bootstrap, "seed": options.seed}
        pairs, patterns, unsure = tally.patterns()
        warnings = self._warnings()
        quality = measure(pairs, patterns, self._shapes, **resampling)
        probabilities = self._probabilities()
        sure = sure_answers(pairs, patterns.counts, unsure, self._task)
        calibration = tally.confidences.measured(**resampling)
        rows = show_wrong_rows(tally.wrong_rows(), self._parts, self._marked, self._task, options.read)
        report = Report(
            source=self._path,
            quality=quality,
            task=self._task.source,
            date=options.date,
            noun=noun_of(self._task.text),
            checked=self._checked(sure),
            human=None
            if human is None
            else measure_some(human, pairs, patterns.places[tally.codes.all()], self._shapes, **resampling),
            problems=dict(tally.problems.most_common()),
            sure=sure,
            calibration=calibration,
            probabilities=probabilities,
            wrong=int(patterns.counts[~pairs.right].sum()),
            errors=tuple(rows),
            rows=rows,
            training=None if options.training is None else read_training(options.training),
            gates=check_gates(options.gates, quality, probabilities, calibration, sure),
            warnings=tuple(warnings),
        )
        return report if options.texts else report.without_texts()

    def _checked(self, sure: SureAnswers | None) -> Checked | None:
        tally = self._tally
        said = checked_by_limit(tally.codes.rows, self._task, sure)
        sureness = tally.sureness()
        if said is not None or sureness is None or np.isnan(sureness).all():
            return said
        return check_least_sure(sureness, tally.seen.pairs().right[tally.codes.all()])

    def _probabilities(self) -> Mapping[str, FieldProbabilities]:
        found = self._tally.probabilities()
        if found is None:
            return {}
        codes, shares = found
        true = self._tally.seen.pairs().true
        options = self._options
        return probabilities_by_field(
            true, codes, shares, self._shapes, bootstrap=options.bootstrap, seed=options.seed
        )

    def _warnings(self) -> list[str]:
        tally, path = self._tally, self._path
        repeated = find_repeated(
            tally.repeated_ids(), self._key, self._parts, self._marked, self._task, self._options.read
        )
        said = table_warnings(path, repeated, tally.lacks)
        if tally.has_probabilities:
            said += tally.told.warnings(path, self._shapes)
        if tally.too_many_probabilities:
            said.append(
                f"{path}: average precision, ROC AUC, log loss and Brier score are left out: they need all "
                f"probabilities side by side, and there are more than {MOST_PROBABILITIES:,}; a pattern that "
                "takes in some of the parts has them"
            )
        if tally.too_many_confidences:
            said.append(
                f"{path}: what it brings to check the least sure is left out: it needs all confidences "
                f"side by side, and there are more than {MOST_CONFIDENCES:,}"
            )
        if tally.too_many_ids:
            said.append(f"{path}: ids that repeat are not looked for among more than {MOST_IDS:,} rows")
        unfinished = incomplete(path, self._parts)
        return [*said, *([] if unfinished is None else [unfinished])]
