"""What the user said about the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.task.columns import require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import Format

__all__ = ["Wishes", "check_wishes"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said, to be taken as it is; what is None or empty is found in the table."""

    text: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    id: str | None = None
    delimiter: str | None = None
    answer: Format | None = None
    none: str | None = None
    """What a list answers where no label applies; the empty string leaves such rows out of training."""
    system: str | None = None
    user: str | None = None
    ignore: tuple[str, ...] = ()
    """Columns that are not looked at."""


def check_wishes(wishes: Wishes, header: Sequence[str], *, source: str) -> None:
    """Raise `DataError` for a column that the table lacks, `SettingsError` for one that is to be ignored."""
    taken = (*wishes.text, *wishes.labels, *([wishes.id] if wishes.id else []))
    require_columns(taken, header, source=source, why="which an option names")
    require_columns(wishes.ignore, header, source=source, why="which --ignore names")
    both = next((name for name in taken if name in wishes.ignore), None)
    if both is not None:
        raise SettingsError(f'column "{both}" is named twice: to be taken, and by --ignore')
