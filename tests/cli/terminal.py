"""A command on a terminal of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

from waiting import HANG_S

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["on_a_terminal"]


def on_a_terminal(argv: Sequence[str], **environment: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    main, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labeltune", *argv],
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment},
    )
    os.close(end)
    printed = bytearray()
    try:
        # The end of a terminal whose process is gone is an error on Linux.
        with contextlib.suppress(OSError):
            while content := os.read(main, 1 << 16):
                printed += content
        assert process.wait(timeout=HANG_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(main)
    return printed.decode().replace("\r\n", "\n")
