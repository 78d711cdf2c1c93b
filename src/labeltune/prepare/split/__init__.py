"""Split a table or a chat file into parts that are alike: the use case behind `labeltune split`.

All fields are stratified by one algorithm, `labeltune.prepare.stratify`: a single field by its label, a child
and its parent by their path, a multi field by its combination of labels, several fields by all of them
together. It gives each part the quota of every combination, as scikit-learn's `stratify` does for one label,
and goes on where that refuses: with labels that occur once, with any number of parts, with rows that stay
together.
"""

from __future__ import annotations

import gzip
import io
import os
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.staging import write_together
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.prepare.split.balance import Balance, balance_of
from labeltune.prepare.split.inputs import open_input
from labeltune.prepare.split.options import DEFAULT_SEED, SplitOptions
from labeltune.prepare.split.reading import PROGRESS_MASK
from labeltune.prepare.split.sizes import DEFAULT_SIZES, check_sizes, parse_sizes, row_counts
from labeltune.prepare.split.synthetic import fold_parts, parts_apart
from labeltune.prepare.stratify import Combinations, stratify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables import Source
    from labeltune.files.tables.copying import Route
    from labeltune.prepare.split.reading import Input, Known, Progress
    from labeltune.prepare.stratify.integer_arrays import Ints
    from labeltune.task import Task

__all__ = [
    "DEFAULT_SEED",
    "DEFAULT_SIZES",
    "Balance",
    "Part",
    "Split",
    "SplitOptions",
    "parse_sizes",
    "split",
    "split_rows",
]

TRAIN, VALIDATION = "train", "validation"
"""The parts of a fold."""
_COMPRESSION = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One of the files: where it is, its rows, and how many of them have each label."""

    path: str
    rows: int
    labels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Split:
    """What came of a file. `unused` rows are in no part, where the sizes leave some."""

    input: str
    rows: int
    unused: int
    parts: dict[str, Part]
    balance: Balance
    duplicates: int
    """Rows that were kept together with an earlier one of the same text."""
    synthetic: int
    """Rows that a model wrote, which are in no part that measures, unless they were let in anywhere."""
    seed: int
    seconds: float
    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which files there will be, and the row's part for each of them.

    `parts` int64 (n_rows,). Rows of part p go to the files `routes[p]`; of -1, which is the last, to none.
    """

    names: tuple[str, ...]
    parts: Ints
    routes: tuple[Route, ...]


def split(
    data: Source,
    task: Task | None = None,
    options: SplitOptions | None = None,
    *,
    folder: str | os.PathLike[str] = ".",
    progress: Progress | None = None,
) -> Split:
    """Put the rows of a table, or the records of a chat file, into files of `folder`: all of them or none.

    Files are called as their parts, with the ending of `data`. Rows keep their order and are what they were,
    byte for byte in formats of text. The same data, sizes and seed give the same files on every machine.
    Without a task, a chat file is stratified by its answers as they are; a table needs one, unless it is
    split by chance alone. `progress` is told now and then how many bytes of how many were read.
    Raises `SettingsError`, `DataError`, `ConflictError` and `DiskError`.
    """
    started = time.monotonic()
    options = options or SplitOptions()
    names = _names(options)
    if os.fspath(folder) == STANDARD_STREAM:
        raise SettingsError("several files do not fit into standard output", hint="name a folder with -o")
    with ExitStack() as stack:
        read = open_input(data, task, options)
        stack.callback(read.close)
        paths = [str(Path(folder, name + _ending(read))) for name in names]
        for path in paths:
            _protect(read, path)
        known = read.read(options, None if progress is None else lambda done, size: progress(done, 2 * size))
        plan = _plan(known, names, options, source=read.name)
        _refuse_empty(known, plan, source=read.name)
        _write(read, plan, Path(folder), progress)
    return _result(read, known, plan, paths, options, started)


def split_rows(
    data: Source, task: Task | None = None, options: SplitOptions | None = None
) -> dict[str, list[int]]:
    """The numbers of the rows, counted from 0, that `split` would put into each part. Raises as it does."""
    options = options or SplitOptions()
    names = _names(options)
    with closing(open_input(data, task, options)) as read:
        known = read.read(options, None)
        plan = _plan(known, names, options, source=read.name)
        _refuse_empty(known, plan, source=read.name)
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, part in enumerate(plan.parts.tolist()):
        for file in plan.routes[part]:
            rows[names[file]].append(row)
    return rows


# --------------------------------------------------------------------------------------------------- planning


def _names(options: SplitOptions) -> tuple[str, ...]:
    """The parts, each the name of a file without its ending."""
    if options.folds is None:
        check_sizes(options.sizes)
        return tuple(options.sizes)
    if options.folds < 2:
        raise SettingsError(f"--folds {options.folds}: expected 2 or more")
    return tuple(
        f"fold-{number}/{part}" for number in range(1, options.folds + 1) for part in (TRAIN, VALIDATION)
    )


def _plan(known: Known, names: tuple[str, ...], options: SplitOptions, *, source: str) -> _Plan:
    folds = options.folds
    apart = None if options.synthetic_anywhere else known.synthetic
    if folds is None:
        sizes = row_counts(options.sizes, known.n_rows, source=source)
        routes: list[Route] = [(part,) for part in range(len(sizes))]
    else:
        rows = known.n_rows - (0 if apart is None else int(apart.sum()))
        if folds > rows:
            which = "rows" if apart is None else "rows that no model wrote"
            raise DataError(f"{source}: {folds:,} folds are asked for, and there are {rows:,} {which}")
        sizes = [(known.n_rows + fold) // folds for fold in range(folds)][::-1]
        # A row is in the validation part of one fold, and in the train part of every other.
        routes = [tuple(2 * other + (other == fold) for other in range(folds)) for fold in range(folds)]
    combinations = known.combinations
    if not options.stratified:
        combinations = Combinations.of_vectors(np.zeros((1, 0), np.bool_), np.zeros(known.n_rows, np.int64))
    if apart is None:
        parts = stratify(combinations, sizes, seed=options.seed, groups=known.groups)
    elif folds is None:
        wanted = dict(zip(names, sizes, strict=True))
        parts = parts_apart(combinations, wanted, apart, known.groups, seed=options.seed, source=source)
    else:
        parts = fold_parts(combinations, folds, apart, known.groups, seed=options.seed)
        # A synthetic row is in the train parts of all folds but that which its seeds measure.
        routes += [tuple(2 * other for other in range(folds) if other != fold) for fold in range(folds)]
    return _Plan(names, parts, (*routes, ()))


def _refuse_empty(known: Known, plan: _Plan, *, source: str) -> None:
    """Raise `DataError` if rows that stay together leave nothing for a part."""
    rows = _counts(known, plan)[1]
    for name, count in zip(plan.names, rows.tolist(), strict=True):
        if not count:
            raise DataError(
                f'{source}: the part "{name}" would be empty: rows that stay together fill the others',
                hint="--no-keep-duplicates-together lets equal texts go into several parts"
                if known.duplicates
                else "the groups are too large for these sizes",
            )


def _counts(known: Known, plan: _Plan) -> tuple[Ints, Ints]:
    """The label counts, int64 (n_files, n_labels), and the rows, int64 (n_files,), of each file."""
    n_parts = len(plan.routes) - 1
    labels = known.combinations.counts(plan.parts, n_parts)
    rows = np.bincount(plan.parts[plan.parts >= 0], minlength=n_parts)
    into = np.zeros((len(plan.names), n_parts), np.int64)
    for part, files in enumerate(plan.routes[:-1]):
        into[list(files), part] = 1
    return into @ labels, into @ rows


# ---------------------------------------------------------------------------------------------------- writing


def _ending(read: Input) -> str:
    packed = read.name.lower().endswith(GZIP_ENDING) and read.ending not in (".xlsx", ".parquet", ".pq")
    return read.ending + (GZIP_ENDING if packed else "")


def _protect(read: Input, path: str) -> None:
    """Raise `SettingsError` if writing `path` would overwrite the file that is split."""
    if read.path is not None and same_file(read.path, path):
        raise SettingsError(
            f"{path}: is the file itself, which is never overwritten",
            hint="choose another folder with -o, or other names of parts with --sizes",
        )


def _write(read: Input, plan: _Plan, folder: Path, progress: Progress | None) -> None:
    names = [name + _ending(read) for name in plan.names]
    with write_together(folder, names) as handles, ExitStack() as stack:
        packed = names[0].endswith(GZIP_ENDING)
        files = [stack.enter_context(_packed(handle)) for handle in handles] if packed else handles
        read.copy(_routes(read, plan, progress), files)
        read.check_unchanged()


def _routes(read: Input, plan: _Plan, progress: Progress | None) -> Iterator[Route]:
    """The route of each row, in order."""
    for number, part in enumerate(plan.parts.tolist(), 1):
        yield plan.routes[part]
        if progress is not None and not number & PROGRESS_MASK:
            done, size = read.progress
            progress(size + done, 2 * size)


def _packed(handle: IO[bytes]) -> IO[bytes]:
    # With neither name nor time: the same rows give the same bytes.
    packed = gzip.GzipFile("", "wb", _COMPRESSION, fileobj=handle, mtime=0)
    return io.BufferedWriter(packed, 1 << 18)


# -------------------------------------------------------------------------------------------------- reporting


def _result(
    read: Input, known: Known, plan: _Plan, paths: Sequence[str], options: SplitOptions, started: float
) -> Split:
    counts, rows = _counts(known, plan)
    whole = known.combinations.counts(np.zeros(known.n_rows, np.int64), 1)[0]
    balance = balance_of(known.labels, plan.names, whole, counts, rows, n_rows=known.n_rows)
    parts = {
        name: Part(path, count, dict(zip(known.labels, own, strict=True)))
        for name, path, count, own in zip(plan.names, paths, rows.tolist(), counts.tolist(), strict=True)
    }
    notes, warnings = read.messages()
    return Split(
        input=read.name,
        rows=known.n_rows,
        unused=int((plan.parts < 0).sum()),
        parts=parts,
        balance=balance,
        duplicates=known.duplicates,
        synthetic=0 if known.synthetic is None else int(known.synthetic.sum()),
        seed=options.seed,
        seconds=round(time.monotonic() - started, 3),
        notes=list(notes),
        warnings=[*warnings, *known.warnings],
    )
