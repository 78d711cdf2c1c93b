"""What the tests of split share: tables, and reading what came of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from labeltune.files.tables import open_table
from labeltune.prepare.split import Split, SplitOptions, parse_sizes
from tasks import INTENT

LABELS = INTENT.labels


def options(sizes: str = "train=0.8,validation=0.1,test=0.1", **others: Any) -> SplitOptions:
    return SplitOptions(sizes=parse_sizes(sizes), **others)


def intents(count: int = 100) -> list[list[str]]:
    return [[f"text number {'abcdefghij'[n % 10] * (n + 1)}", LABELS[n * n % 3]] for n in range(count)]


def write_csv(path: Path, rows: list[list[str]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([header, *rows])
    return path


def rows_of(path: str) -> list[list[str]]:
    with open_table(path) as table:
        return [values for _, values in table]


def contents(done: Split) -> dict[str, bytes]:
    return {name: Path(part.path).read_bytes() for name, part in done.parts.items()}
