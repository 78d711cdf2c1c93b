"""`labeltune clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labeltune.cli import completion, output
from labeltune.cli.options import JsonOption, QuietOption, TaskOption
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.collect.clean import Cleaned
    from labeltune.task import ReadOptions

__all__ = ["clean"]

_CHANGED = {"markup": "taken out of markup", "mojibake": "mended", "space": "with their space unified"}


@reads_tables
def clean(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="A table, or a folder of .html and .txt files; - for standard input."
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="The table that is written. By default DATA.clean.csv."
        ),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="The texts of the table are HTML; files are known by their names.")
    ] = False,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Take out texts in another language than this, such as en."),
    ] = None,
    min_characters: Annotated[
        int, typer.Option(min=0, metavar="N", help="Take out texts of fewer characters.")
    ] = 1,
    keep_duplicates: Annotated[
        bool, typer.Option("--keep-duplicates", help="Keep texts that say the same as an earlier one.")
    ] = False,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COL", autocompletion=completion.columns, help="A column of text."),
    ] = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Clean scraped text: markup, mojibake, other languages and duplicates out, and all of it told."""
    story = output.configure(json_mode=json, quiet=quiet)
    from dataclasses import asdict

    from labeltune.collect.clean import CleanOptions, default_output, is_folder
    from labeltune.collect.clean import clean as run
    from labeltune.task import task_if_there

    target = default_output(data) if out is None else out
    story.claim_stdout(target)
    definition = None if is_folder(data) else task_if_there(task)
    options = CleanOptions(
        html=html,
        language=language,
        min_characters=min_characters,
        keep_duplicates=keep_duplicates,
        text=tuple(text or ()),
        task_text=() if definition is None else definition.text,
        read=read,
    )
    with story.progress("clean", unit="texts") as progress:
        done = run(data, target, options=options, progress=progress)
    _tell(story, done)
    document = {key: value for key, value in asdict(done).items() if key not in ("notes", "warnings")}
    story.written(document, done.output)


def _tell(story: Output, done: Cleaned) -> None:
    from labeltune.files.writing import STANDARD_STREAM
    from labeltune.wording import counted

    story.tell(done.notes, done.warnings)
    story.note(f"{done.input}: {done.written:,} of {counted(done.rows, 'text')} stay")
    for kind, count in done.changed.items():
        if count:
            story.note(f"  {count:,} {_CHANGED[kind]}")
    for reason, count in done.removed.items():
        story.note(f"  taken out: {count:,} {reason}")
    if done.undecided:
        story.note(f"  {counted(done.undecided, 'text')} too short to tell the language of, and kept")
    if done.removed_file is not None:
        story.note(f"what was taken out is in {done.removed_file}, each with the reason")
    if done.output != STANDARD_STREAM:
        table = pasted(done.output)
        story.hint(f"labeltune init {table}, or label it: labeltune label {table}")
