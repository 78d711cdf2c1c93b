"""Where parts lie: a folder of this machine, and whatever else can list, read and keep files by name.

A name is relative to the place, with `/` between folders on every system: `year=2026/x.parquet`.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from labeltune.errors import ConflictError, DiskError, SettingsError
from labeltune.files.writing import disk_errors, make_folder, sync

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

__all__ = ["PLACES", "Entry", "LocalPlace", "Place", "name_in", "open_place", "refuse_place", "scheme_of"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a place: its name, its bytes, and when it was changed last.

    `modified` is compared with what it was, never with a clock: any number that changes when the file does,
    nanoseconds since 1970 on this machine.
    """

    name: str
    size: int
    modified: int


class Place(Protocol):
    """Files under names. Raises `DiskError` where one cannot be read or written.

    `root` is how the place is named in a manifest: two places of the same root are one. `url` is what opens
    it again, in any process; `shown` is how the user named it, for messages.
    """

    root: str
    url: str
    shown: str

    def list(self, enter: Callable[[str], bool]) -> Iterator[Entry]:
        """All files, in any order; folders that `enter` refuses by name may be passed over whole."""
        ...

    def entry(self, name: str) -> Entry | None:
        """The file of that name; None if there is none."""
        ...

    def exact(self, entries: Sequence[Entry]) -> builtins.list[Entry]:
        """The same, told apart from what a file of that name may become as well as the place can."""
        ...

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file's bytes, from the start."""
        ...

    def as_file(self, name: str) -> AbstractContextManager[Path]:
        """A file of this machine that holds the bytes, to be opened as often as wanted in the block."""
        ...

    def commit(self, local: Path, name: str) -> Entry:
        """Put a finished file of this machine under a name, whole, in place of what was there; it is gone
        afterwards. When this returns, it is there to stay.
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def scratch(self, name: str) -> Path:
        """A folder of this machine, made if need be, for what is to be committed; one for each `name`."""
        ...

    def lock(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock while the block runs; False, and nothing held, where somebody else has it.

        Whoever dies holds it no more.
        """
        ...


class LocalPlace:
    """A folder of this machine, or one that several machines share."""

    def __init__(self, root: str | os.PathLike[str], shown: str | None = None) -> None:
        self.root = self.url = os.path.realpath(root)
        self.shown = os.fspath(root) if shown is None else shown
        self._root = Path(self.root)

    def list(self, enter: Callable[[str], bool]) -> Iterator[Entry]:
        """All files below, through links to folders too, each folder once."""
        seen: set[str] = set()

        def refuse(error: OSError) -> None:
            name = name_in(self, Path(error.filename).relative_to(self._root).as_posix())
            raise DiskError(f"{name}: cannot be read: {error.strerror}") from error

        for folder, below, files in os.walk(self._root, onerror=refuse, followlinks=True):
            path = Path(folder)
            above = path.relative_to(self._root)
            real = os.path.realpath(path)
            below[:] = [] if real in seen else [name for name in below if enter((above / name).as_posix())]
            if real in seen:
                continue
            seen.add(real)
            for name in files:
                entry = self.entry((above / name).as_posix())
                if entry is not None:
                    yield entry

    def entry(self, name: str) -> Entry | None:
        """The file of that name; a folder is none."""
        path = self._root / name
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DiskError(f"{name_in(self, name)}: cannot be read: {error.strerror}") from error
        return Entry(name, found.st_size, found.st_mtime_ns) if path.is_file() else None

    def exact(self, entries: Sequence[Entry]) -> builtins.list[Entry]:
        """They are: times are in nanoseconds."""
        return [*entries]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file's bytes."""
        path = self._root / name
        try:
            handle = path.open("rb")
        except OSError as error:
            raise DiskError(f"{name_in(self, name)}: cannot be read: {error.strerror}") from error
        with handle:
            yield handle

    @contextmanager
    def as_file(self, name: str) -> Iterator[Path]:
        """The file itself."""
        yield self._root / name

    def commit(self, local: Path, name: str) -> Entry:
        """Move it to its place: it is on the disk, and its name too, when this returns."""
        path = self._root / name
        make_folder(path.parent)
        with disk_errors(name_in(self, name)):
            sync(local)
            try:
                local.replace(path)
            except OSError as error:
                # Scratch on another file system: copied beside its place first, then renamed.
                if error.errno != errno.EXDEV:
                    raise
                near = path.with_name(f".{path.name}.{os.getpid()}.part")
                shutil.copyfile(local, near)
                sync(near)
                near.replace(path)
                local.unlink()
            sync(path.parent)
        found = self.entry(name)
        if found is None:
            raise DiskError(
                f"{name_in(self, name)}: was written, and is not there",
                hint="is something else cleaning up there?",
            )
        return found

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return (self._root / name).is_file()

    def remove(self, name: str) -> None:
        """Remove a file."""
        path = self._root / name
        with disk_errors(name_in(self, name)):
            path.unlink(missing_ok=True)

    def scratch(self, name: str) -> Path:
        """A folder in this one, so that a finished file need only be renamed."""
        make_folder(self._root / name)
        return self._root / name

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """A lock of the operating system, on a file of that name."""
        from filelock import FileLock, Timeout

        path = self._root / name
        make_folder(path.parent)
        held = FileLock(path, timeout=0, mode=0o666)
        try:
            with disk_errors(name_in(self, name)):
                held.acquire()
        except Timeout:
            yield False
            return
        except NotImplementedError as error:
            raise ConflictError(
                f"{name_in(self, name)}: this file system has no locks, so that two commands could write "
                "here at once",
                hint="choose an output folder on another one",
            ) from error
        try:
            yield True
        finally:
            held.release()


def name_in(place: Place, name: str) -> str:
    """How messages call a file of a place: as the user would, who named the place."""
    if place.shown in ("", "."):
        return name
    return f"{place.shown.rstrip('/')}/{name}"


PLACES: dict[str, Callable[[str], Place]] = {}
"""What opens places that a URL names, by its scheme (`s3`), given the URL."""


def scheme_of(data: str) -> str | None:
    """The scheme of a URL in lower case; None for a path."""
    found = _SCHEME.match(data)
    return None if found is None else found[1].lower()


def refuse_place(output: str) -> None:
    """Raise `SettingsError` where one table is to go to a place that only takes the parts of a folder."""
    if scheme_of(output) in PLACES:
        raise SettingsError(
            f"{output}: a URL takes folders, and this is one table",
            hint="name a file; or a folder, or a pattern in quotes, as what is read: 'IN/*.csv'",
        )


def open_place(root: str, shown: str | None = None) -> Place:
    """The place at a path or URL; a folder is `shown` so in messages, if it is not as it is named here.

    Raises `SettingsError` for a scheme that is not known.
    """
    scheme = scheme_of(root)
    if scheme is None:
        return LocalPlace(root or ".", shown)
    if scheme not in PLACES:
        raise SettingsError(
            f"{root}: {scheme}:// is no place that is known",
            hint=f"give a folder{''.join(f', or {name}://…' for name in sorted(PLACES))}",
        )
    return PLACES[scheme](root)
