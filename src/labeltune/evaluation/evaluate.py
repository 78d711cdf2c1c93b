"""Compare what was predicted with what is true: the use case behind `labeltune evaluate`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.evaluation.applying_thresholds import apply_thresholds
from labeltune.evaluation.checking import measure_checked
from labeltune.evaluation.comparing import compare
from labeltune.evaluation.confidence import measure_confidence, measure_probabilities, probability_warnings
from labeltune.evaluation.gates import Gate, check_gates, check_not_worse
from labeltune.evaluation.human_rows import measure_human_rows
from labeltune.evaluation.metrics.quality import BOOTSTRAP, SEED, measure
from labeltune.evaluation.reading import read_predictions
from labeltune.evaluation.reasons import try_reasons
from labeltune.evaluation.remembering import remember
from labeltune.evaluation.report.headline import noun_of
from labeltune.evaluation.report.model import Report
from labeltune.evaluation.rows import pick_errors, show_rows, write_review
from labeltune.evaluation.shapes import shapes_of
from labeltune.evaluation.spending import find_spent
from labeltune.evaluation.sure_answers import find_unsure, measure_sure
from labeltune.evaluation.training_curves import read_training
from labeltune.evaluation.written import open_predictions
from labeltune.files.threshold_file import read_thresholds
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.tuning.ledger import STATE_FOLDER

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from labeltune.evaluation.predictions import Predictions
    from labeltune.evaluation.report.model import Comparison, ShownRow
    from labeltune.files.tables import Table
    from labeltune.files.threshold_file import Thresholds
    from labeltune.task import Task

__all__ = ["EvaluateOptions", "Gate", "Review", "evaluate"]


@dataclass(frozen=True, slots=True)
class Review:
    """Which rows a person should look at, and where they are written."""

    below: float
    """the confidence under which a row is for review"""
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is asked for besides the figures."""

    bootstrap: int = BOOTSTRAP
    seed: int = SEED
    compare: tuple[str, ...] = ()
    """other predictions for the same rows"""
    thresholds: str | None = None
    """a file of thresholds to predict with anew"""
    review: Review | None = None
    errors: bool = False
    """whether the report should hold wrong rows with their texts"""
    training: str | None = None
    """a job's events or result file, whose figures by step the report should hold"""
    gates: tuple[Gate, ...] = ()
    read: ReadOptions = NOTHING_TOLD
    """how the tables are read, before what is found"""
    not_worse_than: str | None = None
    """other predictions that these must not be shown to be worse than"""
    state: str | os.PathLike[str] = STATE_FOLDER
    """where the journals of prediction runs are, which know what they cost"""
    why: bool = False
    """whether wrong rows should tell the words that decided; the model that answered is asked for them"""
    texts: bool = True
    """whether the report may hold a word of any row"""
    date: str = ""
    """the day of the predictions, for the title"""

    @property
    def others(self) -> tuple[str, ...]:
        """All predictions that these are compared with, each once."""
        return tuple(dict.fromkeys([*self.compare, *filter(None, [self.not_worse_than])]))


def evaluate(path: str, task: Task, options: EvaluateOptions | None = None) -> Report:
    """Measure the predictions in a table.

    Raises `DataError` for a table that lacks columns or holds what is no label, for other predictions of
    other rows, and for thresholds tuned on these rows; `SettingsError` for a gate on something that is not
    measured.
    """
    options = options or EvaluateOptions()
    others = options.others
    if others and not options.bootstrap:
        raise SettingsError("a comparison needs resamples: --bootstrap must not be 0")
    shapes = shapes_of(task)
    with ExitStack() as stack:
        table, *tables = (
            stack.enter_context(open_predictions(name, task, options.read)) for name in (path, *others)
        )
        predictions, warnings, thresholds = _read(table, task, options)
        limit = None if thresholds is None else thresholds.unsure
        if limit is not None:
            predictions = replace(predictions, unsure=find_unsure(predictions, task, limit))
        warnings += probability_warnings(predictions, shapes)
        resampling = {"bootstrap": options.bootstrap, "seed": options.seed}
        quality = measure(predictions.pairs, predictions.patterns, shapes, **resampling)
        human = measure_human_rows(predictions, table, shapes, **resampling)
        theirs = [_read(other, task, options)[0] for other in tables]
        comparisons = compare(predictions, theirs, shapes, **resampling)
        spent, *spent_there = (
            find_spent(name, each, rows=predictions.rows, state=options.state)
            for name, each in zip((path, *others), (table, *tables), strict=True)
        )
        comparisons = tuple(
            replace(one, spent=spent, spent_there=there)
            for one, there in zip(comparisons, spent_there, strict=True)
        )
        review = options.review
        reviewed = None
        if review is not None:
            reviewed = write_review(predictions, table, task, below=review.below, path=review.output)
        errors = tuple(predictions.lines[pick_errors(predictions)].tolist()) if options.errors else ()
        rows = _rows(predictions, table, task, errors, comparisons)
        if options.why:
            rows, unsaid = try_reasons(
                rows, errors, predictions=predictions, table=table, task=task, spent=spent
            )
            warnings += unsaid
        training = None if options.training is None else read_training(options.training)
    if spent is not None:
        warnings += remember(path, task, quality, spent, state=options.state)
    probabilities = measure_probabilities(predictions, shapes, **resampling)
    sure = measure_sure(predictions, task, limit)
    lines = [*([] if review is None else [review.below]), *([] if limit is None else [limit.below])]
    calibration = measure_confidence(predictions, lines, **resampling)
    gates = check_gates(options.gates, quality, probabilities, calibration, sure)
    if options.not_worse_than is not None:
        gates += (check_not_worse(comparisons[others.index(options.not_worse_than)]),)
    report = Report(
        source=table.source,
        quality=quality,
        task=task.source,
        date=options.date,
        noun=noun_of(task.text),
        checked=measure_checked(predictions, task, sure),
        problems=predictions.problems,
        tuned_on=None if thresholds is None else _described(options.thresholds, thresholds),
        sure=sure,
        human=human,
        calibration=calibration,
        probabilities=probabilities,
        spent=spent,
        comparisons=comparisons,
        wrong=int(predictions.patterns.counts[~predictions.pairs.right].sum()),
        errors=errors,
        rows=rows,
        training=training,
        reviewed=reviewed,
        gates=gates,
        warnings=tuple(warnings),
    )
    return report if options.texts else report.without_texts()


def _rows(
    predictions: Predictions,
    table: Table,
    task: Task,
    errors: Sequence[int],
    comparisons: Sequence[Comparison],
) -> dict[int, ShownRow]:
    """Every row that the report names, by line: wrong ones, and those won and lost."""
    compared = (answer.line for one in comparisons for answer in (*one.won, *one.lost))
    lines = {*errors, *compared}
    return show_rows(predictions, table, task, lines) if lines else {}


def _read(
    table: Table, task: Task, options: EvaluateOptions
) -> tuple[Predictions, list[str], Thresholds | None]:
    """The predictions, thresholds applied; warnings; the thresholds, if there are any."""
    # Digests of the texts tell whether two tables hold the same rows.
    digests = options.thresholds is not None or bool(options.others)
    predictions = read_predictions(table, task, digests=digests)
    warnings = predictions.warnings()
    if options.thresholds is None:
        return predictions, warnings, None
    thresholds = read_thresholds(options.thresholds, task)
    predictions, more = apply_thresholds(predictions, task, thresholds, sha256=table.sha256())
    return predictions, warnings + more, thresholds


def _described(path: str | None, thresholds: Thresholds) -> str:
    """Where thresholds are from."""
    tuned_on = thresholds.tuned_on
    return f"{Path(path or '').name}, tuned on {tuned_on.name} ({tuned_on.rows:,} rows)"
