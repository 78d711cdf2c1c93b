"""What must stay unseen: nothing of a part that is named test goes into a prompt."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.tables import Source

__all__ = ["is_test_part", "part_column", "refuse_test_part"]

_PART_COLUMNS = ("part", "split", "fold")
_WORDS = re.compile(r"[^\W_]+")


def is_test_part(name: str) -> bool:
    """Whether a file or a part goes by the name of a test part: `test` is one of the words of its name."""
    return "test" in _WORDS.findall(Path(name).name.casefold())


def refuse_test_part(source: Source, what: str) -> None:
    """Raise `SettingsError` for a table whose file is named test; `what` would be taken from it."""
    if isinstance(source, str | os.PathLike) and is_test_part(os.fspath(source)):
        raise SettingsError(
            f"{os.fspath(source)}: is named as a test part, and {what} are never taken from one: "
            "the model would be measured on what it was shown",
            hint="give the training part; if this is none but in name, rename it",
        )


def part_column(header: Sequence[str]) -> int | None:
    """Where a table says which part each row belongs to, if it does."""
    return next((place for place, name in enumerate(header) if name.casefold() in _PART_COLUMNS), None)
