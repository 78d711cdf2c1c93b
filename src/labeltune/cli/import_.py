"""`labeltune import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.hints import place_of
from labeltune.cli.options import EncodingOption, JsonOption, QuietOption
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.importing import Imported

__all__ = ["import_"]

_OUTPUT = "data.csv"
"""`importing.DEFAULT_OUTPUT`, whose import would cost; a test compares them."""


def import_(
    data: Annotated[
        str,
        typer.Argument(metavar="FILE|DIR", help="What another tool exported; - for standard input."),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The table that is written; - for standard output."
        ),
    ] = _OUTPUT,
    format_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            autocompletion=completion.imports,
            help="The format, where the content does not tell: doccano, label-studio, prodigy and so on.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="FILE", help="The names of label ids, as doccano exports them."),
    ] = None,
    task: Annotated[Path | None, typer.Option("--task", "-t", metavar="FILE", help="The task file.")] = None,
    keep_empty: Annotated[
        bool, typer.Option("--keep-empty", help="Keep texts without any label: none applies.")
    ] = False,
    encoding: EncodingOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write what another labelling tool or platform exported as a table that init understands."""
    story = output.configure(json_mode=json, quiet=quiet)
    from dataclasses import asdict

    from labeltune.collect.importing import ImportOptions, import_data
    from labeltune.task import read_task

    story.claim_stdout(out)
    options = ImportOptions(
        format=format_,
        labels=labels,
        encoding=encoding,
        keep_empty=keep_empty,
        task=None if task is None else read_task(task),
    )
    with story.progress("import") as progress:
        done = import_data(data, out, options, progress=progress)
    _tell(story, done)
    story.written(asdict(done), done.output)


def _tell(story: Output, done: Imported) -> None:
    from labeltune.files.writing import STANDARD_STREAM
    from labeltune.wording import counted

    story.note(f"{done.input}: {done.format}, {done.why}")
    story.tell(done.notes, done.warnings)
    for field, columns in done.labels.items():
        story.note(f'labels of "{field}" are in the column{"s" * (len(columns) > 1)} {", ".join(columns)}')
    for reason, count in done.dropped.items():
        story.note(f"  dropped: {count:,} {reason}, first at {done.places[reason]}")
    for what, count in done.lost.items():
        story.note(f"  not carried over: {what} ({count:,})")
    story.note(f"{counted(done.records, 'record')}, {counted(done.rows, 'row')} {place_of(done.output)}")
    if done.output != STANDARD_STREAM:
        story.hint(_next(done))


def _next(done: Imported) -> str:
    """The command that comes next: with the columns, so that none is mistaken for another."""
    table = pasted(done.output)
    words = ["labeltune", "init", table, *(f"--text {pasted(name)}" for name in done.text)]
    words += [f"--label {pasted(name)}" for names in done.labels.values() for name in names]
    init = " ".join(words)
    return init if not done.shared else f"labeltune agreement {table}, then: {init}"
