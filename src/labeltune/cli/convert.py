"""`labeltune convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from labeltune.cli import output
from labeltune.cli.hints import model_words, place_of, task_words
from labeltune.cli.options import (
    JsonOption,
    QuietOption,
    TablesArgument,
    TaskOption,
)
from labeltune.cli.reading import reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    from labeltune.cli.output import Output
    from labeltune.prepare.convert import Converted
    from labeltune.prepare.convert_parts import PartsConverted
    from labeltune.task import ReadOptions, Task

__all__ = ["convert"]

_VALIDATIONS, _TESTS = ("validation", "valid", "val", "dev", "eval"), ("test", "tests", "holdout")
"""What parts that are not trained on are called."""


@reads_tables
def convert(
    data: TablesArgument,
    out: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.jsonl",
            help="The chat file, - for standard output. By default DATA with .jsonl. Of a folder, a folder.",
        ),
    ] = None,
    task: TaskOption = Path(DEFAULT_TASK_FILE),
    on_error: Annotated[
        str,
        typer.Option(
            metavar="stop|skip",
            help="On bad rows, write nothing, or write the good rows and OUT.rejected.csv with the others.",
        ),
    ] = "stop",
    repeat_rare: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="K",
            help="Write rows of rare labels up to K times, to bring each label near the commonest.",
        ),
    ] = 1,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a table as a chat file: one training record per row, checked, with the task's prompt."""
    story = output.configure(json_mode=json, quiet=quiet)
    from labeltune.files.parts import names_parts

    if names_parts(data):
        _convert_parts(story, data, out, task, on_error=on_error, repeat_rare=repeat_rare, read=read)
        return
    from dataclasses import asdict

    from labeltune.prepare.convert import OnError, default_output
    from labeltune.prepare.convert import convert as run
    from labeltune.task import read_task

    story.claim_stdout(default_output(data) if out is None else out)
    definition = read_task(task)
    with story.progress("convert", unit="MB") as progress:
        done = run(
            definition,
            data,
            out,
            on_error=cast("OnError", on_error),
            repeat_rare=repeat_rare,
            read=read,
            progress=output.in_megabytes(progress),
        )
    _tell(story, done, definition, task)
    document = {key: value for key, value in asdict(done).items() if key not in ("notes", "warnings")}
    story.written(document, done.output)


def _convert_parts(story: Output, data: str, out: str | None, task: Path, **options: Any) -> None:
    """The same for a folder or glob of tables."""
    from dataclasses import asdict, replace

    from labeltune.errors import SettingsError
    from labeltune.files.parts import raise_refused
    from labeltune.prepare.convert_parts import convert_parts
    from labeltune.task import read_task

    if out is None:
        raise SettingsError(f"{data}: many tables become a folder of chat files", hint="name it: -o OUT/")
    definition = read_task(task)
    with story.progress("convert", unit="MB") as progress:
        done = convert_parts(definition, data, out, progress=output.in_megabytes(progress), **options)
    for warning in done.warnings:
        story.warn(warning)
    there = done.parts - len(done.refused)
    are = counted(done.parts, "part is", "parts are")
    story.note(f"{there:,} of {are} in {done.output}, {done.made:,} of them new")
    story.note(f"{done.input}: {_records(done)}")
    _tell_left_out(story, done)
    document = asdict(replace(done, refused={}))
    document["refused"] = {name: str(error) for name, error in done.refused.items()}
    del document["warnings"]
    story.result(document, done.output)
    raise_refused(done.refused, done.parts, hint="mend them, then run the same command again")


def _tell(story: Output, done: Converted, definition: Task, task: Path) -> None:
    from labeltune.task.records import MIN_EXAMPLES

    story.tell(done.notes, done.warnings)
    story.note(f"{done.input}: {_records(done)} {place_of(done.output)}")
    if done.repeated:
        story.note(
            f"  {done.repeated:,} of rare labels are repeated: {done.written + done.repeated:,} in all"
        )
    _tell_left_out(story, done)
    if done.written < MIN_EXAMPLES:
        story.warn(f"{counted(done.written, 'record')}: no provider trains on fewer than {MIN_EXAMPLES}")
    if done.output != STANDARD_STREAM:
        story.hint(_next(done.output, definition, task_words(task)))


def _records(done: Converted | PartsConverted) -> str:
    return f"{done.written:,} of {counted(done.rows, 'row is a record', 'rows are records')}"


def _tell_left_out(story: Output, done: Converted | PartsConverted) -> None:
    for reason, count in done.left_out.items():
        story.note(f"  left out: {count:,} {reason}")
    if done.rejected is not None:
        story.warn(f"bad rows are in {done.rejected}, each with its line and what is wrong")


def _next(chat: str, definition: Task, words: str) -> str:
    """What to do with a chat file, by what its part is called: only one to train on is trained on."""
    part, out = Path(chat).name.partition(".")[0].lower(), pasted(chat)
    if part in _TESTS:
        return "predict takes the table itself: it measures a model that has not seen it"
    if part in _VALIDATIONS:
        return f"labeltune train TRAIN {out}{model_words(definition)}{words} measures with it while it trains"
    return f"labeltune check {out}{words}, then: labeltune train {out}{model_words(definition)}{words}"
