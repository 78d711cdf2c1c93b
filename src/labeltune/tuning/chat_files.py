"""Tables where chat files are expected: converted anew each time, so that nothing stale is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.writing import disk_errors
from labeltune.prepare.check.opening import is_chat
from labeltune.prepare.convert import convert
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.tuning.ledger import STATE_FOLDER
from labeltune.wording import counted, pasted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from labeltune.task import Task

__all__ = ["as_chat_files"]

_FOLDER = "converted"


def as_chat_files(
    given: Sequence[str],
    task: Task | None,
    *,
    note: Callable[[str], None],
    read: ReadOptions = NOTHING_TOLD,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> list[str]:
    """The same files with a chat file, made anew, in the place of each table; ids of files stay as they are.

    Chat files made here lie in the folder `converted` of `state`, where a message about a line of them leads.
    Raises `SettingsError` for a table without a task, `DiskError`, and what `convert` raises.
    """
    names: list[str] = []
    for name in given:
        if not _is_table(name, task, read):
            names.append(name)
            continue
        if task is None:
            raise SettingsError(
                f"{name}: a table is converted with its task, and there is no task file",
                hint=f"labeltune init {pasted(name)} proposes one, or name it with --task",
            )
        chat = _place(Path(state) / _FOLDER, name, names)
        done = convert(task, name, chat, read=read)
        for said in (*done.notes, *done.warnings):
            note(said)
        left = "".join(f", {count:,} {reason}" for reason, count in done.left_out.items())
        note(f"{name}: a table, converted with {task.source}: {counted(done.written, 'record')}{left}")
        names.append(done.output)
    return names


def _is_table(name: str, task: Task | None, read: ReadOptions) -> bool:
    if not Path(name).is_file():
        # An id, or a file that is missed where it is read.
        return False
    if read.format is not None:
        return True
    with ByteSource(name) as source:
        return not is_chat(source, task)


def _place(folder: Path, name: str, taken: Sequence[str]) -> Path:
    """Where the chat file of a table goes: under the table's own name, by which its job will be known."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = Path(Path(name).name.removesuffix(".gz")).stem or "table"
    place = folder / f"{stem}.jsonl"
    return folder / f"{stem}-{len(taken) + 1}.jsonl" if str(place) in taken else place
