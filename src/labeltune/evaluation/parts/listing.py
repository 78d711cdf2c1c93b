"""Which files a folder or a pattern of predictions stands for."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from labeltune.errors import SettingsError

__all__ = ["Parts", "incomplete", "parts_of"]

SUCCESS = "_SUCCESS"
"""What stands in a folder whose parts are all written."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a folder or a pattern, in the order of their names."""

    paths: tuple[str, ...]
    complete: bool
    """false for a folder that lacks `_SUCCESS`"""


def parts_of(path: str) -> Parts | None:
    """The parts that `path` stands for; None where it is one file, or standard input.

    Files whose names begin with `_` or `.` are no parts. Raises `SettingsError` where there are none.
    """
    if os.path.isdir(path):
        found = sorted(str(one) for one in Path(path).iterdir() if _is_part(one))
        complete = (Path(path) / SUCCESS).exists()
    elif any(sign in path for sign in "*?[") and not Path(path).exists():
        found, complete = sorted(one for one in glob.glob(path, recursive=True) if _is_part(Path(one))), True
    else:
        return None
    if not found:
        raise SettingsError(f"{path}: there are no files in it", hint="expected predictions, one file a part")
    return Parts(tuple(found), complete)


def _is_part(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(("_", "."))


def incomplete(path: str, parts: Parts) -> str | None:
    """A warning where the run that writes the parts is not complete."""
    if parts.complete:
        return None
    return (
        f"{path}: there is no _SUCCESS in it, so that its run is not complete: "
        f"{len(parts.paths):,} parts are measured"
    )
