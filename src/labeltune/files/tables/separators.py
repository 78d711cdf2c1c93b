"""What separates the columns of a text table: found in its first lines."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import islice
from typing import Literal

__all__ = ["SEPARATORS", "find_separator", "first_line", "sample_records", "shown"]

SEPARATORS = ",;\t|"
"""Those that are looked for; of two that fit as well, the one that stands first."""

_SAMPLE_RECORDS = 50


def find_separator(sample: str) -> str:
    """The one of `SEPARATORS` under which the most rows are as wide as the header; `,` if there is none."""
    best, chosen = (0.0, 1), SEPARATORS[0]
    for separator in SEPARATORS:
        # Tables separated by tabs are often written without quoting, where a quote would swallow rows.
        rows = sample_records(sample, separator, quoted=separator != "\t")
        records = [record for _, record in rows[:_SAMPLE_RECORDS]]
        width = len(records[0]) if records else 1
        if width > 1:
            score = (sum(len(record) == width for record in records) / len(records), width)
            if score > best:
                best, chosen = score, separator
    return chosen


def sample_records(
    sample: str, separator: str, *, quoted: bool, whole: bool = False
) -> list[tuple[int, list[str]]]:
    """The records of the start of a table, each with its first line, as far as they can be read.

    The last one is left out if there are others, since the sample may end within it, unless it is the `whole`
    table.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(StringIO(sample, newline=""), delimiter=separator, quoting=quoting)
    records, last = [], 0
    try:
        for record in islice(reader, _LOOKED_AT):
            if record:
                records.append((last + 1, record))
            last = reader.line_num
    except csv.Error:
        return []
    return records[:-1] if len(records) > 1 and not whole else records


_LOOKED_AT = 1_000


def first_line(sample: str) -> str:
    """The first line that is not blank."""
    return next((line for line in sample.splitlines() if line.strip()), "")


def shown(separator: str) -> str:
    """A separator as it stands in messages."""
    return "tab" if separator == "\t" else separator
