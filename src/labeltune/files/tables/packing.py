"""A file that is packed where its name says so."""

from __future__ import annotations

import gzip
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from labeltune.files.sources import GZIP_ENDING
from labeltune.files.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.files.tables.row_writer import Handle

__all__ = ["packed_write"]


@contextmanager
def packed_write(path: str | os.PathLike[str]) -> Iterator[Handle]:
    """As `atomic_write`, through gzip where the name ends with `.gz`."""
    with ExitStack() as stack:
        handle: Handle = stack.enter_context(atomic_write(path))
        if os.fspath(path).lower().endswith(GZIP_ENDING):
            # With neither name nor time: the same rows give the same bytes.
            handle = stack.enter_context(gzip.GzipFile("", "wb", fileobj=handle, mtime=0))
        yield handle
