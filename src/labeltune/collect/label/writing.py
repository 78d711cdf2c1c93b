"""The table of what was labelled: one row for each row of the input and person who answered it."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.collect.label.answering import fits
from labeltune.errors import ConflictError, DataError, DiskError, SettingsError
from labeltune.files.tables import write_table
from labeltune.files.tables.cells import Typed
from labeltune.files.tables.writing import WRITERS
from labeltune.files.writing import (
    STANDARD_STREAM,
    atomic_write,
    disk_errors,
    refuse_unsayable,
    same_file,
    sha256_of,
)
from labeltune.task.written_cells import written_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labeltune.collect.label.events import Event
    from labeltune.collect.label.journal import Journal
    from labeltune.collect.label.rows import Row, Rows
    from labeltune.task import Task

__all__ = ["ADDED", "LINE", "Labelled", "Writer", "check_output"]

ADDED = ("annotator", "labelled_at", "seconds", "flagged", "sample", "source")
"""The columns that are added behind the labels."""
LINE = "line"
"""Names a row where the task has no column that does: its line in the input."""
SOURCE = "human"
PREFIX = "input_"
"""Goes before columns of the input that are called like an added one, or that hold labels already."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What was labelled, of everybody: counts of rows, but for `answers`."""

    output: str
    rows: int
    answered: int
    skipped: int
    flagged: int
    answers: int
    """Lines of the output: a row that two people answered has two."""
    outdated: int
    """Answers that the task no longer allows, and that are left out."""
    labels: Mapping[str, Mapping[str, int]]
    """By field and label: how many answers have it."""


def check_output(data: Any, output: Path) -> None:
    """Raise before anything is labelled what writing would raise after it."""
    refuse_unsayable(data, output)
    if str(output) == STANDARD_STREAM:
        raise SettingsError(
            "-o -: the table is written several times, so it needs a file", hint="-o labelled.csv"
        )
    ending = Path(output.name.lower().removesuffix(".gz")).suffix
    if ending not in WRITERS:
        raise SettingsError(
            f"{output}: tables are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    if data != STANDARD_STREAM and same_file(data, output):
        raise SettingsError(
            f"{output}: is the input, which is never overwritten", hint="give another --output"
        )
    if output.is_dir() or not output.absolute().parent.is_dir():
        raise DiskError(f"{output}: cannot be written: no such folder, or a folder", hint="choose another")


class Writer:
    """Writes the table, as often as wanted."""

    def __init__(self, task: Task, rows: Rows, journal: Journal, output: Path, *, force: bool) -> None:
        self._task, self._rows, self._journal, self._output = task, rows, journal, output
        self._force = force
        self._kept, self._header = self._columns()

    def protect(self) -> None:
        """Raise `ConflictError` where the output is not what this command left there."""
        if self._force or not self._output.exists():
            return
        if not self._journal.has_written(sha256_of(self._output)):
            raise ConflictError(
                f"{self._output}: was not written by this command, or was edited since",
                hint="-o names another output; --force replaces this one",
            )

    def write(self) -> Labelled:
        """Write what stands; the output ends up whole or untouched. Raises `ConflictError`, `DiskError`."""
        from filelock import FileLock

        self._journal.catch_up()
        with FileLock(self._journal.path.with_suffix(".lock"), mode=0o600):
            labelled = self._counted()
            if labelled.answers or self._output.exists():
                self._replace()
        return labelled

    def _replace(self) -> None:
        """Put the table in its place; the journal knows it before, should a kill come in between."""
        self.protect()
        folder = self._journal.path.parent
        with disk_errors(self._output), tempfile.TemporaryDirectory(prefix=".out-", dir=folder) as room:
            made = Path(room) / self._output.name
            write_table(made, self._header, self._table())
            self._journal.wrote(sha256_of(made))
            with made.open("rb") as content, atomic_write(self._output) as handle:
                shutil.copyfileobj(content, handle)
        self._force = False

    def _counted(self) -> Labelled:
        standing, rows = self._journal.standing, self._rows
        events = [
            event
            for row in rows.rows
            if row.key in standing.rows
            for found in standing.rows[row.key].values()
            for event in found[-1:]
        ]
        answers = [event for event in events if event.kind == "answer"]
        good = [event for event in answers if event.labels is not None and fits(self._task, event.labels)]
        by_field = {
            field.name: Counter(label for event in good for label in (event.labels or ())[place])
            for place, field in enumerate(self._task.fields)
        }
        answered = {event.row for event in good}
        return Labelled(
            output=str(self._output),
            rows=len(rows),
            answered=len(answered),
            skipped=len({event.row for event in events if event.kind == "skip"} - answered),
            flagged=len({row for row, _ in standing.flagged if row in rows.places}),
            answers=len(good),
            outdated=len(answers) - len(good),
            labels={
                field.name: {label: by_field[field.name][label] for label in field.labels}
                for field in self._task.fields
            },
        )

    def _columns(self) -> tuple[list[int], list[str]]:
        """Which columns of the input are kept, and the header of the output."""
        header, task = self._rows.header, self._task
        added = [*task.label_columns, *ADDED]
        if (task.id is None or task.id not in header) and LINE not in header:
            added.insert(0, LINE)
        blank = {
            column
            for at, column in enumerate(header)
            if column in task.label_columns and not any(row.values[at].strip() for row in self._rows.rows)
        }
        kept = [at for at, column in enumerate(header) if column not in blank]
        names = [PREFIX + header[at] if header[at] in added else header[at] for at in kept]
        if len({*names, *added}) < len(names) + len(added):
            both = next(name for name in names if names.count(name) > 1 or name in added)
            raise DataError(
                f'{self._rows.source}:1: has the column "{both}", which label writes',
                hint="rename it in the table",
            )
        return kept, [*names, *added]

    def _table(self) -> Iterator[list[str]]:
        """The rows of the output, in the order of the input; several people's answers by time."""
        standing = self._journal.standing
        for row in self._rows.rows:
            for event in standing.answers(row.key):
                if event.labels is not None and fits(self._task, event.labels):
                    yield self._row(row, event)

    def _row(self, row: Row, event: Event) -> list[str]:
        flagged = (event.row, event.annotator) in self._journal.standing.flagged
        cells: Sequence[str] = [
            *written_cells(self._task, event.labels or ()),
            event.annotator,
            datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"),
            _number(event.seconds),
            Typed(str(int(flagged)), int(flagged)),
            event.sample,
            SOURCE,
        ]
        line = [Typed(str(row.line), row.line)] if LINE in self._header[len(self._kept) :] else []
        return [*(row.values[at] for at in self._kept), *line, *cells]


def _number(seconds: float | None) -> str:
    return "" if seconds is None else Typed(f"{seconds:.1f}", round(seconds, 1))
