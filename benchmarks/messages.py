"""Labelled texts in languages that few data sets are in: what this machine's programs say, and which of them.

The catalogues of messages that programs bring with them (gettext) are read where they lie: texts that people
wrote, with labels that nobody made up for a benchmark. Another machine has other programs: figures are
compared in one run only.
"""

from __future__ import annotations

import csv
import gettext
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOCALES", "messages", "write_parts"]

LOCALES = Path("/usr/share/locale")
PROGRAMS, MOST, LEAST = 10, 600, 60
"""So many programs at the most, with so many messages each at the most, and at the least."""
SHORTEST = 10
"""Shorter messages name a key or a unit, which many programs do."""


def messages(path: Path) -> Iterator[str]:
    """The messages of a catalogue that were translated; none of one that cannot be read."""
    # Not every program speaks every language, and some headers are not as gettext has them.
    with suppress(OSError, IndexError, ValueError), path.open("rb") as handle:
        found = vars(gettext.GNUTranslations(handle))["_catalog"]
        for key, text in found.items():
            if isinstance(key, str) and key and text and text != key:
                yield text


def write_parts(folder: Path, language: str) -> int:
    """Write `train.csv` and `test.csv` with the columns text and label; how many labels there are.

    The largest catalogues count. A message that two of them have is left out. A third is the test part.
    """
    catalogues = {
        path.stem: set(messages(path)) for path in (LOCALES / language / "LC_MESSAGES").glob("*.mo")
    }
    names = sorted(catalogues, key=lambda name: (-len(catalogues[name]), name))[:PROGRAMS]
    often = Counter(text for name in names for text in catalogues[name])
    rows = {
        name: sorted(text for text in catalogues[name] if often[text] == 1 and len(text) >= SHORTEST)
        for name in names
    }
    rows = {name: texts for name, texts in rows.items() if len(texts) >= LEAST}
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for name, texts in rows.items():
        drawn = random.Random(name).sample(texts, min(MOST, len(texts)))
        for number, text in enumerate(drawn):
            parts["test" if number % 3 == 0 else "train"].append((text, name))
    for part, lines in parts.items():
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *lines])
    return len(rows)
