"""The options that tell how a table is read, the same on every command that reads one."""

from __future__ import annotations

import inspect
import shlex
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from labeltune.cli.help import TABLE
from labeltune.cli.options import EncodingOption, SeparatorOption, StripOption, TableFormatOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.task import ReadOptions

__all__ = ["read_words", "reads_tables"]

QuoteOption = Annotated[
    str | None,
    typer.Option(
        "--quote",
        metavar="csv|none",
        help="Whether values may stand in quotes, as CSV has them, or quotes are signs of the text.",
        rich_help_panel=TABLE,
    ),
]
HeaderOption = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line names the columns; without names they are column_1, column_2 and so on.",
        show_default=False,
        rich_help_panel=TABLE,
    ),
]
SheetOption = Annotated[
    str | None,
    typer.Option(
        "--sheet",
        metavar="NAME",
        help="The sheet of a workbook, if not the first one.",
        rich_help_panel=TABLE,
    ),
]

_OPTIONS: dict[str, tuple[str, Any]] = {
    "format_": ("format", TableFormatOption),
    "encoding": ("encoding", EncodingOption),
    "sep": ("separator", SeparatorOption),
    "quote": ("quote", QuoteOption),
    "header": ("header", HeaderOption),
    "sheet": ("sheet", SheetOption),
    "strip": ("strip", StripOption),
}
"""By the name of the parameter: which of `ReadOptions` it is, and how it is written."""

_FLAGS = {
    "format": "--format",
    "encoding": "--encoding",
    "separator": "--sep",
    "quote": "--quote",
    "sheet": "--sheet",
}


def reads_tables(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options in place of its parameter `read`, which gets them as `ReadOptions`."""
    signature = inspect.signature(command)
    # Its own type need not be imported by a command for this.
    types = get_type_hints(command, localns={"ReadOptions": object}, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name != "read":
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=kind, annotation=types[parameter.name]))
            continue
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, (_, annotation) in _OPTIONS.items()
        ]

    @wraps(command)
    def run(**given: Any) -> None:
        from labeltune.task import ReadOptions

        read = ReadOptions(**{option: given.pop(name) for name, (option, _) in _OPTIONS.items()})
        command(**given, read=read)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def read_words(read: ReadOptions) -> str:
    """The options as words to be pasted behind a command, with a space before each."""
    words = []
    for name, value in read.said().items():
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name}")
        else:
            words += [_FLAGS[name], shlex.quote(str(value))]
    return "".join(f" {word}" for word in words)
