"""Cells that no spreadsheet program takes for formulas, and the way back.

A CSV file cannot say that a cell is text. So a cell that a spreadsheet might compute gets an apostrophe
before it, and so does a cell that begins with one: to undo it, take one off every cell that has it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FORMULA_BYTES", "MARK", "MAY_BE_FORMULA", "neutralise", "restore"]

MARK = "'"
MAY_BE_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", MARK)
"""What a formula may begin with; the full-width signs count in some languages."""
FORMULA_BYTES = bytes({sign.encode()[0] for sign in MAY_BE_FORMULA})
"""The first bytes of these in UTF-8; other signs share them."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def neutralise(row: Sequence[str]) -> list[str]:
    """The cells of a row, each safe to open in a spreadsheet. Numbers stay what they are."""
    return [
        MARK + cell if cell.startswith(MAY_BE_FORMULA) and not _NUMBER.fullmatch(cell) else cell
        for cell in row
    ]


def restore(row: Sequence[str]) -> list[str]:
    """The cells as they were before `neutralise`."""
    return [cell.removeprefix(MARK) for cell in row]
