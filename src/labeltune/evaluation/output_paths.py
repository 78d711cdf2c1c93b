"""What is written must not be what is read, and must have a place to be written to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import DiskError, SettingsError
from labeltune.files.writing import STANDARD_STREAM, same_file

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_outputs"]


def check_outputs(inputs: Iterable[str | None], outputs: Iterable[str | None]) -> None:
    """Raise before any work what writing would raise after it.

    `SettingsError` if one of the outputs is an input, or two outputs are one file; `DiskError` if the folder
    of one is not there.
    """
    read = [path for path in inputs if path not in (None, STANDARD_STREAM)]
    written: list[str] = []
    for path in outputs:
        if path is None:
            continue
        if path != STANDARD_STREAM and any(same_file(path, other) for other in read if other is not None):
            raise SettingsError(f"{path}: is an input, which is never overwritten", hint="give another name")
        if any(same_file(path, other) for other in written):
            raise SettingsError(f"{path}: two results would be written to it", hint="give another name")
        if path != STANDARD_STREAM and not Path(path).absolute().parent.is_dir():
            raise DiskError(f"{path}: there is no such folder", hint="make it first, or give another name")
        written.append(path)
