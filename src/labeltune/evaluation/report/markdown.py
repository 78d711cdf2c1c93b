"""A report as Markdown for a pull request, never longer than GitHub shows."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from labeltune.evaluation.report.meanings import MEANINGS
from labeltune.evaluation.report.sentences import (
    COVERAGE_HEADINGS,
    EXAMPLES,
    INTERVAL,
    NO_ANSWER,
    RANKING_HEADINGS,
    calibration_line,
    comparison_tail,
    coverage_cells,
    facts,
    invalid_line,
    named,
    notes,
    probability_line,
    ranking_cells,
    shortened,
    shown_metrics,
    spending_lines,
)
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.evaluation.metrics.quality import FieldQuality
    from labeltune.evaluation.metrics.ranking import Ranking
    from labeltune.evaluation.report.model import Calibration, Comparison, GateResult, Report, ShownRow

__all__ = ["MAX_BYTES", "format_markdown", "plain"]

MAX_BYTES = 64_000
"""A comment on GitHub holds 65,536 characters."""

MEANING = "what it says"

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line; it links and mentions nobody."""
    escaped = html.escape(_CONTROL.sub(" ", text), quote=False)
    return _SPECIAL.sub(r"\\\1", escaped).replace("@", "&#64;").replace(":", "&#58;")


def format_markdown(report: Report, *, max_bytes: int = MAX_BYTES) -> str:
    """The report; tables of labels are shortened, the worst labels staying, until it fits."""
    most = max(len(field.shape.labels) for field in report.quality.fields)
    while True:
        text = "\n".join(_lines(report, most)) + "\n"
        if len(text.encode()) <= max_bytes:
            return text
        if most == 0:
            return text.encode()[: max_bytes - 4].decode("utf-8", "ignore") + "…\n"
        most //= 2


def _lines(report: Report, most: int) -> Iterator[str]:
    quality = report.quality
    yield f"### {plain(report.source)}"
    yield ""
    yield f"**{plain(str(report.headline))}**"
    yield ""
    yield from _facts(report)
    yield f"{counted(quality.rows, 'row')}, {plain(invalid_line(quality, report.problems))}."
    yield ""
    yield from _gates(report.gates)
    for comparison in report.comparisons:
        yield from _comparison(comparison, report)
    yield from _table(
        ("metric", "value", INTERVAL, MEANING),
        (
            (
                plain(name),
                f"{quality.metrics[name]:.4f}",
                _spread(quality.interval(name)),
                plain(MEANINGS.get(name, "")),
            )
            for name in shown_metrics(quality)
        ),
    )
    yield from (plain(line) for line in notes(report))
    yield ""
    for field in quality.fields:
        probabilities = report.probabilities.get(field.shape.name)
        yield from _field(field, most, None if probabilities is None else probabilities.ranking)
        if probabilities is not None:
            yield probability_line(probabilities)
            yield ""
    if report.calibration is not None:
        yield from _coverage(report.calibration)


def _facts(report: Report) -> Iterator[str]:
    """What was measured: each known fact once, on one line."""
    yield " · ".join(f"{name}&#58; {plain(fact)}" for name, fact in facts(report))
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    names = (head[0], MEANING)
    yield f"|{'|'.join('---' if one in names else '--:' for one in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _spread(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:.4f} – {interval.high:.4f}"


def _gates(gates: Sequence[GateResult]) -> Iterator[str]:
    for gate in gates:
        yield f"- {'✅' if gate.passed else '❌'} {plain(str(gate))}"
    if gates:
        yield ""


def _comparison(comparison: Comparison, report: Report) -> Iterator[str]:
    yield f"**Against {plain(comparison.other)}**: {plain(comparison.verdict)}."
    yield ""
    yield from _table(
        ("metric", "difference", INTERVAL),
        (
            (plain(name), f"{one.difference:+.4f}", f"{one.low:+.4f} – {one.high:+.4f}")
            for name, one in comparison.differences(shown_metrics(report.quality))
        ),
    )
    yield comparison_tail(comparison)
    yield ""
    for line in spending_lines(comparison):
        yield f"- {plain(line)}"
    yield ""
    yield from _examples(comparison, report.rows)


def _examples(comparison: Comparison, rows: Mapping[int, ShownRow]) -> Iterator[str]:
    pairs = [
        (name, answer)
        for name, answers in (("won", comparison.won), ("lost", comparison.lost))
        for answer in answers[:EXAMPLES]
    ]
    if not pairs:
        return
    yield "<details><summary>Rows won and lost, examples</summary>"
    yield ""
    yield from _table(
        ("", "line", "text", "true", "here", "there"),
        (
            (
                name,
                plain(rows[answer.line].where) if rows[answer.line].file else f"{answer.line:,}",
                plain(shortened(rows[answer.line].text)),
                plain(named(rows[answer.line].true)),
                plain(rows[answer.line].problem or named(rows[answer.line].predicted)),
                plain(named(answer.predicted)) if answer.valid else NO_ANSWER,
            )
            for name, answer in pairs
        ),
    )
    yield "</details>"
    yield ""


def _field(field: FieldQuality, most: int, rankings: Sequence[Ranking] | None) -> Iterator[str]:
    labels, scores = field.shape.labels, field.scores
    shown = sorted(scores.f1.argsort(kind="stable")[:most].tolist())
    left = len(labels) - len(shown)
    yield f"#### {plain(field.shape.name)}"
    yield ""
    yield from _table(
        (
            *("label", "precision", "recall", "F1", INTERVAL, "support"),
            *(() if rankings is None else RANKING_HEADINGS),
        ),
        (
            (
                plain(labels[place]),
                f"{scores.precision[place]:.2f}",
                f"{scores.recall[place]:.2f}",
                f"{scores.f1[place]:.2f}",
                _label_spread(field.score_intervals, place),
                f"{int(scores.support[place]):,}",
                *(() if rankings is None else ranking_cells(rankings[place])),
            )
            for place in shown
        ),
    )
    if left:
        yield f"… and {counted(left, 'label')} with a higher F1."
        yield ""


def _label_spread(intervals: Mapping[str, tuple[FloatArray, FloatArray]], place: int) -> str:
    if "f1" not in intervals:
        return ""
    low, high = intervals["f1"]
    return f"{low[place]:.2f} – {high[place]:.2f}"


def _coverage(calibration: Calibration) -> Iterator[str]:
    yield f"<details><summary>{calibration_line(calibration)}</summary>"
    yield ""
    yield from _table(COVERAGE_HEADINGS, (coverage_cells(line) for line in calibration.coverage))
    yield "</details>"
