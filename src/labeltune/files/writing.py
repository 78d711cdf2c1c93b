"""Files written whole or not at all, and what identifies their bytes."""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from labeltune.errors import DiskError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "STANDARD_STREAM",
    "atomic_write",
    "disk_errors",
    "is_running",
    "is_stream",
    "make_folder",
    "make_private_file",
    "make_private_folder",
    "make_temporary",
    "refuse_unsayable",
    "same_file",
    "sha256_of",
    "sweep_leftovers",
    "sync",
]

STANDARD_STREAM = "-"
"""The name that stands for standard input or output."""

_PREFIX, _SUFFIX = ".labeltune-", ".tmp"
_CHUNK = 1 << 20
_DISK_ERRNOS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EIO,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.EEXIST,
    errno.EFBIG,
    errno.ELOOP,
    errno.EINVAL,
}


_SPACE = "free some space or choose another place, then run the same command again"
_REMEDIES = {
    errno.ENOENT: "make the folder first, or choose another place",
    errno.ENOTDIR: "a part of the path is a file: choose another place",
    errno.EEXIST: "it is a file, where a folder is wanted: choose another name",
    errno.EISDIR: "give the name of a file in it, or another name",
    errno.EACCES: "choose a place that you may write to, then run the same command again",
    errno.EPERM: "choose a place that you may write to, then run the same command again",
    errno.EROFS: "choose a place that can be written to, then run the same command again",
}
"""What to do where space is not what lacks."""


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into a `DiskError` that names it."""
    try:
        yield
    except OSError as error:
        # An error that names another file is about reading that one, and not ours to explain.
        name = None if error.filename is None else Path(error.filename).name
        ours = name is None or name == Path(path).name or name.startswith(_PREFIX)
        if not ours or error.errno not in _DISK_ERRNOS:
            raise
        raise DiskError(
            f"{os.fspath(path)}: cannot be written: {os.strerror(error.errno or 0)}",
            hint=_REMEDIES.get(error.errno or 0, _SPACE),
        ) from error


def make_temporary(folder: Path) -> tuple[int, Path]:
    """A new file in `folder`, open for writing, that `sweep_leftovers` removes if this process dies."""
    descriptor, name = tempfile.mkstemp(prefix=f"{_PREFIX}{os.getpid()}-", suffix=_SUFFIX, dir=folder)
    return descriptor, Path(name)


def _temporary_name(folder: Path) -> Path:
    """A name as `make_temporary` gives, of no file yet."""
    return folder / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}"


def _private(name: str, flags: int) -> int:
    """Open a file that only its owner may read."""
    return os.open(name, flags, 0o600)


def refuse_unsayable(*paths: object) -> None:
    """Raise a `SettingsError` for the name of a file that is no Unicode text: a journal cannot hold it."""
    for path in paths:
        name = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SettingsError(f"{name}: the name is not UTF-8", hint="rename the file") from None


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two names are one file, there already or yet to be written, through links too."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return Path(one).exists() and Path(other).exists() and Path(one).samefile(other)


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether what is written to `path` is gone at once: standard output, a pipe, a device (`/dev/null`)."""
    if os.fspath(path) == STANDARD_STREAM:
        return True
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open `path` for writing bytes so that it ends up whole or untouched; `-` is standard output.

    The bytes go to a temporary file in the same folder, which replaces `path` when the block ends without an
    exception; a pipe or a device is not replaced but written to. Raises `DiskError` if the folder or the file
    cannot be written.
    """
    if os.fspath(path) == STANDARD_STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if is_stream(path):
        with disk_errors(path), Path(path).open("wb") as handle:
            yield handle
        return
    # A symbolic link keeps pointing where it did: what it names is replaced, not the link.
    target = Path(os.path.realpath(path))
    with disk_errors(path):
        # Named before it is made: a signal that arrives in between must not leave it behind.
        temporary = _temporary_name(target.parent)
        _remove_at_exit(temporary)
        try:
            with open(temporary, "xb", buffering=_CHUNK, opener=_private) as handle:  # has no opener
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.chmod(_mode_of(target))
            temporary.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            _unfinished.discard(temporary)


_unfinished: set[Path] = set()
"""Temporary files that this process has not removed yet."""


def _remove_at_exit(temporary: Path) -> None:
    """A signal may arrive after a file is made and before its block is entered: then no block cleans up."""
    _look_at_exit()
    _unfinished.add(temporary)


@functools.cache
def _look_at_exit() -> None:
    atexit.register(_remove_unfinished)


def _remove_unfinished() -> None:
    for temporary in _unfinished:
        with contextlib.suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there. Raises `DiskError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(
            f"{folder}: cannot be used as a folder: {error.strerror}", hint="choose another place"
        ) from error


def sync(path: Path) -> None:
    """Make a file's bytes, or the names in a folder, last, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, if it is not there. Raises `DiskError`."""
    with disk_errors(folder):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from None
        except OSError as error:
            # It may name a folder above, which could not be made either.
            raise OSError(error.errno, error.strerror, folder) from None


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, if it is not there. Raises `DiskError`.

    One that is there is not opened: a process that closes a file loses its locks on it, those of SQLite too.
    """
    with disk_errors(path), contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _mode_of(target: Path) -> int:
    """The permissions `target` has, or would get if it were opened for writing."""
    try:
        return target.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def sweep_leftovers(folder: Path) -> int:
    """Remove temporary files that a killed process left in `folder`; returns how many."""
    swept = 0
    for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        owner = leftover.name.removeprefix(_PREFIX).split("-", 1)[0]
        if owner.isdigit() and not is_running(int(owner)):
            with contextlib.suppress(OSError):
                leftover.unlink()
                swept += 1
    return swept


def is_running(pid: int) -> bool:
    """Whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
