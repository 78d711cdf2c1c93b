"""Vectors that were computed before, by content: what a text means to a model need not be found twice.

One SQLite file in the local provider's folder, which any number of processes may use. It is a cache: damaged,
busy or full, it is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DiskError
from labeltune.files.writing import make_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["BOUND", "VectorCache"]

BOUND = 512 << 20
"""The most bytes that the file holds: some 300,000 vectors of 384 numbers. The oldest quarter goes when it is
reached."""

_FILE = "vectors.db"
_BUSY_S = 5.0
_AT_ONCE = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (seq INTEGER PRIMARY KEY, key BLOB UNIQUE, vector BLOB) STRICT"


class VectorCache:
    """The vectors of one sentence model, float32 and of one width."""

    def __init__(self, directory: Path, model: str, *, bound: int = BOUND) -> None:
        self._path = directory / _FILE
        self._model = bytes.fromhex(model)
        self._bound = bound

    def get(self, texts: Sequence[str]) -> dict[str, Floats]:
        """The vectors of those texts that are known."""
        keys = {self._key(text): text for text in texts}
        found: dict[str, Floats] = {}
        with self._harmless(), self._connect() as connection:
            for some in _parts(list(keys)):
                marks = ", ".join("?" * len(some))
                query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608  (marks only)
                for key, vector in connection.execute(query, some):
                    found[keys[key]] = np.frombuffer(vector, dtype="<f4")
        return found

    def put(self, vectors: Mapping[str, Floats]) -> None:
        """Keep vectors by their texts."""
        rows = [(self._key(text), vector.astype("<f4").tobytes()) for text, vector in vectors.items()]
        with self._harmless(), self._connect() as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows)
            if self._size(connection) > self._bound:
                connection.execute(
                    "DELETE FROM vectors WHERE seq <= "
                    "(SELECT seq FROM vectors ORDER BY seq LIMIT 1 OFFSET (SELECT count(*) / 4 FROM vectors))"
                )

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self._model + text.encode("utf-8", "surrogatepass")).digest()

    @staticmethod
    def _size(connection: sqlite3.Connection) -> int:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for a moment: threads and processes share nothing but the file."""
        make_private_file(self._path)
        with contextlib.closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # what a power cut loses is computed again
            connection.execute(_SCHEMA)
            yield connection

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """Whatever happens to the file inside, the caller goes on without it."""
        try:
            yield
        except (sqlite3.OperationalError, DiskError, OSError):
            pass  # busy, full, or not to be written
        except (sqlite3.DatabaseError, ValueError):
            with contextlib.suppress(OSError):
                self._path.unlink()  # it is no database any more, or no vectors


def _parts(keys: list[bytes]) -> Iterator[list[bytes]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
