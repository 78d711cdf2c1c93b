"""Which files a folder or a pattern of predictions stands for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.evaluation.written import open_predictions
from labeltune.files.parts import SUCCESS, list_inputs, names_parts, split_query
from labeltune.files.sources import ByteSource
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.parts import Place
    from labeltune.files.tables import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["Parts", "incomplete", "no_rows", "open_part", "parts_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a folder or a pattern, in the order of their names."""

    root: str
    """the folder as it was named"""
    place: Place
    names: tuple[str, ...]
    complete: bool
    """false for a folder that lacks `_SUCCESS`"""

    def __len__(self) -> int:
        return len(self.names)

    @contextmanager
    def open(self, number: int, task: Task, read: ReadOptions) -> Iterator[Table]:
        """A part as a table, named as it is found by the user. Raises as `open_table`."""
        with open_part(self.place, self.root, self.names[number], task, read) as table:
            yield table


@contextmanager
def open_part(place: Place, root: str, name: str, task: Task, read: ReadOptions) -> Iterator[Table]:
    """A part of a place as a table, named as the user finds it, who calls the place `root`.

    Predict makes a part without rows of one: as JSON it has no columns.
    """
    with place.as_file(name) as path:
        source = ByteSource(path)
        source.name = f"{root.rstrip('/')}/{name}"
        with open_predictions(source, task, read, may_be_empty=True) as table:
            yield table


def parts_of(path: str) -> Parts | None:
    """The parts that `path` stands for; None where it is one file, or standard input.

    Raises `SettingsError` where there is no such folder, `DataError` where there is no table.
    """
    if not names_parts(path):
        return None
    root, listing = list_inputs(path)
    whole = root.rstrip("/") == split_query(path)[0].rstrip("/")
    complete = not whole or listing.place.exists(SUCCESS)
    return Parts(root, listing.place, tuple(part.input for part in listing.parts), complete)


def no_rows(path: str, parts: Parts) -> DataError:
    """The error where no part has a row."""
    return DataError(
        f"{path}: no rows in {counted(len(parts), 'part')}",
        hint="expected are tables that `predict` wrote, one of them with a row",
    )


def incomplete(path: str, parts: Parts) -> str | None:
    """A warning where the run that writes the parts is not complete."""
    if parts.complete:
        return None
    return (
        f"{path}: there is no {SUCCESS} in it, so that its run is not complete: "
        f"{counted(len(parts), 'part is', 'parts are')} measured"
    )
