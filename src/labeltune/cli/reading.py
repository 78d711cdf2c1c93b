"""The options that tell how a table is read, the same on every command that reads one."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labeltune.cli.bundles import Bundle, Option, takes
from labeltune.cli.help import TABLE
from labeltune.cli.options import EncodingOption, SeparatorOption, StripOption, TableFormatOption

if TYPE_CHECKING:
    from labeltune.task import ReadOptions

__all__ = ["READING", "read_words", "reads_tables"]

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

_OPTIONS = {
    "format_": Option(TableFormatOption, None),
    "encoding": Option(EncodingOption, None),
    "sep": Option(SeparatorOption, None),
    "quote": Option(QuoteOption, None),
    "header": Option(HeaderOption, None),
    "sheet": Option(SheetOption, None),
    "strip": Option(StripOption, None),
}

_FLAGS = {
    "format": "--format",
    "encoding": "--encoding",
    "separator": "--sep",
    "quote": "--quote",
    "sheet": "--sheet",
}


def _read_options(*, format_: str | None, sep: str | None, **given: Any) -> ReadOptions:
    from labeltune.task import ReadOptions

    return ReadOptions(format=format_, separator=sep, **given)


READING = Bundle(_OPTIONS, _read_options)

reads_tables = takes("read", READING)
"""The command with these options in place of its parameter `read`, which gets them as `ReadOptions`."""


def read_words(read: ReadOptions) -> str:
    """The options as words to be pasted behind a command, with a space before each."""
    words = []
    for name, value in read.said().items():
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{name}")
        else:
            words += [_FLAGS[name], shlex.quote(str(value))]
    return "".join(f" {word}" for word in words)
