"""The file or folder that is imported: its objects, lines and tables, whichever a format asks for."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError, SettingsError, Where
from labeltune.files.json_items import is_json, json_items
from labeltune.files.sources import ByteSource
from labeltune.files.tables import open_table
from labeltune.files.tables.content import look
from labeltune.files.utf8 import decoded, utf8
from labeltune.task import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.files.tables import Table
    from labeltune.task import Task

__all__ = ["Given", "Sample"]

_SAMPLE = 50
_SAMPLE_LINES = 200
_LONGEST_LINE = 1 << 24
_JSON_ENDINGS = (".jsonl", ".json", ".ndjson")
_NOT_DATA = (
    "dataset_info.json",
    "dataset_infos.json",
    "dataset_dict.json",
    "state.json",
    "label_config.json",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What recognising looks at."""

    objects: tuple[Any, ...] = ()
    """The first values of a JSON file."""
    lines: tuple[str, ...] = ()
    """The first lines of a text."""
    header: tuple[str, ...] = ()
    """The columns, if it can be read as a table with separators."""
    names: frozenset[str] = frozenset()
    """The names of all files in a folder, with the folders below it."""
    kind: str = "text"
    """folder, json, text, parquet or docbin"""

    @property
    def all_keys(self) -> frozenset[str]:
        """Keys that all objects have."""
        own = [frozenset(item) for item in self.objects if isinstance(item, dict)]
        return frozenset.intersection(*own) if own and len(own) == len(self.objects) else frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """Keys that any object has."""
        return frozenset(key for item in self.objects if isinstance(item, dict) for key in item)

    def values(self, key: str) -> list[Any]:
        """What the objects hold under a key, nothing left aside."""
        return [item[key] for item in self.objects if isinstance(item, dict) and item.get(key) is not None]


@dataclass(frozen=True)
class Given:
    """What is imported, and what was told about it."""

    path: str
    encoding: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of label ids, from the file that `--labels` names."""
    task: Task | None = None
    """How the messages of a chat file were made, if someone said it."""
    source: ByteSource | None = None
    """The bytes; None for a folder."""

    @cached_property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        return Path(self.path) if self.source is None else None

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All files in the folder and those below it, in the order of their names."""
        if self.folder is None:
            return ()
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return tuple(sorted(path for path in found if not _is_hidden(path.relative_to(self.folder))))

    def sources(self, *endings: str) -> Iterator[ByteSource]:
        """The file, or those of the folder whose names end so."""
        if self.source is not None:
            yield self.source
            return
        chosen = [p for p in self.files if p.suffix.lower() in endings and p.name not in _NOT_DATA]
        if not chosen:
            raise DataError(f"{self.path}: the folder holds no {' or '.join(endings)}")
        for path in chosen:
            with ByteSource(path) as source:
                yield source

    def objects(self) -> Iterator[tuple[Where, Any]]:
        """The values of a JSON file, or of all in the folder."""
        for source in self.sources(*_JSON_ENDINGS):
            for line, value in json_items(source, self.encoding):
                yield Where(source.name, line), value

    def lines(self) -> Iterator[tuple[Where, str]]:
        r"""The lines of a text without their ends, which are `\n` or `\r\n` and nothing else."""
        for source in self.sources(".txt", ".train", ".test", ".valid", ".label", ""):
            with utf8(source, self.encoding) as stream:
                lines = iter(lambda: stream.readline(_LONGEST_LINE + 1), b"")
                for line, content in enumerate(lines, 1):
                    if len(content) > _LONGEST_LINE:
                        raise DataError(f"{source.name}:{line}: a line of more than {_LONGEST_LINE:,} bytes")
                    text = decoded(content, source, line).removesuffix("\n").removesuffix("\r")
                    yield Where(source.name, line), text
            source.check_unchanged()

    @contextmanager
    def table(self) -> Iterator[Table]:
        """The file as a table. Raises as `open_table` does. Its source stays open, to be read again."""
        if self.source is None:
            raise DataError(f"{self.path}: is a folder, expected a file")
        is_tsv = self.source.ending in (".tsv", ".tab")
        yield open_table(self.source, ReadOptions(format="tsv" if is_tsv else "csv", encoding=self.encoding))

    @cached_property
    def is_json(self) -> bool:
        """Whether the file holds JSON."""
        return self.source is not None and is_json(self.source, self.encoding)

    @cached_property
    def sample(self) -> Sample:
        """The beginning. Raises `DataError` for what holds no text: an archive, an image."""
        if self.source is None:
            return self._folder_sample()
        if not self.source.head():
            raise DataError(f"{self.path}: is empty", hint="export it again")
        found = look(self.source)
        if found.format == "parquet":
            return Sample(kind="parquet")
        if _is_docbin(self.source):
            return Sample(kind="docbin")
        if self.is_json:
            return Sample(objects=tuple(v for _, v in islice(self.objects(), _SAMPLE)), kind="json")
        if not found.is_text:
            what = found.what or "neither text nor JSON"
            raise DataError(
                f"{self.path}: this is {what}, which holds no export that is known", hint=found.hint
            )
        lines = tuple(text for _, text in islice(self.lines(), _SAMPLE_LINES))
        return Sample(lines=lines, header=self._header())

    def _header(self) -> tuple[str, ...]:
        try:
            with self.table() as table:
                return table.header
        except (DataError, SettingsError):
            return ()

    def _folder_sample(self) -> Sample:
        assert self.folder is not None
        if not self.files:
            raise DataError(f"{self.path}: the folder holds no file")
        names = frozenset(path.relative_to(self.folder).as_posix() for path in self.files)
        data = [p for p in self.files if p.suffix.lower() in _JSON_ENDINGS and p.name not in _NOT_DATA]
        objects = tuple(v for _, v in islice(self.objects(), _SAMPLE)) if data else ()
        return Sample(objects=objects, names=names, kind="folder")


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _is_docbin(source: ByteSource) -> bool:
    """Whether a file begins as the zlib data that spaCy's DocBin writes, and is called so or is no text."""
    head = source.head()
    return source.ending == ".spacy" or (head[:2] in (b"x\x01", b"x\x9c", b"x\xda"))
