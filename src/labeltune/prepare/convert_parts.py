"""Convert over many parts: each table of a folder becomes a chat file; joined, they are that of one table."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.files.parts import list_parts, local_file, open_output, open_part, split_output
from labeltune.prepare.convert import CHAT_ENDING, REJECTED_ENDING, convert
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from labeltune.files.parts import Part, PartsOutput, Place, Receipt
    from labeltune.prepare.convert import Converted, OnError
    from labeltune.task import Task

__all__ = ["PartsConverted", "convert_parts"]

REJECTED = "_rejected"
"""The folder of the output that bad rows go to; readers of the others pass over it."""
_LEFT_OUT = "left out "
_SHOWN = 20


@dataclass(slots=True)
class PartsConverted:
    """What came of a folder of tables. Counts are those of all parts, those that were there already too."""

    input: str
    output: str
    parts: int
    made: int = 0
    rows: int = 0
    written: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    refused: dict[str, DataError] = field(default_factory=dict)
    """Why parts were refused, by their names."""
    rejected: str | None = None
    """The folder in which bad rows are, with `on_error="skip"`."""
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    """The first of what was odd, one line each."""


def convert_parts(
    task: Task,
    data: str | os.PathLike[str],
    output: str,
    *,
    on_error: OnError = "stop",
    repeat_rare: int = 1,
    read: ReadOptions = NOTHING_TOLD,
    progress: Callable[[int, int], None] | None = None,
) -> PartsConverted:
    """Write each table of a folder or glob as a chat file below the folder `output`, and `_SUCCESS` last.

    Parts that are there, of the same task and of tables that have not changed, are not made again; others are
    replaced. A part that is refused does not keep the others from being made: it is in the result. With
    `on_error="skip"` bad rows go to `_rejected/`. Raises `SettingsError`, `DataError` (no parts), `DiskError`
    and `ConflictError` (another command works there).
    """
    started = time.monotonic()
    if repeat_rare > 1:
        raise SettingsError(
            "--repeat-rare counts labels over a whole table, and a part does not know the others",
            hint="convert one table, or leave it out",
        )
    folder, ending = split_output(output)
    if ending not in (None, CHAT_ENDING):
        raise SettingsError(
            f"{output}: chat files end in {CHAT_ENDING}", hint=f"name the folder: -o {folder}"
        )
    listing = list_parts(data, folder, ending=CHAT_ENDING)
    settings = {"task": task.fingerprint, "read": read.said(), "on_error": on_error}
    done = PartsConverted(str(data), folder, len(listing.parts))
    with open_output(folder, listing, settings, command="convert", replaces=True, accept_changes=True) as run:
        read_bytes = 0
        for part in run.parts:
            if run.receipt(part) is None:
                _convert(task, listing.place, run, part, done, on_error=on_error, read=read)
            read_bytes += part.size
            if progress is not None:
                progress(read_bytes, listing.size)
        run.finish()
        _count(done, [receipt for part in run.parts if (receipt := run.receipt(part)) is not None])
    done.seconds = round(time.monotonic() - started, 3)
    return done


def _convert(
    task: Task,
    place: Place,
    run: PartsOutput,
    part: Part,
    done: PartsConverted,
    *,
    on_error: OnError,
    read: ReadOptions,
) -> None:
    """Convert one part and commit it, its bad rows before it."""
    with local_file(run.scratch, part) as local:
        rejected = local.with_name(local.name.removesuffix(CHAT_ENDING) + REJECTED_ENDING)
        try:
            with open_part(place, part) as source:
                made = convert(task, source, local, on_error=on_error, read=read)
        except DataError as error:
            done.refused[part.input] = error
            rejected.unlink(missing_ok=True)
            return
        _commit_rejected(run, part, made, rejected)
        run.commit(part, local, _counts(made))
    done.made += 1
    done.warnings += [one for one in made.warnings if len(done.warnings) < _SHOWN]


def _commit_rejected(run: PartsOutput, part: Part, made: Converted, local: Path) -> None:
    name = f"{REJECTED}/{PurePosixPath(part.output).with_suffix('')}{REJECTED_ENDING}"
    if made.rejected is None:
        local.unlink(missing_ok=True)
        run.place.remove(name)
    else:
        run.place.commit(local, name)


def _counts(made: Converted) -> dict[str, int]:
    counts = {"rows": made.rows, "written": made.written, "rejected": int(made.rejected is not None)}
    return counts | {f"{_LEFT_OUT}{reason}": count for reason, count in made.left_out.items()}


def _count(done: PartsConverted, receipts: list[Receipt]) -> None:
    counts: Counter[str] = Counter()
    for receipt in receipts:
        counts.update(receipt.counts)
    done.rows, done.written = counts["rows"], counts["written"]
    done.rejected = f"{done.output.rstrip('/')}/{REJECTED}" if counts["rejected"] else None
    done.left_out = {
        name.removeprefix(_LEFT_OUT): count for name, count in counts.items() if name.startswith(_LEFT_OUT)
    }
