"""Several files written together: all of them whole, or none touched.

A file system renames one file at a time. So the files are written to a folder of their own inside the target
folder; renaming that folder is the one step that decides. Before it nothing has happened; after it the files
are moved to their places, and if a kill comes in between, the next command that reads or writes here moves
the rest.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from labeltune.errors import DiskError
from labeltune.files.writing import disk_errors, is_running, make_folder, sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["finish_staged", "write_together"]

_STAGED, _DECIDED = ".labeltune-staged-", ".decided"
_CHUNK = 1 << 18


@contextmanager
def write_together(folder: str | os.PathLike[str], names: Sequence[str]) -> Iterator[list[IO[bytes]]]:
    """Open files in `folder` for writing bytes, so that all of them end up whole, or all untouched.

    `folder` is made if there is none. A name may begin with a folder inside it: `fold-1/train.csv`. What
    an earlier, killed process left here is finished or swept first. Raises `DiskError` if the folder or a
    file cannot be written.
    """
    target = Path(folder)
    places = [target / name for name in names]
    with _made(target):
        finish_staged(target)
        for place in places:
            if place.is_dir():
                raise DiskError(f"{place}: cannot be written: it is a folder", hint="choose another name")
        with disk_errors(target):
            staged = Path(tempfile.mkdtemp(prefix=f"{_STAGED}{os.getpid()}-", dir=target))
        try:
            with ExitStack() as stack:
                handles = [
                    stack.enter_context(_whole(staged / name, place))
                    for name, place in zip(names, places, strict=True)
                ]
                with disk_errors(target):
                    yield handles
            for place in places:
                make_folder(place.parent)
            with disk_errors(target):
                sync(staged)
                decided = staged.rename(f"{staged}{_DECIDED}")
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        _move(decided, target)


def finish_staged(folder: Path) -> None:
    """Finish for a process that was killed after it had decided; sweep what it left before."""
    for staged in sorted(folder.glob(f"{_STAGED}*")):
        owner = staged.name.removeprefix(_STAGED).split("-", 1)[0]
        if not owner.isdecimal():
            continue  # not ours
        if staged.name.endswith(_DECIDED):
            _move(staged, folder)
        elif not is_running(int(owner)):
            shutil.rmtree(staged, ignore_errors=True)


def _move(decided: Path, folder: Path) -> None:
    sync(folder)
    for path in sorted(decided.rglob("*")):
        place = folder / path.relative_to(decided)
        if path.is_dir():
            make_folder(place)
            continue
        # Another process may have come to finish this, and been quicker.
        with disk_errors(place), contextlib.suppress(FileNotFoundError):
            path.replace(place)
    sync(folder)
    shutil.rmtree(decided, ignore_errors=True)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder; if it is made here and stays empty, it is gone afterwards."""
    is_new = not folder.exists()
    make_folder(folder)
    try:
        yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextmanager
def _whole(path: Path, place: Path) -> Iterator[IO[bytes]]:
    """The staged file, on the disk when the block ends; errors name the place it is for."""
    make_folder(path.parent)
    with disk_errors(place):
        handle = path.open("xb", buffering=_CHUNK)
    with handle:
        yield handle
        with disk_errors(place):
            handle.flush()
            os.fsync(handle.fileno())
