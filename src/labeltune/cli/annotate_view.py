"""What `labeltune annotate` says when it is over: of the labels, of a checked sheet, of described labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.cli.hints import task_words
from labeltune.cli.predict_view import requests_document, warn_of_problems, warn_of_rejections, warn_of_resent
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.cli.output import Output
    from labeltune.collect.annotate import Annotated
    from labeltune.collect.describe import Described
    from labeltune.evaluation.checked_sample import Agreement

__all__ = ["show_agreement", "show_annotated", "show_described"]

_SHOWN = 20
"""Disagreements are listed; the document has all."""


def show_annotated(sink: Output, done: Annotated, model: str, task: Path) -> None:
    """What was labelled, what is left for people, and what it cost."""
    spent = "" if not done.usd else f", ${done.usd:,.2f}"
    had = f", {done.had_labels:,} had labels" if done.had_labels else ""
    sink.note(f"{counted(done.rows, 'row')}: {done.labelled:,} labelled by {model}{had}{spent}")
    if not done.examples and done.had_labels < done.rows:
        sink.warn("no examples: the model was told the labels alone (--examples names labelled rows)")
    warn_of_resent(sink, done)
    warn_of_problems(sink, done.problems)
    if done.review_file:
        sink.note(f"{counted(done.review, 'row is', 'rows are')} for people to label: {done.review_file}")
    warn_of_rejections(sink, done.rejections)
    if done.sample_file:
        sink.hint(
            f"fill in {pasted(done.sample_file)}, then: labeltune annotate {pasted(done.output)} --checked "
            f"{pasted(done.sample_file)}{task_words(task)}"
        )
    elif done.labelled:
        sink.hint("--sample 100 writes a sheet that tells how far these labels can be relied on")
    sink.result(
        {
            "output": done.output,
            "review": done.review_file,
            "sample": done.sample_file,
            "model": model,
            "rows": done.rows,
            "labelled": done.labelled,
            "had_labels": done.had_labels,
            "for_review": done.review,
            "problems": dict(done.problems),
            "examples": done.examples,
            **requests_document(done),
        },
        done.output,
    )


def show_agreement(sink: Output, found: Agreement, data: str) -> None:
    """How far the people who filled in the sheet agree with the model."""
    low, high = found.interval.low, found.interval.high
    if found.unchecked:
        left = counted(found.unchecked, "row of the sheet is", "rows of the sheet are")
        sink.warn(f"{left} not filled in; those that are may be the easy ones")
    have = counted(found.checked, "row has", "rows have")
    lines = [
        f"{found.agreed:,} of {have} the model's labels: {found.share:.3f}",
        f"of all rows that the model labelled in {data}: {low:.3f} to {high:.3f} (95 %)",
    ]
    if len(found.fields) > 1:
        lines += [
            f"{name}: {count:,} of {found.checked:,} ({interval.low:.3f} to {interval.high:.3f})"
            for name, (count, interval) in found.fields.items()
        ]
    lines += [
        f"line {one.line}: model {one.model}, person {one.person}" for one in found.disagreements[:_SHOWN]
    ]
    if len(found.disagreements) > _SHOWN:
        lines.append(f"… and {len(found.disagreements) - _SHOWN:,} more")
    sink.result(
        {
            "checked": found.checked,
            "agreed": found.agreed,
            "unchecked": found.unchecked,
            "share": found.share,
            "interval": [low, high],
            "fields": {
                name: {"agreed": count, "interval": [interval.low, interval.high]}
                for name, (count, interval) in found.fields.items()
            },
            "disagreements": [
                {"line": one.line, "text": one.text, "model": one.model, "person": one.person}
                for one in found.disagreements
            ],
        },
        *lines,
    )


def show_described(sink: Output, done: Described, target: str) -> None:
    """Which labels have a sentence now, and where; the task itself where it goes to standard output."""
    written = sum(map(len, done.sentences.values()))
    if done.missing:
        sink.warn(
            f"no sentence for {counted(len(done.missing), 'label')}: {', '.join(done.missing[:_SHOWN])}"
        )
    sink.note(
        f"{counted(written, 'label')} described by a model, which has seen a few examples: read and mend them"
    )
    sink.result(
        {"output": target, "sentences": {name: dict(found) for name, found in done.sentences.items()}},
        done.content.rstrip("\n") if target == STANDARD_STREAM else target,
    )
