"""`labeltune evaluate`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.options import (
    DistributedOption,
    JsonOption,
    NoTextsOption,
    QuietOption,
    SeedOption,
    StateOption,
    TaskOption,
    ThresholdsOption,
    WorkersOption,
)
from labeltune.cli.progress import PartStory
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_STATE, DEFAULT_TASK_FILE
from labeltune.errors import GateError, SettingsError
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.cli.output import Output
    from labeltune.evaluation.evaluate import Gate, Review
    from labeltune.evaluation.report.model import Report
    from labeltune.task import ReadOptions

__all__ = ["evaluate"]

_BOOTSTRAP, _SEED = 1000, 42
"""`BOOTSTRAP` and `SEED` of `metrics.quality`, whose import would bring numpy; a test compares them."""
_REVIEW_OUTPUT = "review.csv"


PredictionsArgument = Annotated[
    str,
    typer.Argument(
        metavar="PREDICTIONS",
        help="A table that predict wrote, or a folder or pattern of such; - for standard input.",
    ),
]
CompareOption = Annotated[
    list[str] | None,
    typer.Option(metavar="OTHER", help="Other predictions for the same rows. May be given several times."),
]
HtmlOption = Annotated[
    str | None, typer.Option(metavar="F", help="Write the report as one page to look at in a browser.")
]
MarkdownOption = Annotated[
    str | None, typer.Option(metavar="F", help="Write the report as Markdown, for a pull request.")
]
GithubOption = Annotated[
    bool, typer.Option("--github", help="Add to the summary of a GitHub Actions step, and annotate.")
]
TrainingOption = Annotated[
    str | None,
    typer.Option(
        metavar="F",
        help="What `jobs events JOB --json` printed, or a job's result file; the page shows its curves.",
    ),
]
ReviewBelowOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="C",
        help="Write the rows whose confidence is below C, and unsure ones, the least sure first, for people.",
    ),
]
ReviewOutputOption = Annotated[
    str, typer.Option(metavar="F", help="Where --review-below writes them, as CSV.")
]
FailUnderOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=X",
        autocompletion=completion.gates,
        help="End with exit code 11 if METRIC or FIELD.METRIC is below X.",
    ),
]
FailOverOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC=X", autocompletion=completion.gates, help="End with exit code 11 if it is above X."
    ),
]
FailIfWorseOption = Annotated[
    str | None,
    typer.Option(metavar="OTHER", help="End with exit code 11 if macro-F1 is shown to be worse than there."),
]
MarginOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="X",
        help="With --fail-if-worse: end with exit code 11 unless macro-F1 is shown to be less than X lower.",
    ),
]
WhyOption = Annotated[
    bool, typer.Option("--why", help="Tell the words that spoke for and against each label.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="On a terminal, show every label and confusion; a pipe always gets all.")
]
BootstrapOption = Annotated[
    int,
    typer.Option(min=0, max=1_000_000, help="How many resamples the intervals come from; 0 for none."),
]


@reads_tables
def evaluate(
    predictions: PredictionsArgument,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    compare: CompareOption = None,
    thresholds: ThresholdsOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    github: GithubOption = False,
    training: TrainingOption = None,
    why: WhyOption = False,
    no_texts: NoTextsOption = False,
    everything: AllOption = False,
    review_below: ReviewBelowOption = None,
    review_output: ReviewOutputOption = _REVIEW_OUTPUT,
    fail_under: FailUnderOption = None,
    fail_over: FailOverOption = None,
    fail_if_worse: FailIfWorseOption = None,
    margin: MarginOption = None,
    bootstrap: BootstrapOption = _BOOTSTRAP,
    seed: SeedOption = _SEED,
    state: StateOption = Path(DEFAULT_STATE),
    distributed: DistributedOption = None,
    workers: WorkersOption = None,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare predictions with the labels of the same table, and report how good they are."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    if why and (html is None or no_texts):
        raise SettingsError("--why: the words stand in the page, with the texts: give --html, not --no-texts")
    definition = read_task(task)
    forms = _Forms(html, markdown, github=github)
    review_file = None if review_below is None else review_output
    inputs = [predictions, definition.source, *(compare or ()), fail_if_worse, thresholds, training]
    _check_files(inputs, [html, markdown, review_file])
    from labeltune.evaluation.evaluate import EvaluateOptions, Review
    from labeltune.evaluation.evaluate import evaluate as run

    options = EvaluateOptions(
        bootstrap=bootstrap,
        seed=seed,
        compare=tuple(compare or ()),
        thresholds=thresholds,
        review=None if review_below is None else Review(review_below, review_output),
        errors=html is not None,
        training=training,
        read=read,
        gates=_gates(fail_under or (), fail_over or ()),
        not_worse_than=fail_if_worse,
        margin=margin,
        state=state,
        why=why,
        texts=not no_texts,
        distributed=distributed,
        workers=workers,
        date=_day_of(predictions),
    )
    with PartStory(out) as story:
        report = run(predictions, definition, options, story)
    forms.write(out, report)
    _show(out, report, options.review, everything=everything)
    _check(out, report)


def _check_files(read: Iterable[str | None], written: Iterable[str | None]) -> None:
    """Raise `SettingsError` where a file would be written over another one, or over the report."""
    from labeltune.evaluation.output_paths import check_outputs

    written = list(written)
    if STANDARD_STREAM in written:
        raise SettingsError(
            "standard output carries the report, and nothing else can be written to it",
            hint="name a file for --html, --markdown and --review-output",
        )
    check_outputs(read, written)


def _gates(under: Iterable[str], over: Iterable[str]) -> tuple[Gate, ...]:
    from labeltune.evaluation.evaluate import Gate

    return (*(Gate.parse(text, "under") for text in under), *(Gate.parse(text, "over") for text in over))


@dataclass(frozen=True, slots=True)
class _Forms:
    """The forms of a report besides the one on standard output: each a path, or whether it is wanted."""

    html: str | None
    markdown: str | None
    github: bool

    def write(self, out: Output, report: Report) -> None:
        """Write the report in each of them."""
        # What a form needs takes a while to import, and most often none is wanted.
        if self.html is not None:
            from labeltune.evaluation.report.page import format_html

            _write(out, self.html, format_html(report))
        if self.markdown is not None:
            from labeltune.evaluation.report.markdown import format_markdown

            _write(out, self.markdown, format_markdown(report))
        if self.github:
            _tell_github(out, report)


def _write(out: Output, path: str, content: str) -> None:
    from labeltune.files.writing import atomic_write

    with atomic_write(path) as handle:
        handle.write(content.encode("utf-8", "replace"))
    out.note(f"wrote {path}")


def _tell_github(out: Output, report: Report) -> None:
    """Add the report to the summary of the step that runs, and annotate."""
    from labeltune.evaluation.report.github import append_summary, workflow_commands

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        raise SettingsError("--github: GITHUB_STEP_SUMMARY is not set, so this is no GitHub Actions step")
    warnings = () if append_summary(report, summary) else (f"{summary}: no room left for the report",)
    for command in workflow_commands(report, warnings):
        out.annotate(command)


def _day_of(path: str) -> str:
    """The day on which a file was written last, as the title of its report has it."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).date().isoformat()
    except OSError:
        return ""


def _show(out: Output, report: Report, review: Review | None, *, everything: bool) -> None:
    from labeltune.cli.report_view import report_blocks
    from labeltune.evaluation.report.document import report_document
    from labeltune.evaluation.report.text import format_text
    from labeltune.wording import counted

    out.show(report_document(report), format_text(report), report_blocks(report, everything=everything))
    if review is not None:
        out.note(
            f"wrote {review.output}: {counted(report.reviewed or 0, 'row')} below {review.below:g}, unsure, "
            "or without an answer"
        )
    for warning in report.warnings:
        out.warn(warning)


def _check(out: Output, report: Report) -> None:
    """Tell how the gates were met; raises `GateError` if one was not."""
    for gate in report.gates:
        # On a terminal the report has told it.
        if gate.passed and not out.shows_blocks:
            out.note(str(gate))
    failed = [str(gate) for gate in report.gates if not gate.passed]
    if failed:
        raise GateError("\n".join(failed))
