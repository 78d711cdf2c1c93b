"""The three streams that a process is given: closed ones, full ones, and a current folder that is gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from labeltune.errors import DiskError

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["refused_by_system", "silence_stdout", "take_streams"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class _Story(io.TextIOWrapper):
    """Standard error that may fail: what is told on the way is never the reason to stop."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            _send_nowhere(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            _send_nowhere(self)


def take_streams() -> None:
    """Stand in for streams that are closed, and let standard error fail without harm.

    A closed stream (`>&-`) is read as empty, and what is written to it goes nowhere: else the next file that
    is opened would take its number, and be written to.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            stream = os.fdopen(number, mode, encoding="utf-8")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # which keeps it, when another one takes its place
    told = sys.stderr
    if isinstance(told, io.TextIOWrapper):
        sys.stderr = _Story(told.buffer, told.encoding, told.errors, line_buffering=True)


def silence_stdout() -> None:
    """Whoever read our output is gone, or it is full; let the interpreter's last flush go nowhere."""
    _send_nowhere(sys.stdout)


def _send_nowhere(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def refused_by_system(error: OSError) -> DiskError | None:
    """The error of a result that could not be written, or of a current folder that is gone, else None."""
    if error.errno in _FULL and error.filename is None:
        return DiskError(
            f"standard output: cannot be written: {os.strerror(error.errno)}",
            hint="free some space or send it elsewhere, then run the same command again",
        )
    try:
        os.getcwd()  # noqa: PTH109  # it is whether there is one that is asked
    except OSError:
        return DiskError(
            "the current folder is gone",
            hint="cd to a folder that is there, then run the same command again",
        )
    return None
