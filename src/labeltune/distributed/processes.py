"""Processes that another library starts: what they say is held back, and none of them is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.distributed.guard import start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Family", "descendants", "guarded", "held_back"]

_PATIENCE_S = 10.0
_SAID_BYTES = 4_000

Process = tuple[int, str]
"""The id of a process and when it started, which tells it from a later one of the same id."""


@contextmanager
def held_back(*numbers: int) -> Iterator[Callable[[], str]]:
    """While the block runs, what anything in this process writes to these file descriptors is kept.

    Yields what returns the end of it. Processes that are started meanwhile write there, too.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = {number: os.dup(number) for number in numbers}
    with tempfile.TemporaryFile() as file:

        def said() -> str:
            start = max(0, os.fstat(file.fileno()).st_size - _SAID_BYTES)
            return os.pread(file.fileno(), _SAID_BYTES, start).decode("utf-8", "replace")

        try:
            for number in kept:
                os.dup2(file.fileno(), number)
            yield said
        finally:
            with contextlib.suppress(OSError, ValueError):
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
            for number, copy in kept.items():
                os.dup2(copy, number)
                os.close(copy)


@contextmanager
def guarded(folder: Path) -> Iterator[Callable[[Iterable[Process]], None]]:
    """While the block runs, another process stands by: if this one is killed, it ends those processes that it
    was told of, and removes the folder. Yields what tells it.
    """
    script = Path(__file__).with_name("guard.py")
    command = [sys.executable, "-I", str(script), str(folder)]
    # In a session of its own: Ctrl-C in a terminal is for us.
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True)  # noqa: S603
    assert guard.stdin is not None
    pipe = guard.stdin

    def tell(processes: Iterable[Process]) -> None:
        pipe.writelines(f"{pid} {start}\n" for pid, start in processes)
        pipe.flush()

    try:
        yield tell
    finally:
        with contextlib.suppress(OSError):
            pipe.close()
        guard.wait()


class Family:
    """The processes below this one that are started from now on. Where /proc is missing it knows of none."""

    def __init__(self) -> None:
        self._before = descendants()
        self._seen: set[Process] = set()

    def look(self) -> set[Process]:
        """Take note of those that are there: one whose parent ends is no longer found below this one.

        Returns all that were seen.
        """
        self._seen |= descendants() - self._before
        return self._seen

    def end(self) -> None:
        """Wait for them, and kill those that stay, each by its id."""
        self.look()
        deadline = time.monotonic() + _PATIENCE_S
        while (left := {one for one in self._seen if _is_there(one)}) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid, _ in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def descendants(of: int | None = None) -> set[Process]:
    """The processes below one, this one by default, and those below them. Empty where /proc is missing."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat is not None:
            children.setdefault(int(stat[1]), []).append((int(entry.name), stat[19]))
    found: set[Process] = set()
    waiting = [os.getpid() if of is None else of]
    while waiting:
        for one in children.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one[0])
    return found


def _is_there(process: Process) -> bool:
    return start_of(process[0]) == process[1]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on: state, parent, …, start time."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return content.rpartition(")")[2].split()
