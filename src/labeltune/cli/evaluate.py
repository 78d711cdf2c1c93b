"""`labeltune evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import output
from labeltune.cli.options import JsonOption, QuietOption, SeedOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import GateError, SettingsError
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.evaluation.report.model import Report
    from labeltune.task import ReadOptions

__all__ = ["evaluate"]

_BOOTSTRAP, _SEED = 1000, 42
"""`BOOTSTRAP` and `SEED` of `metrics.quality`, whose import would bring numpy; a test compares them."""
_REVIEW_OUTPUT = "review.csv"


@reads_tables
def evaluate(
    predictions: Annotated[
        str, typer.Argument(metavar="PREDICTIONS", help="A table that predict wrote; - for standard input.")
    ],
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OTHER", help="Other predictions for the same rows. May be given several times."
        ),
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option(metavar="F", help="Predict labels from probabilities, by what `thresholds` wrote."),
    ] = None,
    html: Annotated[
        str | None, typer.Option(metavar="F", help="Write the report as one page to look at in a browser.")
    ] = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="F", help="Write the report as Markdown, for a pull request.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Add to the summary of a GitHub Actions step, and annotate.")
    ] = False,
    training: Annotated[
        str | None,
        typer.Option(
            metavar="F",
            help="What `jobs events JOB --json` printed, or a job's result file; the page shows its curves.",
        ),
    ] = None,
    review_below: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="C",
            help="Write the rows whose confidence is below C, the least sure first, for a person to look at.",
        ),
    ] = None,
    review_output: Annotated[
        str, typer.Option(metavar="F", help="Where --review-below writes them, as CSV.")
    ] = _REVIEW_OUTPUT,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=X", help="End with exit code 11 if METRIC or FIELD.METRIC is below X."),
    ] = None,
    fail_over: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=X", help="End with exit code 11 if it is above X.")
    ] = None,
    fail_if_worse: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER", help="End with exit code 11 if macro-F1 is shown to be worse than there."
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, max=1_000_000, help="How many resamples the intervals come from; 0 for none."),
    ] = _BOOTSTRAP,
    seed: SeedOption = _SEED,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare predictions with the labels of the same table, and report how good they are."""
    out = output.configure(json_mode=json, quiet=quiet)
    from labeltune.task import read_task

    definition = read_task(task)

    from labeltune.cli.report_view import report_blocks
    from labeltune.evaluation.evaluate import EvaluateOptions, Gate, Review
    from labeltune.evaluation.evaluate import evaluate as run
    from labeltune.evaluation.outputs import check_outputs
    from labeltune.evaluation.report.document import report_document
    from labeltune.evaluation.report.text import format_text

    review = None if review_below is None else Review(review_below, review_output)
    written = [html, markdown, None if review is None else review.output]
    if STANDARD_STREAM in written:
        raise SettingsError(
            "standard output carries the report, and nothing else can be written to it",
            hint="name a file for --html, --markdown and --review-output",
        )
    check_outputs(
        [predictions, definition.source, *(compare or ()), fail_if_worse, thresholds, training], written
    )
    options = EvaluateOptions(
        bootstrap=bootstrap,
        seed=seed,
        compare=tuple(compare or ()),
        thresholds=thresholds,
        review=review,
        errors=html is not None,
        training=training,
        read=read,
        gates=(
            *(Gate.parse(text, "under") for text in fail_under or ()),
            *(Gate.parse(text, "over") for text in fail_over or ()),
        ),
        not_worse_than=fail_if_worse,
    )
    report = run(predictions, definition, options)
    _write_elsewhere(out, report, html=html, markdown=markdown, github=github)
    out.show(report_document(report), format_text(report), report_blocks(report))
    if review is not None:
        out.note(
            f"wrote {review.output}: {report.reviewed:,} rows below {review.below:g} or without an answer"
        )
    for warning in report.warnings:
        out.warn(warning)
    _check(out, report)


def _write_elsewhere(
    out: Output, report: Report, *, html: str | None, markdown: str | None, github: bool
) -> None:
    """The report in its other forms."""
    from labeltune.evaluation.report.github import append_summary, workflow_commands
    from labeltune.evaluation.report.markdown import format_markdown
    from labeltune.evaluation.report.page import format_html
    from labeltune.files.writing import atomic_write

    for path, form in ((html, format_html), (markdown, format_markdown)):
        if path is not None:
            with atomic_write(path) as handle:
                handle.write(form(report).encode("utf-8", "replace"))
            out.note(f"wrote {path}")
    if not github:
        return
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        raise SettingsError("--github: GITHUB_STEP_SUMMARY is not set, so this is no GitHub Actions step")
    warnings = () if append_summary(report, summary) else (f"{summary}: no room left for the report",)
    for command in workflow_commands(report, warnings):
        out.annotate(command)


def _check(out: Output, report: Report) -> None:
    """Tell how the gates were met; raises `GateError` if one was not."""
    for gate in report.gates:
        if gate.passed:
            out.note(str(gate))
    failed = [str(gate) for gate in report.gates if not gate.passed]
    if failed:
        raise GateError("\n".join(failed))
