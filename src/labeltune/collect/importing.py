"""From another tool's file to a table: the use case behind `labeltune import`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.collect.exchange.doccano import label_names
from labeltune.collect.exchange.formats import FORMATS
from labeltune.collect.exchange.given import Given
from labeltune.collect.exchange.items import Tally
from labeltune.collect.exchange.recognising import choose
from labeltune.collect.exchange.shape import ANNOTATOR, ID, Shape
from labeltune.collect.exchange.values import keep_or_drop
from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import table_writer
from labeltune.files.writing import STANDARD_STREAM, same_file, sweep_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from labeltune.collect.exchange.formats import Format
    from labeltune.collect.exchange.items import Item
    from labeltune.task import Task

__all__ = ["DEFAULT_OUTPUT", "ImportOptions", "Imported", "import_data"]

DEFAULT_OUTPUT = "data.csv"
_TOLD_EVERY = 10_000
_NUL_ENDINGS = (".jsonl", ".ndjson", ".json", ".parquet", ".pq")
"""Tables that can hold a NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What is told about a file that is imported."""

    format: str | None = None
    """One of `exchange.formats.FORMATS`; by default what the content shows."""
    labels: str | None = None
    """A file with the names of label ids."""
    encoding: str | None = None
    """Of a text that is neither UTF-8 nor has a byte order mark."""
    keep_empty: bool = False
    """Whether texts without any label are rows, too."""
    task: Task | None = None
    """How the messages of a chat file were made."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file. `rows` are those that were written."""

    input: str
    output: str
    format: str
    why: str
    """Why the file is taken to be of that format."""
    records: int
    """As the format counts them: texts, tasks, lines."""
    rows: int
    dropped: Mapping[str, int]
    """Texts and answers that are no rows, by reason."""
    places: Mapping[str, str]
    """Where the first one of each reason stands."""
    lost: Mapping[str, int]
    """What a table cannot hold, by what it is."""
    text: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]
    """The columns of each field."""
    id: str | None
    annotator: str | None
    """The column that says who labelled a row, where several people did."""
    shared: bool
    """Whether two people labelled one text, so that their agreement can be measured."""
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())


def import_data(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    options: ImportOptions | None = None,
    *,
    progress: Callable[[int], object] | None = None,
) -> Imported:
    """Write a file or folder of another tool as a table that `init` understands.

    `output` ends up whole or untouched; its ending says what kind of table it is. The input is read twice and
    never held. `progress` is told now and then how many more were read.
    Raises `SettingsError` (no such file or format, an output that is read, a content that fits several
    formats), `DataError` (what is not of the format, with its place; nothing left to write) and `DiskError`.
    """
    options = options or ImportOptions()
    path, target = os.fspath(data), os.fspath(output)
    _protect(path, target, options)
    source = None if Path(path).is_dir() else ByteSource(path)
    try:
        names = {} if options.labels is None else label_names(options.labels)
        given = Given(path, options.encoding, names, options.task, source)
        name, why = choose(given, options.format)
        return _Import(given, name, why, options, progress).write(target)
    finally:
        if source is not None:
            source.close()


class _Import:
    def __init__(
        self,
        given: Given,
        name: str,
        why: str,
        options: ImportOptions,
        progress: Callable[[int], object] | None,
    ) -> None:
        self._given, self._name, self._why, self._options = given, name, why, options
        self._format: Format = FORMATS[name]
        self._progress = progress

    def items(self, tally: Tally) -> Iterator[Item]:
        """The items that become rows."""
        for read, item in enumerate(self._format.read(self._given, tally), 1):
            if self._progress is not None and read % _TOLD_EVERY == 0:
                self._progress(_TOLD_EVERY)
            if keep_or_drop(item, tally, keep_empty=self._options.keep_empty):
                yield item

    def write(self, target: str) -> Imported:
        """Look at all items, then write them."""
        tally, shape, rows = Tally(), Shape(), 0
        for item in self.items(tally):
            shape.add(item, tally)
            rows += 1
        if not rows:
            raise self._nothing(tally)
        shape.finish()
        _check_nul(shape, target)
        if target != STANDARD_STREAM:
            sweep_leftovers(Path(target).parent)
        with table_writer(target, shape.header) as write:
            for item in self.items(Tally()):
                write(shape.row(item))
        return self._done(target, tally, shape, rows)

    def _done(self, target: str, tally: Tally, shape: Shape, rows: int) -> Imported:
        told = [sentence for sentence in tally.told if not sentence.startswith(_WARNING)]
        return Imported(
            input=self._given.path,
            output=target,
            format=self._name,
            why=self._why,
            records=tally.records,
            rows=rows,
            dropped=dict(tally.dropped),
            places={reason: str(where) for reason, where in tally.first.items()},
            lost=dict(tally.lost),
            text=tuple(shape.texts),
            labels=shape.label_columns,
            id=ID if shape.has_ids else None,
            annotator=ANNOTATOR if shape.people else None,
            shared=shape.shared,
            notes=tuple(told),
            warnings=tuple(one.removeprefix(_WARNING) for one in tally.told if one not in told),
        )

    def _nothing(self, tally: Tally) -> DataError:
        why = ", ".join(f"{count:,} {reason}" for reason, count in tally.dropped.items())
        lost = ", ".join(f"{what} ({count:,})" for what, count in tally.lost.items())
        return DataError(
            f"{self._given.path}: nothing to import as {self._format.title} ({self._why}): "
            + (
                "; ".join(
                    filter(None, (f"dropped {why}" if why else "", f"left behind {lost}" if lost else ""))
                )
                or "no records"
            ),
            hint="texts without labels are kept with --keep-empty" if "no label" in tally.dropped else None,
        )


_WARNING = "warning: "
"""How a note begins that is one."""


def _check_nul(shape: Shape, target: str) -> None:
    bare = target.lower().removesuffix(".gz")
    if shape.nul is not None and not bare.endswith(_NUL_ENDINGS):
        raise DataError(
            f"{shape.nul.where}: holds a NUL, which text tables cannot hold",
            hint="write JSON Lines instead: -o data.jsonl",
        )


def _protect(path: str, target: str, options: ImportOptions) -> None:
    """Raise `SettingsError` if writing the output would overwrite what is read."""
    if target == STANDARD_STREAM:
        return
    task = None if options.task is None else options.task.source
    for name in (path, options.labels, task):
        if name not in (None, STANDARD_STREAM) and same_file(name, target):
            raise SettingsError(
                f"{target}: is read by this command, and an input is never overwritten",
                hint="name another output with -o",
            )
    folder = Path(path)
    if folder.is_dir() and folder.resolve() in Path(target).resolve().parents:
        raise SettingsError(
            f"{target}: lies in the folder that is read", hint="name an output elsewhere with -o"
        )
