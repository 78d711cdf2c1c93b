"""Where bytes come from: a file, standard input, a pipe; plain or gzip; read as often as wanted."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import sys
import tempfile
import zlib
from contextlib import contextmanager, suppress
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING

from labeltune.errors import ConflictError, DataError, DiskError, SettingsError
from labeltune.files.staging import finish_staged
from labeltune.files.writing import STANDARD_STREAM, make_temporary, sha256_of, sweep_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = ["GZIP_ENDING", "ByteSource"]

GZIP_ENDING = ".gz"
GZIP_MAGIC = b"\x1f\x8b"
_HEAD = 1 << 16
_COPIED = 1 << 20


class ByteSource:
    """Bytes that can be opened again and again; what cannot, such as standard input, is kept in a file first.

    `name` stands in messages. Close it, or use it as a context manager.
    Raises `SettingsError` if there is no such file, `DiskError` if it may not be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._spool: Path | None = None
        if os.fspath(path) == STANDARD_STREAM:
            self.name = "stdin"
            self.path = self._keep(sys.stdin.buffer)
        else:
            self.name = os.fspath(path)
            self.path = Path(path)
            _settle(self.path)
            with _reading(self.name):
                mode = self.path.stat().st_mode
                if stat.S_ISDIR(mode):
                    raise SettingsError(f"{self.name}: is a folder, expected a file")
                if not stat.S_ISREG(mode):
                    with self.path.open("rb") as pipe:
                        self.path = self._keep(pipe)
        with _reading(self.name), self.path.open("rb") as handle:
            start = handle.read(len(GZIP_MAGIC))
        self._is_gzip = start == GZIP_MAGIC and (not self.is_file or self.name.lower().endswith(GZIP_ENDING))
        self._state = self._stat()
        self._handle: IO[bytes] | None = None
        self._head: bytes | None = None

    def _keep(self, stream: IO[bytes]) -> Path:
        folder = Path(tempfile.gettempdir())
        sweep_leftovers(folder)
        try:
            descriptor, self._spool = make_temporary(folder)
            with os.fdopen(descriptor, "wb") as handle:
                shutil.copyfileobj(stream, handle, _COPIED)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise DiskError(
                    f"{self.name}: cannot be kept in {folder}: {error.strerror}",
                    hint="free some space there, or set TMPDIR to another folder",
                ) from error
            raise
        return self._spool

    def close(self) -> None:
        """Remove what was kept."""
        if self._spool is not None:
            self._spool.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_file(self) -> bool:
        """Whether the bytes are those of a file named `name`, not kept from a stream."""
        return self._spool is None

    @property
    def ending(self) -> str:
        """The file name's last ending, `.gz` left aside, in lower case: `.csv`. Empty for standard input."""
        if not self.is_file:
            return ""
        name = Path(self.name.lower())
        return Path(name.stem).suffix if name.suffix == GZIP_ENDING else name.suffix

    @contextmanager
    def open(self) -> Iterator[BufferedIOBase]:
        """The bytes, unpacked, from the start. Raises `DataError` if the gzip data are damaged."""
        with _reading(self.name):
            handle = self.path.open("rb")
        self._handle = handle
        with _reading(self.name), handle as plain:
            if not self._is_gzip:
                yield plain
                return
            try:
                with BufferedReader(gzip.GzipFile(fileobj=plain)) as unpacked:
                    yield unpacked
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise DataError(
                    f"{self.name}: the gzip data are damaged or cut off: {error}",
                    hint="fetch or pack the file again",
                ) from error

    def head(self) -> bytes:
        """The first bytes, unpacked: at most 64 KiB. Read once; see `check_unchanged`."""
        if self._head is None:
            with self.open() as stream:
                head = b""
                while len(head) < _HEAD and (more := stream.read(_HEAD - len(head))):
                    head += more
            self._head = head
        return self._head

    @property
    def is_short(self) -> bool:
        """Whether `head` has all of it."""
        return len(self.head()) < _HEAD

    @property
    def size(self) -> int:
        """The bytes as they came."""
        return self._state[0]

    @property
    def position(self) -> int:
        """How many of them have been read, since they were last opened."""
        return 0 if self._handle is None or self._handle.closed else self._handle.tell()

    def sha256(self) -> str:
        """The SHA-256 of the bytes as they came, in hexadecimal."""
        return sha256_of(self.path)

    def check_unchanged(self) -> None:
        """Raise `ConflictError` if the file is no longer the one that was opened."""
        if self._stat() != self._state:
            raise ConflictError(
                f"{self.name}: the file changed while it was read",
                hint="run the same command again when nothing writes to it",
            )

    def _stat(self) -> tuple[int, int]:
        with _reading(self.name):
            found = self.path.stat()
        return found.st_size, found.st_mtime_ns


def _settle(path: Path) -> None:
    """Finish what a killed split had decided: its files are there all, or none of them.

    They may be in its folder, or one below. Where nothing may be written, they are read as they are.
    """
    for folder in dict.fromkeys((path.parent, path.parent.parent)):
        with suppress(OSError, DiskError):
            finish_staged(folder)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SettingsError(f"{name}: there is no such file") from error
    except OSError as error:
        raise DiskError(f"{name}: cannot be read: {error.strerror}") from error
