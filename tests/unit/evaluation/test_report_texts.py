"""What a report says: the verdict no more than the numbers, the forms for GitHub within its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labeltune.evaluation.metrics.intervals import Interval
from labeltune.evaluation.metrics.paired import Difference, PairedResult
from labeltune.evaluation.metrics.quality import Shape, measure, pattern_pairs
from labeltune.evaluation.metrics.scores import (
    CLASS_METRICS,
    HIERARCHICAL_METRICS,
    PATH_METRICS,
    VECTOR_METRICS,
    Pairs,
)
from labeltune.evaluation.report.github import (
    MAX_ANNOTATIONS,
    MAX_SUMMARY_BYTES,
    append_summary,
    workflow_commands,
)
from labeltune.evaluation.report.markdown import MAX_BYTES, format_markdown, plain
from labeltune.evaluation.report.model import Comparison, GateResult, Report
from labeltune.evaluation.report.text import format_text

ROOT = Path(__file__).resolve().parents[3]


def comparison(difference: Difference, *, rows: int = 500, p_holm: float | None = None) -> Comparison:
    return Comparison(
        source="b.csv",
        other="a.csv",
        result=PairedResult(rows, {"macro_f1": difference}, 3, 1, 0.6),
        p_holm=0.6,
        headline_p_holm=difference.p if p_holm is None else p_holm,
        won=(),
        lost=(),
    )


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (
            comparison(Difference(0.021, 0.008, 0.034, 0.01)),
            "b.csv is better by 2.1 points of macro-F1, 95 % interval 0.8 to 3.4",
        ),
        (
            comparison(Difference(-0.021, -0.034, -0.008, 0.01)),
            "a.csv is better by 2.1 points of macro-F1, 95 % interval 0.8 to 3.4",
        ),
        (
            comparison(Difference(0.010, -0.010, 0.030, 0.3)),
            (
                "no difference in macro-F1 from a.csv can be shown with 500 rows; "
                "about 4,100 would be needed to see one of 1.0 points"
            ),
        ),
        # Shown alone, but not as one of several comparisons.
        (
            comparison(Difference(0.021, 0.008, 0.034, 0.01), p_holm=0.06),
            "no difference in macro-F1 from a.csv can be shown with 500 rows",
        ),
        (
            comparison(Difference(0.0, 0.0, 0.0, 1.0)),
            "no difference in macro-F1 between b.csv and a.csv on 500 rows",
        ),
    ],
    ids=["better", "worse", "not shown", "one of several", "none"],
)
def test_the_verdict_says_no_more_than_the_numbers(one: Comparison, verdict: str) -> None:
    assert one.verdict == verdict


def report(n_labels: int, *, gates: int = 0, name: str = "label") -> Report:
    labels = tuple(f"{name} {place}" for place in range(n_labels))
    generator = np.random.default_rng(0)
    true = generator.random((200, n_labels)) < 0.2
    pairs = Pairs(true, true ^ (generator.random(true.shape) < 0.1), np.ones(200, dtype=bool))
    shape = Shape("topics", labels, slice(0, n_labels), single=False)
    return Report(
        source="p.csv",
        quality=measure(*pattern_pairs(pairs), [shape], bootstrap=10),
        gates=tuple(
            GateResult(f"gate {place}", "at least 1", 0.5, Interval(0.4, 0.6), passed=False)
            for place in range(gates)
        ),
        warnings=("ids % occur\ntwice",),
    )


@pytest.mark.parametrize("n_labels", [1, 300, 1_200])
def test_markdown_fits_into_a_comment_and_keeps_the_worst_labels(n_labels: int) -> None:
    made = report(n_labels, name="é" * 40)
    text = format_markdown(made)
    assert len(text.encode()) <= MAX_BYTES
    scores = made.quality.fields[0].scores.f1
    worst = made.quality.fields[0].shape.labels[int(scores.argmin())]
    assert f"| {worst} |" in text
    assert ("labels with a higher F1" in text) == (n_labels > 300)


def test_even_what_cannot_be_shortened_fits() -> None:
    assert len(format_markdown(report(3, gates=2_000)).encode()) <= MAX_BYTES


@pytest.mark.parametrize(
    "text",
    ["<script>", "[a](http://b.example)", "![x](y)", "@someone", "a | b", "`x` **y** _z_ $m$", "a\nb\u2028c"],
)
def test_text_is_text_in_markdown(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    for sign in ("<", "@", "://", "\u2028"):
        assert sign not in shown
    for sign in "[]()`*_|!$":
        assert f"\\{sign}" in shown or sign not in text


def test_a_summary_is_added_whole_or_not_at_all(tmp_path: Path) -> None:
    made, summary = report(300), tmp_path / "summary.md"
    size = len(format_markdown(made).encode())
    summary.write_bytes(b"x" * (MAX_SUMMARY_BYTES - size))
    assert append_summary(made, str(summary))
    assert summary.stat().st_size == MAX_SUMMARY_BYTES
    assert not append_summary(made, str(summary))
    assert summary.stat().st_size == MAX_SUMMARY_BYTES


def test_annotations_are_few_and_gates_come_first() -> None:
    commands = workflow_commands(report(2, gates=12))
    assert len(commands) == MAX_ANNOTATIONS
    assert all(command.startswith("::error title=Quality gate::gate not met: gate ") for command in commands)
    [_, warning] = workflow_commands(report(2, gates=1))
    assert warning == "::warning title=Evaluation::ids %25 occur%0Atwice"


def test_a_gate_says_what_was_measured_the_limit_and_the_interval() -> None:
    assert str(report(2, gates=1).gates[0]) == (
        "gate not met: gate 0 is 0.5000 (95 % interval 0.4000 to 0.6000), asked for at least 1"
    )


def test_the_text_names_the_method() -> None:
    text = " ".join(format_text(report(2)).split())
    assert "bias-corrected percentiles of 10 bootstrap resamples of the rows (seed 42)" in text
    assert "those of means over labels (macro-F1, balanced accuracy) are Wilson's" in text
    assert "a label's F1 are exact (Clopper–Pearson)" in text
    assert "are exact (Clopper–Pearson)" in text


def test_labels_that_are_on_no_row_are_told() -> None:
    """Where a table holds few of the task's labels, the macro average is low, and one should know why."""
    made = report(3)
    true = np.zeros((4, 3), dtype=bool)
    true[:, 0] = True
    pairs = Pairs(true, true, np.ones(4, dtype=bool))
    few = replace(made, quality=measure(*pattern_pairs(pairs), [made.quality.fields[0].shape], bootstrap=0))
    said = "Labels of topics that are on no row, and 0 in macro averages: 2 of 3."
    assert said in format_text(few)
    assert said not in format_text(made)
    assert plain(said) in format_markdown(few)


def test_every_metric_is_explained() -> None:
    page = (ROOT / "docs" / "explanation" / "metrics.md").read_text(encoding="utf-8")
    names = {*VECTOR_METRICS, *CLASS_METRICS, *PATH_METRICS, *HIERARCHICAL_METRICS}
    names |= {"average_precision", "roc_auc", "log_loss", "brier", "invalid_rate"}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
