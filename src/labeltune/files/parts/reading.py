"""The bytes of a part, as they were when it was listed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeltune.errors import ConflictError
from labeltune.files.parts.place import Entry, name_in
from labeltune.files.sources import ByteSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.parts.listing import Part
    from labeltune.files.parts.place import Place

__all__ = ["open_part", "shown_name"]


def shown_name(place: Place, part: Part) -> str:
    """What a part is called in messages: where it is, wherever its bytes are brought."""
    return name_in(place, part.input)


@contextmanager
def open_part(place: Place, part: Part) -> Iterator[ByteSource]:
    """The bytes of a part, for `open_table` and the like.

    Raises `ConflictError`, at the end of the block, too, if it is no longer the file that was listed: a
    receipt says of which one an output was made.
    """
    _check_unchanged(place, part)
    with place.as_file(part.input) as path, ByteSource(path) as source:
        source.name = shown_name(place, part)
        yield source
    _check_unchanged(place, part)


def _check_unchanged(place: Place, part: Part) -> None:
    found = place.entry(part.input)
    listed = Entry(part.input, part.size, part.modified)
    if found is None or place.exact([found]) != [listed]:
        raise ConflictError(
            f"{shown_name(place, part)}: changed while it was read; what is made of it does not count",
            hint="run the same command again, with --accept-changes, when nothing writes to it",
        )
