"""Where texts to clean come from: the rows of a table, or the pages and text files of a folder."""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import DataError, DiskError, SettingsError, did_you_mean
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.tables import open_table
from labeltune.prepare.infer.profile import read_profile
from labeltune.prepare.infer.roles import choose_text
from labeltune.prepare.infer.wishes import Wishes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from labeltune.files.tables import Source, Table
    from labeltune.task import ReadOptions

__all__ = ["FolderTexts", "Item", "Texts", "is_folder", "texts_of"]

PAGES, PLAIN = (".html", ".htm", ".xhtml"), (".txt", ".text")
LARGEST = 20_000_000
"""Bytes of a page, unpacked; what is larger is no text that anybody labels."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row: where it stands, its values, and what is wrong with it if it could not be read."""

    where: str
    """the line, or the file's path in the folder"""
    values: Sequence[str | bytes]
    fault: str = ""


class Texts(ABC):
    """Rows with columns of text."""

    name: str
    header: Sequence[str]
    places: Sequence[int]
    """Which columns hold text."""
    where: str
    """What `Item.where` is: `line` or `file`."""
    notes: Sequence[str]
    table: Table | None
    """the table, if it is one"""

    def is_page(self, item: Item) -> bool | None:  # noqa: ARG002  # for those that know
        """Whether a text is HTML; None where only whoever asks can say."""
        return None

    @abstractmethod
    def __iter__(self) -> Iterator[Item]:
        """The rows, in order."""

    def again(self) -> Iterator[Item]:
        """The same rows once more; the texts of files need not be read again."""
        return iter(self)


def is_folder(data: Source) -> bool:
    """Whether it is a folder on this disk."""
    return isinstance(data, str | Path) and Path(data).is_dir()


def texts_of(
    data: Source, *, text: Sequence[str], task_text: Sequence[str], read: ReadOptions
) -> AbstractContextManager[Texts]:
    """Open a table or a folder. `text` names the columns of text, else those of the task if it has them.

    Raises what `open_table` raises; `SettingsError` for a column that is not there; `DataError` for a folder
    without a page or text file, or a table in which no column holds text.
    """
    if is_folder(data):
        return _folder(Path(str(data)))
    return _table(data, text, task_text, read)


@contextmanager
def _folder(folder: Path) -> Iterator[Texts]:
    yield FolderTexts(folder)


@contextmanager
def _table(data: Source, text: Sequence[str], task_text: Sequence[str], read: ReadOptions) -> Iterator[Texts]:
    with open_table(data, read) as table:
        yield _TableTexts(table, text, task_text)


class _TableTexts(Texts):
    """The rows of a table."""

    where = "line"

    def __init__(self, table: Table, text: Sequence[str], task_text: Sequence[str]) -> None:
        self.name, self.header, self.table, self._rows = table.source, table.header, table, table
        self.notes: list[str] = []
        self.places = [table.header.index(name) for name in self._columns(text, task_text)]

    def _columns(self, text: Sequence[str], task_text: Sequence[str]) -> Sequence[str]:
        for name in text:
            if name not in self.header:
                raise SettingsError(
                    f'{self.name}: has no column "{name}"{did_you_mean(name, self.header)}',
                    hint=f"its columns are {', '.join(self.header)}",
                )
        if text:
            return text
        if task_text and set(task_text) <= set(self.header):
            return task_text
        if len(self.header) == 1:
            return self.header
        (chosen, *_), others = choose_text(read_profile(self._rows), Wishes())
        beside = f"; --text takes another: {', '.join(others)}" if others else ""
        self.notes.append(f'text: column "{chosen}"{beside}')
        return [chosen]

    def __iter__(self) -> Iterator[Item]:
        for line, values in self._rows:
            yield Item(str(line), values)


class FolderTexts(Texts):
    """The pages and text files of a folder and those below it, in the order of their paths."""

    where = "file"
    header = ("file", "text")
    places = (1,)
    table = None

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder
        self.notes: list[str] = []
        self._paths = sorted(path for path in self._found() if _kind(path) is not None)
        if not self._paths:
            raise DataError(
                f"{folder}: no page and no text file",
                hint=f"looked for: {', '.join((*PAGES, *PLAIN))}, each also .gz",
            )

    def _found(self) -> Iterator[Path]:
        try:
            yield from (path for path in self._folder.rglob("*") if path.is_file())
        except OSError as error:
            raise DiskError(f"{self._folder}: cannot be read: {error.strerror}") from error

    def is_page(self, item: Item) -> bool | None:
        """Whether its name is a page's."""
        return _kind(Path(item.where)) in PAGES

    def __iter__(self) -> Iterator[Item]:
        for path in self._paths:
            where = path.relative_to(self._folder).as_posix()
            try:
                content = _bytes_of(path)
                fault = "no text: control characters" if _is_binary(content) else ""
                yield Item(where, (where, content), fault=fault)
            except (OSError, EOFError, zlib.error) as error:
                yield Item(where, (where, ""), fault=f"cannot be read: {error}")
            except _TooLargeError:
                yield Item(where, (where, ""), fault=f"more than {LARGEST:,} bytes")

    def again(self) -> Iterator[Item]:
        """The files, without what is in them."""
        for path in self._paths:
            where = path.relative_to(self._folder).as_posix()
            yield Item(where, (where, ""))


_CONTROLS = bytes([*range(9), *range(14, 27), *range(28, 32), 127])
"""What no text has; an escape (27) begins a character of some encodings."""
_HEAD = 4096
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def _is_binary(content: bytes) -> bool:
    """Whether more than one byte in a hundred of the first is a control character."""
    head = content[:_HEAD]
    if head.startswith(_UTF_16):
        return False
    return len(head) - len(head.translate(None, _CONTROLS)) > len(head) / 100


class _TooLargeError(Exception):
    pass


def _kind(path: Path) -> str | None:
    """A file's ending, `.gz` left aside, if it is that of a page or of plain text."""
    ending = Path(path.name.lower().removesuffix(GZIP_ENDING)).suffix
    return ending if ending in (*PAGES, *PLAIN) else None


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    opened: Callable[..., gzip.GzipFile] = gzip.open if str(path).endswith(GZIP_ENDING) else open  # type: ignore[assignment]
    with opened(path, "rb") as handle:
        content = handle.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _TooLargeError
    return content
