"""`labeltune init`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from labeltune.cli import completion, output
from labeltune.cli.hints import task_words
from labeltune.cli.options import (
    DataArgument,
    JsonOption,
    QuietOption,
)
from labeltune.cli.reading import read_words, reads_tables
from labeltune.defaults import DEFAULT_TASK_FILE
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.prepare.infer import Proposal
    from labeltune.task import Format, ReadOptions


@reads_tables
def init(
    data: DataArgument,
    out: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write the task.")] = (
        DEFAULT_TASK_FILE
    ),
    text: Annotated[
        list[str] | None,
        typer.Option("--text", metavar="COL", autocompletion=completion.columns, help="A column of text."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="COL", autocompletion=completion.columns, help="A column of labels."),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="COL", autocompletion=completion.columns, help="The column that names a row."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="COL",
            autocompletion=completion.columns,
            help="A column that is not looked at.",
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", metavar="D", help="What joins several labels in one column.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="FORMAT",
            autocompletion=completion.answers,
            help="How answers are spelled: label, list, json, flags.",
        ),
    ] = None,
    none: Annotated[
        str | None,
        typer.Option(
            "--none",
            metavar="WORD",
            help="What a list answers when no label applies; '' leaves such rows out of training.",
        ),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", metavar="S", help="The system message.")] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="T", help="The user message's template.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a task file that exists.")] = False,
    *,
    read: ReadOptions,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Propose a task file from a table: its text, its labels, a prompt."""
    out_ = output.configure(json_mode=json, quiet=quiet)
    from labeltune.prepare.infer import Wishes
    from labeltune.prepare.infer import init as run

    wishes = Wishes(
        tuple(text or ()),
        tuple(label or ()),
        id_,
        delimiter,
        cast("Format | None", answer),
        none,
        system,
        user,
        tuple(ignore or ()),
    )
    proposal = run(data, out, wishes=wishes, force=force, read=read)
    for conclusion in proposal.conclusions:
        out_.note(conclusion)
    for warning in proposal.warnings:
        out_.warn(warning)
    out_.hint(f"look at {out}, then: {_next(data, out, read, proposal)}")
    out_.result(
        {
            "output": out,
            "fingerprint": proposal.task.fingerprint,
            "conclusions": proposal.conclusions,
            "warnings": proposal.warnings,
            "left_out": dict(proposal.left_out),
        },
        out,
    )


def _next(data: str, task: str, read: ReadOptions, proposal: Proposal) -> str:
    """The commands that come next, as they can be pasted. What [read] keeps need not be said again."""
    from labeltune.prepare.convert import default_output
    from labeltune.task import ReadOptions

    options = read_words(ReadOptions(format=read.format)) + task_words(task)
    if proposal.lacks_labels and data != STANDARD_STREAM:
        chat = default_output(data)
        chat = "chat.jsonl" if chat == data else chat
        there = f" -o {pasted(chat)}" if chat == "chat.jsonl" else ""
        return (
            f"labeltune convert {pasted(data)} --on-error skip{there}{options}, "
            f"labeltune split {pasted(chat)}{task_words(task)}"
        )
    train = f"train{proposal.ending}"
    # A part in JSON Lines would be overwritten by the chat file that bears its name.
    elsewhere = " -o train.chat.jsonl" if default_output(train) == train else ""
    name = "DATA" if data == STANDARD_STREAM else pasted(data)
    return f"labeltune split {name}{options}, labeltune convert {train}{elsewhere}{options}"
