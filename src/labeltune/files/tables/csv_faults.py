"""Sentences about rows of CSV that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.files.tables.csv_records import LONGEST_VALUE
from labeltune.files.tables.separators import shown

if TYPE_CHECKING:
    import csv

__all__ = ["bad_sign", "broken", "nul_byte", "ragged"]


def ragged(width: int, found: int, separator: str) -> str:
    """About a row with another number of values than the header."""
    message = f"expected {width} column{'s' * (width > 1)}, found {found}"
    if width == 1:
        return f"{message}; is the first line a comment, or the separator another one (--sep)?"
    if found > width:
        return f'{message}; a value that holds "{shown(separator)}" is written in quotes'
    return message


def nul_byte(text: str) -> str:
    """About a text with NUL bytes: many of them are UTF-16."""
    message = "a NUL byte"
    if text.count("\0") > len(text) // 3:
        # Of a letter of ASCII, the byte that comes first is NUL where the larger end does.
        end = "be" if text.startswith("\0") else "le"
        message += f"; this looks like UTF-16 without a byte order mark: --encoding utf-16-{end}"
    return message


def bad_sign(text: str, encoding: str) -> str:
    """About a text that begins with what is none of an encoding that was told."""
    # It was made UTF-8, so that one lone surrogate stands there as three bytes that are none.
    number = ord(text[:3].encode(errors="surrogateescape").decode(errors="surrogatepass")[0])
    what = f"byte 0x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"U+{number:04X}"
    if encoding.startswith(("utf-16", "utf-32")):
        what = f"U+{number:04X}, half of a surrogate pair,"
    return f"{what} is not {encoding}"


def broken(error: csv.Error, first: int, last: int) -> str:
    """About a record that is not quoted as it should be."""
    reason = str(error)
    if "unexpected end" in reason:
        return "a quote is opened in this row and never closed"
    if "field limit" in reason:
        return f"a value of more than {LONGEST_VALUE:,} characters; is a quote opened and not closed?"
    where = "in this row" if first == last else f"in this row, which ends in line {last}"
    return f'text follows a closing quote {where}; inside a quoted value, a quote is written twice ("")'
