"""SQLite's refusals as ours."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labeltune.errors import ConflictError, DiskError, LabeltuneError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["damaged", "database_errors", "is_full", "translated"]


@contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """What SQLite raises in the block is raised as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(path, error) from error


def is_full(error: BaseException) -> bool:
    """Whether the disk is full, or does not take what is written to it."""
    return isinstance(error, sqlite3.OperationalError) and (
        error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    )


def translated(path: Path, error: BaseException) -> LabeltuneError:
    """SQLite's refusals as ours."""
    if isinstance(error, LabeltuneError):
        return error
    if is_full(error):
        return DiskError(
            f"{path}: cannot be written: {error}",
            hint="free some space, then run the same command again",
        )
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return ConflictError(f"{path}: {error} by another process", hint="wait for it, then run it again")
    if isinstance(error, sqlite3.OperationalError):
        return DiskError(f"{path}: {error}", hint="check its permissions and the disk")
    return damaged(path, str(error))


def damaged(path: Path, reason: str) -> LabeltuneError:
    """The error for a journal that is not what was written."""
    return DiskError(
        f"{path}: quick_check failed, the file is damaged: {reason}",
        hint="the same command with --recover keeps a copy and every answer that can still be read",
    )
