"""Cells that no spreadsheet program takes for formulas, and the way back.

A CSV file cannot say that a cell is text. So a cell that a spreadsheet might compute gets an apostrophe
before it, and so does a cell that begins with one: to undo it, take one off every cell that has it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.files import STANDARD_STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["neutralise", "refuse_exact_formats", "restore"]

_MARK = "'"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", _MARK)
"""What a formula may begin with; the full-width signs count in some languages."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TEXT_ENDINGS = (".csv", ".txt", ".tsv", ".tab")


def neutralise(row: Sequence[str]) -> list[str]:
    """The cells of a row, each safe to open in a spreadsheet. Numbers stay what they are."""
    return [
        _MARK + cell if cell.startswith(_DANGEROUS) and not _NUMBER.fullmatch(cell) else cell for cell in row
    ]


def restore(row: Sequence[str]) -> list[str]:
    """The cells as they were before `neutralise`."""
    return [cell.removeprefix(_MARK) for cell in row]


def refuse_exact_formats(output: str) -> None:
    """Raise `SettingsError` for a file whose cells are text, whatever they begin with."""
    ending = Path(output.lower().removesuffix(".gz")).suffix
    if output != STANDARD_STREAM and ending not in _TEXT_ENDINGS:
        raise SettingsError(
            f"{output}: --spreadsheet is for {', '.join(_TEXT_ENDINGS)}; in {ending} files text stays text",
            hint="leave --spreadsheet out",
        )
