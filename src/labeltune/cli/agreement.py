"""`labeltune agreement`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from labeltune.cli import completion, output
from labeltune.cli.evaluate import BootstrapOption
from labeltune.cli.options import JsonOption, QuietOption, SeedOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.errors import GateError, SettingsError
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.evaluation.answers_of_people import By
    from labeltune.evaluation.report.agreement import Agreement
    from labeltune.task import ReadOptions

__all__ = ["agreement"]

_BOOTSTRAP, _SEED = 1000, 42
"""`BOOTSTRAP` and `SEED` of `evaluation.agreement`, whose import would bring numpy; a test compares them."""


@reads_tables
def agreement(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="A table for each person, or one with a column annotator, as import writes it.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the texts on which people differ."),
    ] = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="id|text", help="What ties rows of one text; by default its id, if all have one."
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=X",
            autocompletion=completion.agreements,
            help="End with exit code 11 if METRIC or FIELD.METRIC is below X.",
        ),
    ] = None,
    bootstrap: BootstrapOption = _BOOTSTRAP,
    seed: SeedOption = _SEED,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure how far people agree on the labels of the same texts."""
    story = output.configure(json_mode=json, quiet=quiet)
    if out == STANDARD_STREAM:
        raise SettingsError("standard output carries the figures", hint="name a file with -o")
    from labeltune.evaluation.agreement import AgreementOptions, measure_agreement
    from labeltune.evaluation.gates import Gate
    from labeltune.evaluation.report.agreement import agreement_document, format_agreement
    from labeltune.task import task_if_there

    options = AgreementOptions(
        by=cast("By | None", by),
        output=out,
        bootstrap=bootstrap,
        seed=seed,
        gates=tuple(Gate.parse(text, "under") for text in fail_under or ()),
        read=read,
    )
    done = measure_agreement(files, task_if_there(task), options)
    story.result(agreement_document(done), output.visible(format_agreement(done)))
    _tell(story, done)


def _tell(story: Output, done: Agreement) -> None:
    story.tell(done.notes, done.warnings)
    if done.output is not None:
        story.note(f"wrote {done.output}: {counted(done.differing, 'text')} on which people differ")
    for gate in done.gates:
        if gate.passed:
            story.note(str(gate))
    failed = [str(gate) for gate in done.gates if not gate.passed]
    if failed:
        raise GateError("\n".join(failed))
