"""The texts of which nothing that is written may be like: those that scores are measured on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.files.jsonl import is_chat_file
from labeltune.files.tables import FORMATS, open_table
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.task.chat import Renderer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import ReadOptions, Task

__all__ = ["parts_beside", "texts_away"]

_MEASURED = frozenset({"test", "validation", "valid", "val", "dev", "eval", "holdout"})
_MOST_WORDS = 2
"""Files whose names have more words are something about a part: reports, predictions."""
_JSON = (".json", ".jsonl", ".ndjson")
_WORDS = re.compile(r"[^\W_]+")
_ENDINGS = tuple(ending for _, endings in FORMATS.values() for ending in endings)


def parts_beside(training: str, told: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The tables in the folder of the training part whose names say that they are measured on, but for those
    that were told, for what is written, and for chat files, which `convert` writes beside the tables.
    """
    if training == STANDARD_STREAM:
        return []
    folder = Path(training).parent
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = os.path.relpath(path) if not path.is_absolute() else str(path)
        stem = path.name.casefold().removesuffix(".gz")
        if not stem.endswith(_ENDINGS) or not path.is_file():
            continue
        words = _WORDS.findall(Path(stem).stem)
        is_measured = len(words) <= _MOST_WORDS and bool(_MEASURED.intersection(words))
        if not is_measured or any(same_file(path, other) for other in (training, *told, *outputs)):
            continue
        if not (stem.endswith(_JSON) and is_chat_file(path)):
            found.append(name)
    return found


def texts_away(paths: Sequence[str], task: Task, read: ReadOptions) -> dict[str, list[str]]:
    """The texts of each table. Raises `DataError` for one that lacks a text column."""
    found: dict[str, list[str]] = {}
    for path in paths:
        with open_table(path, read, task=task) as table:
            text = Renderer(task, table.header, source=table.source).text
            found[path] = [own for own in (text(values) for _, values in table) if own]
    return found
