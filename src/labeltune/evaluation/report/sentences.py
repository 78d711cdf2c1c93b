"""What every form of a report says in the same words: sentences, headings and the cells of tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.evaluation.metrics.quality import FEW_ROWS, MEANS_OVER_LABELS, FieldQuality, Quality
from labeltune.evaluation.metrics.ranking import RANKING_METRICS
from labeltune.evaluation.report.meanings import in_order
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.evaluation.metrics.calibration import Coverage
    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.quality import Level
    from labeltune.evaluation.metrics.ranking import Ranking
    from labeltune.evaluation.report.model import (
        Calibration,
        Comparison,
        FieldProbabilities,
        HumanRows,
        OtherAnswer,
        Report,
        ShownRow,
        Spent,
        SureAnswers,
    )
    from labeltune.evaluation.report.shares import Share

__all__ = [
    "COVERAGE_HEADINGS",
    "EXAMPLES",
    "INTERVAL",
    "NO_ANSWER",
    "RANKING_HEADINGS",
    "calibration_line",
    "comparison_tail",
    "coverage_cells",
    "example_lines",
    "facts",
    "few_row_lines",
    "head_line",
    "human_line",
    "invalid_line",
    "named",
    "notes",
    "percent",
    "probability_line",
    "ranking_cells",
    "seconds",
    "short_notes",
    "shortened",
    "shown_metrics",
    "spending_lines",
    "sure_line",
]

EXAMPLES = 3
"""How many of the rows won, and of those lost, are shown with their texts."""
INTERVAL = "95 % interval"
COVERAGE_HEADINGS = (
    "confidence from",
    "rows kept",
    "exact match",
    INTERVAL,
    "for review",
    "errors found",
)
NO_ANSWER = "no valid answer"
_TEXT_LENGTH = 70
_SAME_AS_ACCURACY = ("exact_match", "micro_f1", "samples_f1", "hamming_loss", "jaccard")
"""What says nothing that accuracy does not, where each row has one label."""
_OF_LABELS = (
    "those of means over labels (macro-F1, balanced accuracy) are Wilson's, each label as uncertain as its "
    "rows and the other labels say"
)
_EXACT = (
    "those of proportions (exact match, accuracy, a label's precision and recall) and of a label's F1 "
    "are exact (Clopper–Pearson)"
)
_INVERTED = "that of the calibration error holds the true errors that would make this one likely"
_NORMAL = "those of log loss and Brier score are normal approximations"
_FIGURE_NAMES = {
    "average_precision": "macro average precision",
    "roc_auc": "macro ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
}
RANKING_HEADINGS = ("average precision", INTERVAL, "ROC AUC", INTERVAL)
"""Of the table that tells how well the probability of each label ranks rows."""


def percent(share: float) -> str:
    """A share as per cent, with as many places as it takes to see it is not nothing."""
    return f"{100 * share:.2f} %"


def head_line(report: Report) -> str:
    """What was measured, and how many answers were none."""
    quality = report.quality
    return f"{report.source}: {counted(quality.rows, 'row')}, {invalid_line(quality, report.problems)}"


def facts(report: Report) -> list[tuple[str, str]]:
    """What was measured, by name: the task, the data, the model and the day, as far as they are known."""
    quality = report.quality
    asked = ", ".join(
        f"{field.shape.name} ({counted(len(field.shape.labels), 'label')})" for field in quality.fields
    )
    known = [
        ("task", f"{asked}, from {Path(report.task).name}" if report.task else asked),
        ("data", f"{report.source}, {counted(quality.rows, 'row')}"),
        ("model", "" if report.spent is None else report.spent.model),
        ("predictions of", report.date),
    ]
    return [(name, fact) for name, fact in known if fact]


def notes(report: Report) -> Iterator[str]:
    """How the figures were made, and what the predictions cost; a comparison tells that of both sides."""
    if report.sure is not None:
        yield sure_line(report.sure)
    if report.human is not None:
        yield human_line(report.human)
    yield _method(report)
    yield from _cautions(report)
    yield from _origins(report)


def short_notes(report: Report) -> Iterator[str]:
    """The same without how the figures were made."""
    if report.sure is not None:
        yield sure_line(report.sure)
    yield from _cautions(report)
    yield from _origins(report)


def _cautions(report: Report) -> Iterator[str]:
    """What to know of labels that few rows have, or none."""
    for field in report.quality.fields:
        absent, labels = int((field.scores.support == 0).sum()), len(field.shape.labels)
        if absent:
            name = field.shape.name
            yield f"Labels of {name} that are on no row, and 0 in macro averages: {absent:,} of {labels:,}."
    yield from few_row_lines(report.quality)


def _origins(report: Report) -> Iterator[str]:
    """Which thresholds were applied, and what the predictions cost."""
    if report.tuned_on is not None:
        yield f"{_tuned(report)} by the thresholds of {report.tuned_on}."
    if report.spent is not None and not report.comparisons:
        yield f"Cost: {_spending(report.spent)}."


def _tuned(report: Report) -> str:
    """What the thresholds decide."""
    multi = any(not field.shape.single for field in report.quality.fields)
    if report.sure is None or report.sure.limit is None:
        return "Labels of multi fields are predicted"
    return "Labels of multi fields are predicted, and answers are unsure," if multi else "Answers are unsure"


def sure_line(sure: SureAnswers) -> str:
    """How good the sure answers are, how many rows have one, and how good all rows are."""
    limit = sure.limit
    why = (
        ""
        if limit is None
        else f", below {limit.below:g} (chosen so that {percent(limit.accuracy)} of the others are right)"
    )
    good = "" if sure.accuracy is None else f"; of these {_share(sure.accuracy)} are right"
    return (
        f"Unsure answers: {sure.unsure:,}{why}. Sure ones: {_share(sure.coverage)}{good}. "
        f"With the unsure and the invalid ones, {_share(sure.accuracy_of_all)} are right."
    )


def human_line(human: HumanRows) -> str:
    """How good the answers are where people vouch for the labels; the rest tells how models agree."""
    figures = ", ".join(
        f"{name} {_figure(human.quality.metrics[name], human.quality.interval(name))}"
        for name in shown_metrics(human.quality)
    )
    return (
        f"Rows that people labelled or verified, {human.rows:,} of {human.of:,}: {figures}. "
        f"The labels of the other {human.of - human.rows:,} are a model's."
    )


def _share(share: Share) -> str:
    spread = share.interval
    return (
        f"{share.count:,} of {share.of:,}, {percent(share.value)} "
        f"({100 * spread.low:.2f} to {percent(spread.high)})"
    )


def few_row_lines(quality: Quality) -> Iterator[str]:
    """Of which fields the labels have so few rows that a mean over them is not bounded well."""
    if not quality.bootstrap:
        return
    for field in quality.fields:
        if field.few_rows:
            yield (
                f"A quarter of the labels of {field.shape.name}, or more, are on fewer than {FEW_ROWS} rows: "
                f"the interval of {_of_labels(field)} can be too narrow for so few. More rows of rare "
                "labels mend that."
            )


def _of_labels(field: FieldQuality) -> str:
    """The metrics of a field that are means over its labels."""
    *others, last = (name for name in MEANS_OVER_LABELS if name in field.metrics)
    return f"{', '.join(others)} and {last}" if others else last


def invalid_line(quality: Quality, problems: object) -> str:
    """How many rows have no valid answer, and why."""
    if not quality.invalid:
        return "every answer valid"
    interval = quality.invalid_interval
    spread = f"95 % interval {100 * interval.low:.2f} to {percent(interval.high)}"
    reasons = problems.items() if isinstance(problems, dict) else ()
    why = ", ".join(f"{problem} {count:,}" for problem, count in reasons)
    return (
        f"{quality.invalid:,} without a valid answer, counted as wrong "
        f"({percent(quality.invalid_rate)}, {spread}): {why}"
    )


def shown_metrics(level: Level) -> list[str]:
    """The metrics to show a person, what everybody knows first: of a single field without those that repeat
    its accuracy.
    """
    repeats = _SAME_AS_ACCURACY if "accuracy" in level.metrics and _one_label(level) else ()
    return in_order(name for name in level.metrics if name not in repeats)


def _one_label(level: Level) -> bool:
    fields = level.fields if isinstance(level, Quality) else [level]
    return len(fields) == 1 and isinstance(fields[0], FieldQuality) and fields[0].shape.single


def probability_line(probabilities: FieldProbabilities) -> str:
    """What the probabilities of one field are worth as a whole, and what its intervals were drawn from."""
    figures = ", ".join(
        f"{_FIGURE_NAMES[name]} {_figure(value, interval)}"
        for name, (value, interval) in probabilities.figures.items()
    )
    groups = probabilities.groups
    drawn = (
        "" if groups is None else f" The rankings' intervals: resamples of {groups:,} random groups of rows."
    )
    return f"Probabilities of {counted(probabilities.rows, 'row')}: {figures}.{drawn}"


def ranking_cells(one: Ranking) -> tuple[str, ...]:
    """One label, in the order of `RANKING_HEADINGS`."""
    cells = []
    for name in RANKING_METRICS:
        value, interval = one.value(name), one.intervals.get(name)
        cells.append("-" if value is None else f"{value:.3f}")
        cells.append("-" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}")
    return tuple(cells)


def _figure(value: float, interval: Interval | None) -> str:
    return f"{value:.4f}" + ("" if interval is None else f" ({interval.low:.4f} to {interval.high:.4f})")


def calibration_line(calibration: Calibration) -> str:
    """One sentence on whether confidences can be believed."""
    interval = calibration.interval
    spread = "" if interval is None else f" ({100 * interval.low:.2f} to {percent(interval.high)})"
    return (
        f"Confidence: expected calibration error {percent(calibration.error)}{spread} over "
        f"{counted(calibration.rows, 'answer')}."
    )


def coverage_cells(line: Coverage) -> tuple[str, ...]:
    """One limit, in the order of `COVERAGE_HEADINGS`."""
    spread = line.interval
    return (
        f"{line.limit:g}",
        f"{line.kept:,}",
        "-" if line.accuracy is None else f"{line.accuracy:.4f}",
        "-" if spread is None else f"{spread.low:.4f} to {spread.high:.4f}",
        f"{line.review:,}",
        f"{line.errors_found:,}",
    )


def spending_lines(comparison: Comparison) -> Iterator[str]:
    """What the two sides cost, if that is known of either."""
    if comparison.spent is None and comparison.spent_there is None:
        return
    for where, spent in (("here", comparison.spent), ("there", comparison.spent_there)):
        yield f"Cost {where}: {'not known' if spent is None else _spending(spent)}."


def _spending(spent: Spent) -> str:
    took = (
        ""
        if spent.latency_median is None or spent.latency_p95 is None
        else f"; half of the answers came within {seconds(spent.latency_median)}, "
        f"95 of a hundred within {seconds(spent.latency_p95)}"
    )
    usd = "unknown price" if spent.usd is None else f"${spent.usd:,.4f}" if spent.usd else "$0"
    return (
        f"{usd}, {counted(spent.input_tokens, 'token')} read and {spent.output_tokens:,} written in "
        f"{counted(spent.requests, 'request')} ({spent.model}){took}"
    )


def seconds(duration: float) -> str:
    """A duration to three digits, in milliseconds below a second."""
    if duration < 0.9995:
        return f"{1000 * duration:.3g} ms"
    return f"{duration:.3g} s" if duration < 99.95 else f"{duration:,.0f} s"


def comparison_tail(comparison: Comparison) -> str:
    """What to know of the differences, and the rows won and lost."""
    result = comparison.result
    adjusted = "" if comparison.p_holm == result.p else f", {comparison.p_holm:.3g} after Holm's correction"
    losses = "Of log loss and Brier score, less is better. " if comparison.has_losses else ""
    return (
        f"{losses}Rows right here and wrong there: {result.won:,}; the reverse: {result.lost:,}; "
        f"exact McNemar p = {result.p:.3g}{adjusted}."
    )


def example_lines(comparison: Comparison, rows: Mapping[int, ShownRow]) -> Iterator[str]:
    """Some rows won and some lost: their texts, what is true, what was said here and there."""
    for name, answers in (("won", comparison.won), ("lost", comparison.lost)):
        yield from (f"  {name}: {_example_line(answer, rows)}" for answer in answers[:EXAMPLES])


def _example_line(answer: OtherAnswer, rows: Mapping[int, ShownRow]) -> str:
    row = rows[answer.line]
    here = row.problem or named(row.predicted)
    there = named(answer.predicted) if answer.valid else NO_ANSWER
    quoted = f' "{shortened(row.text)}"' if row.text else ""
    return f"{row.where}{quoted}: {named(row.true)}; here {here}, there {there}"


def named(labels: Sequence[str]) -> str:
    """Labels as a person reads them."""
    return ", ".join(labels) or "no label"


def shortened(text: str, length: int = _TEXT_LENGTH) -> str:
    """Text on one line of at most so many characters."""
    words = " ".join(text.split())
    return words if len(words) <= length else words[: length - 1] + "…"


def _method(report: Report) -> str:
    """One sentence on where the intervals come from."""
    quality = report.quality
    inverted = [_INVERTED] if report.calibration is not None and quality.bootstrap else []
    others = [_EXACT, *inverted, *([_NORMAL] if report.probabilities else [])]
    if not quality.bootstrap:
        return f"Intervals hold 95 %: {'; '.join(others)}; there are no others (--bootstrap 0)."
    resampled = (
        f"bias-corrected percentiles of {quality.bootstrap:,} bootstrap resamples of the rows "
        f"(seed {quality.seed}), each with one row more"
    )
    return f"Intervals hold 95 %: {'; '.join([resampled, _OF_LABELS, *others])}."
