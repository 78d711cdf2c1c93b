"""The edits of tables that a person would do by hand in from_ten_rows.sh.

    python examples/table_edits.py blank IN OUT COLUMN…            empty these columns
    python examples/table_edits.py fill TABLE KEY COLUMN=FROM…     write into each row what KEY says
    python examples/table_edits.py merge OUT IN…                   one table of all rows that have labels

KEY is a table that has the right labels: it plays the person who knows them.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TEXT, LABELS = "inquiry", ("category", "sub_category")

Rows = list[dict[str, str]]


def read(path: str) -> Rows:
    """The rows of a table."""
    with Path(path).open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def write(path: str, rows: Rows, header: list[str]) -> None:
    """A table of these columns; what a row lacks is empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, header, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def blank(source: str, target: str, *columns: str) -> None:
    """Empty some columns."""
    rows = read(source)
    write(target, [row | dict.fromkeys(columns, "") for row in rows], list(rows[0]))


def fill(table: str, key: str, *columns: str) -> None:
    """Write the right labels into a table, where it stands."""
    known = {row[TEXT]: row for row in read(key)}
    rows = read(table)
    for row in rows:
        for pair in columns:
            column, _, origin = pair.partition("=")
            row[column] = known[row[TEXT]][origin]
    if rows:
        write(table, rows, list(rows[0]))


def merge(target: str, *sources: str) -> None:
    """All rows that have labels, with every column that any of the tables has."""
    every = [row for source in sources for row in read(source)]
    header = list(dict.fromkeys(name for row in every for name in row))
    write(target, [row for row in every if all(row[label] for label in LABELS)], header)


if __name__ == "__main__":
    {"blank": blank, "fill": fill, "merge": merge}[sys.argv[1]](*sys.argv[2:])
