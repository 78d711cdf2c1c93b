"""`clean`: every text of a table or folder through the steps, what is taken out in a file of its own."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from labeltune.collect.clean.sources import is_folder, texts_of
from labeltune.collect.clean.steps import Language, mended, need_packages, text_of_page, tidy
from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.tables import table_writer
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.prepare.duplicates import TOO_MANY, duplicate_groups, plain
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from labeltune.collect.clean.sources import Item, Texts
    from labeltune.files.tables import Source

__all__ = ["CleanOptions", "Cleaned", "clean", "default_output"]

UNREADABLE, NO_TEXT, SHORT, LANGUAGE, DUPLICATE, NEAR = (
    "unreadable",
    "no_text",
    "too_short",
    "other_language",
    "duplicate",
    "near_duplicate",
)
"""Why a row is taken out."""


@dataclass(frozen=True, slots=True)
class CleanOptions:
    """How texts are cleaned.

    `html`: the columns of text hold HTML (files of a folder are known by their names). `language`: an ISO
    639-1 code; texts that are surely in another language are taken out. `min_characters`: texts of fewer
    are. `keep_duplicates`: the same text, or nearly the same, may come again. `text`: the columns of text,
    by default those of `task_text` if the table has them, else the one that reads like text. `read`: how the
    table is read.
    """

    html: bool = False
    language: str | None = None
    min_characters: int = 1
    keep_duplicates: bool = False
    text: tuple[str, ...] = ()
    task_text: tuple[str, ...] = ()
    read: ReadOptions = NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of it. `removed` counts rows by reason, `changed` texts by what was changed in them."""

    input: str
    output: str
    rows: int
    written: int
    removed: Mapping[str, int]
    changed: Mapping[str, int]
    undecided: int
    """rows of which no language could be told; they are kept"""
    removed_file: str | None
    """the rows taken out, each with the reason; None if there are none"""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def default_output(data: Source) -> str:
    """`NAME.clean.csv` beside a table or folder; a table keeps its ending. Standard input goes to `-`."""
    if not isinstance(data, str | os.PathLike) or os.fspath(data) == STANDARD_STREAM:
        return STANDARD_STREAM
    path = Path(data)
    if is_folder(data):
        return str(path.with_name(f"{path.resolve().name}.clean.csv"))
    packed = GZIP_ENDING if path.name.lower().endswith(GZIP_ENDING) else ""
    name = path.name.removesuffix(packed)
    ending = Path(name).suffix
    written = ending if ending.lower() in _KEPT else ".csv"
    return str(path.with_name(f"{name.removesuffix(ending)}.clean{written}{packed}"))


_KEPT = {".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".xlsx"}


def clean(
    data: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    options: CleanOptions | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Cleaned:
    """Clean the texts of a table, or of a folder of `.html` and `.txt` files (each also `.gz`).

    Of rows that say the same, the first one stays. Rows keep their order and their other columns. In memory
    are the words of the texts as numbers, for near duplicates, and one text at a time. `progress` takes
    numbers of rows done.

    Raises `AccessError` if the extra is missing; `SettingsError` for an option, or an output that is the
    input; `DataError` if no row is left, or the table cannot be read; `DiskError`.
    """
    need_packages()
    options = options or CleanOptions()
    target = os.fspath(default_output(data) if output is None else output)
    removed_file = _removed_name(target)
    if isinstance(data, str | os.PathLike) and os.fspath(data) != STANDARD_STREAM:
        _refuse_input(data, target, removed_file)
    language = None if options.language is None else Language(options.language)
    with (
        texts_of(data, text=options.text, task_text=options.task_text, read=options.read) as texts,
        tempfile.TemporaryFile() as spool,
    ):
        washed = _Wash(texts, options, language)
        groups = washed.groups(spool, progress)
        if not washed.kept:
            raise DataError(f"{texts.name}: nothing is left: {_reasons(washed.removed)}")
        written = _write(texts, spool, groups, target, removed_file, washed)
        removed = {reason: count for reason, count in washed.removed.items() if count}
        return Cleaned(
            input=texts.name,
            output=target,
            rows=washed.rows,
            written=written,
            removed=removed,
            changed=dict(washed.changed),
            undecided=washed.undecided,
            removed_file=removed_file if removed else None,
            notes=tuple(texts.notes),
            warnings=tuple(washed.warnings),
        )


def _refuse_input(data: str | os.PathLike[str], target: str, removed_file: str) -> None:
    if any(same_file(data, path) for path in (target, removed_file)):
        raise SettingsError(f"{target}: is the input", hint="name another output with -o")


def _removed_name(output: str) -> str:
    """`OUT.removed.csv`; beside standard output, `removed.csv`."""
    return "removed.csv" if output == STANDARD_STREAM else f"{output}.removed.csv"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


@dataclass(slots=True)
class _Wash:
    """One pass over the texts: each is cleaned and kept in a file until it is known which say the same."""

    texts: Texts
    options: CleanOptions
    language: Language | None
    rows: int = 0
    kept: int = 0
    undecided: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def groups(self, spool: IO[bytes], progress: Callable[[int], object]) -> list[int]:
        """Clean each text into `spool`; the group of each row that is kept, in order."""
        kept = self._kept(spool, progress)
        if self.options.keep_duplicates:
            return list(range(sum(1 for _ in kept)))
        return duplicate_groups(kept, on_too_many=self._too_many)

    def _too_many(self) -> None:
        self.warnings.append(f"{TOO_MANY}: only equal texts were looked for, no near duplicates")

    def _kept(self, spool: IO[bytes], progress: Callable[[int], object]) -> Iterator[str]:
        for item in self.texts:
            self.rows += 1
            cleaned, reason, detail = self._washed(item)
            spool.write(json.dumps([cleaned, reason, detail]).encode("ascii") + b"\n")
            progress(1)
            if reason:
                self.removed[reason] += 1
                continue
            self.kept += 1
            yield "\n\n".join(cleaned)

    def _washed(self, item: Item) -> tuple[list[str], str, str]:
        """A row's texts, cleaned, and the reason if it is to be taken out, with a word about it."""
        if item.fault:
            return ["" for _ in self.texts.places], UNREADABLE, item.fault
        is_page = self.texts.is_page(item)
        page = self.options.html if is_page is None else is_page
        cleaned = [self._text(item.values[place], page=page) for place in self.texts.places]
        return cleaned, *self._verdict("\n\n".join(cleaned).strip())

    def _verdict(self, text: str) -> tuple[str, str]:
        if not text:
            return NO_TEXT, ""
        if len(text) < self.options.min_characters:
            return SHORT, f"{len(text)} characters"
        if self.language is not None:
            code = self.language.of(text)
            if code is None:
                self.undecided += 1
            elif code != self.language.code:
                return LANGUAGE, code
        return "", ""

    def _text(self, value: str | bytes, *, page: bool) -> str:
        """One text through the steps; what changed it is counted."""
        if page:
            text = text_of_page(value)
            self.changed["markup"] += 1
        elif isinstance(value, bytes):
            text = _decoded(value)
        else:
            text = value
        whole = mended(text)
        self.changed["mojibake"] += whole != text
        result = tidy(whole)
        self.changed["space"] += result != whole
        return result


def _decoded(content: bytes) -> str:
    """The text of a file: UTF-8, else what its bytes look like."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        from trafilatura.utils import decode_file

        return str(decode_file(content))


def _write(
    texts: Texts, spool: IO[bytes], groups: Sequence[int], target: str, removed_file: str, washed: _Wash
) -> int:
    """Write the rows that stay and those that do not; returns the number of the former."""
    first: dict[int, tuple[str, bytes]] = {}
    ahead = iter(groups)
    spool.seek(0)
    with ExitStack() as stack:
        keep = stack.enter_context(table_writer(target, texts.header, like=texts.table))
        remove = _Removed(stack, removed_file, texts)
        for item, line in zip(texts.again(), spool, strict=True):
            cleaned, reason, detail = json.loads(line)
            values: list[Any] = list(item.values)
            for place, text in zip(texts.places, cleaned, strict=True):
                values[place] = text
            if not reason:
                group, said = next(ahead), _digest(cleaned)
                where, before = first.setdefault(group, (item.where, said))
                if where == item.where:
                    keep(values)
                    continue
                reason, detail = DUPLICATE if said == before else NEAR, f"of {texts.where} {where}"
                washed.removed[reason] += 1
            remove(item.where, reason, detail, values)
    if not remove.any:
        remove.forget_earlier()
    return len(first)


class _Removed:
    """Writes the rows that are taken out; the file is made with the first of them."""

    def __init__(self, stack: ExitStack, path: str, texts: Texts) -> None:
        self.any = False
        self._stack, self._path = stack, path
        own = (texts.where, "reason", "detail")
        self._places = [
            place for place, name in enumerate(texts.header) if texts.table or name != texts.where
        ]
        others = (texts.header[place] for place in self._places)
        self._header = [*own, *(f"input_{name}" if name in own else name for name in others)]

    def forget_earlier(self) -> None:
        """Remove what an earlier run took out, for this one did not; a file of another sort stays."""
        path, own = Path(self._path), ",".join(self._header[:3]).encode()
        with suppress(OSError):
            with path.open("rb") as handle:
                is_ours = handle.read(len(own)) == own
            if is_ours:
                path.unlink()

    def __call__(self, where: str, reason: str, detail: str, values: Sequence[Any]) -> None:
        if not self.any:
            self._write = self._stack.enter_context(table_writer(self._path, self._header))
            self.any = True
        self._write([where, reason, detail, *(values[place] for place in self._places)])


def _digest(texts: Sequence[str]) -> bytes:
    """The same for texts that are equal but for case, punctuation and space."""
    return blake2b(plain("\n\n".join(texts)).encode(errors="surrogatepass"), digest_size=16).digest()
