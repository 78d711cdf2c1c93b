"""Compare what was predicted with what is true: the use case behind `labeltune evaluate`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.distributed import cluster_named
from labeltune.errors import SettingsError
from labeltune.evaluation.applying_thresholds import apply_thresholds
from labeltune.evaluation.checking import measure_checked
from labeltune.evaluation.comparing import compare
from labeltune.evaluation.confidence import measure_confidence, measure_probabilities, probability_warnings
from labeltune.evaluation.gates import Gate, check_gates, check_not_worse
from labeltune.evaluation.human_rows import measure_human_rows
from labeltune.evaluation.metrics.quality import measure
from labeltune.evaluation.options import EvaluateOptions, Review
from labeltune.evaluation.parts.listing import incomplete, parts_of
from labeltune.evaluation.parts.measuring import measure_parts
from labeltune.evaluation.parts.opening import open_whole
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
from labeltune.files.threshold_file import read_thresholds
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.distributed import Cluster
    from labeltune.evaluation.parts.measuring import PartStory
    from labeltune.evaluation.predictions import Predictions
    from labeltune.evaluation.report.model import Comparison, ShownRow
    from labeltune.files.tables import Table
    from labeltune.files.threshold_file import Thresholds
    from labeltune.task import Task

__all__ = ["EvaluateOptions", "Gate", "Review", "evaluate"]


def evaluate(
    path: str, task: Task, options: EvaluateOptions | None = None, story: PartStory | None = None
) -> Report:
    """Measure the predictions in a table, or in the tables of a folder or a pattern as if they were one.

    Parts are added up one after the other, but for comparisons, thresholds, a review and reasons, which need
    all rows side by side.

    Raises `DataError` for a table that lacks columns or holds what is no label, for other predictions of
    other rows, and for thresholds tuned on these rows; `SettingsError` for a gate on something that is not
    measured.
    """
    options = options or EvaluateOptions()
    others = options.others
    if others and not options.bootstrap:
        raise SettingsError("a comparison needs resamples: --bootstrap must not be 0")
    if options.margin is not None and options.not_worse_than is None:
        raise SettingsError("--margin says how much worse will do: name what --fail-if-worse is asked of")
    parts = parts_of(path)
    cluster = _cluster_of(options, is_folder=parts is not None)
    if parts is not None and not options.side_by_side:
        return measure_parts(path, parts, task, options, story, cluster=cluster)
    shapes = shapes_of(task)
    with ExitStack() as stack:
        table, *tables = (
            stack.enter_context(open_whole(name, task, options.read)) for name in (path, *others)
        )
        predictions, warnings, thresholds = _read(table, task, options)
        limit = None if thresholds is None else thresholds.unsure
        if limit is not None:
            predictions = replace(predictions, unsure=find_unsure(predictions, task, limit))
        warnings += probability_warnings(predictions, shapes)
        warnings += [one for one in [parts and incomplete(path, parts)] if one]
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
        against = comparisons[others.index(options.not_worse_than)]
        gates += (check_not_worse(against, options.margin, rows=predictions.rows),)
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


def _cluster_of(options: EvaluateOptions, *, is_folder: bool) -> Cluster | None:
    """Which cluster is to read the parts; None for this process. Raises `SettingsError` for what cannot be
    read apart.
    """
    cluster = cluster_named(options.distributed, options.workers)
    if cluster is None:
        return None
    if not is_folder:
        raise SettingsError(
            "--distributed is for folders of tables", hint="name a folder or a pattern that predict wrote"
        )
    if options.side_by_side:
        raise SettingsError(
            f"--distributed adds up parts, and {options.side_by_side[0]} needs all rows side by side",
            hint=f"leave --distributed or {options.side_by_side[0]} out",
        )
    return cluster


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
    return f"{Path(path or '').name}, tuned on {tuned_on.name} ({counted(tuned_on.rows, 'row')})"
