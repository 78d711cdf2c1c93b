"""What writes the rows of a table: the types that all formats share."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import IO

__all__ = ["Handle", "WriteRow", "Writer"]

Handle = IO[bytes] | gzip.GzipFile
"""The file that is written."""

WriteRow = Callable[[Sequence[str]], object]
"""Writes one row, a value per column."""

Writer = Callable[[Handle, Sequence[str]], AbstractContextManager[WriteRow]]
"""Opens a file with this header; what it yields writes the rows."""
