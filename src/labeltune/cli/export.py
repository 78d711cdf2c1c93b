"""`labeltune export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.hints import place_of
from labeltune.cli.options import DataArgument, JsonOption, QuietOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.task import ReadOptions

__all__ = ["export"]


@reads_tables
def export(
    data: DataArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            autocompletion=completion.exports,
            help="The format: doccano, label-studio, prodigy, argilla or fasttext.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file that is written; - for standard output. By default DATA.FORMAT with its ending.",
        ),
    ] = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    field: Annotated[
        str | None,
        typer.Option(
            "--field", metavar="NAME", help="The field that is written, where there is place for one."
        ),
    ] = None,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a table as another labelling tool imports it, with the labels of the task."""
    story = output.configure(json_mode=json, quiet=quiet)
    from dataclasses import asdict

    from labeltune.collect.exporting import ExportOptions, export_data
    from labeltune.task import task_if_there

    story.claim_stdout(out)
    options = ExportOptions(task=task_if_there(task), field=field, read=read)
    done = export_data(data, to, out, options)
    story.tell(done.notes, done.warnings)
    for what, count in done.lost.items():
        story.note(f"  not carried over: {what} ({count:,})")
    story.note(f"{done.input}: {counted(done.rows, 'row')} for {to} {place_of(done.output)}")
    story.written(asdict(done), done.output)
