"""A process that outlives the one that started it, and ends what that one leaves: `python guard.py FOLDER`.

Reads lines `PID START` from standard input until that ends, as it does when the other one ends, however it
does. Then it kills those processes that are still there, each by its id and only if it started then, and
removes the folder. It stands alone: nothing is imported, so that it takes little.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

__all__ = ["main", "start_of"]

_START = 19
"""The place of the start time among the fields of /proc/PID/stat from the third on."""


def start_of(pid: int) -> str | None:
    """When a process started, in ticks since the machine did; None where there is none, or a dead one."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = content.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[_START]


def main(folder: str) -> None:
    """Wait for the end of standard input, and clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for line in sys.stdin.read().splitlines():
        pid, _, start = line.partition(" ")
        if start_of(int(pid)) == start:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
