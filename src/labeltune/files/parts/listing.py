"""A folder, or a glob, of tables as an ordered list of parts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.files.parts.address import split_query
from labeltune.files.parts.place import PLACES, Entry, LocalPlace, open_place, scheme_of
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.parts.place import Place

__all__ = ["ENDINGS", "Listing", "Part", "list_inputs", "list_parts", "names_parts", "split_output"]

ENDINGS = (".parquet", ".pq", ".jsonl", ".ndjson", ".csv", ".tsv", ".json")
"""How tables of a folder are called; each but the first two may be packed: `.csv.gz`."""

_PACKED = tuple(ending + GZIP_ENDING for ending in ENDINGS[2:])
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Part:
    """One table of many: its name where it is read and the name of what becomes of it, both with the folders
    below the place (`year=2026/month=01/x.parquet`); its bytes and time of change, see `Entry`.
    """

    input: str
    output: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The parts of one run, ordered by name, and what is called like no table and left out."""

    place: Place
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of all parts, as they are packed."""
        return sum(part.size for part in self.parts)


def names_parts(data: object) -> bool:
    """Whether many tables are meant: a folder, a glob, or any URL of a place that is known.

    A file is one table, whatever signs its name holds; an object in a store is a part, if the only one.
    """
    if not isinstance(data, str | os.PathLike) or os.fspath(data) == STANDARD_STREAM:
        return False
    name = os.fspath(data)
    if (scheme := scheme_of(name)) is not None:
        return scheme in PLACES or _GLOB.search(name) is not None or _ending_of(name) is None
    if Path(name).is_dir():
        return True
    return not Path(name).exists() and _GLOB.search(name) is not None


def list_parts(data: str | os.PathLike[str], output: str, *, ending: str | None = None) -> Listing:
    """The tables of a folder or glob, and what each becomes in the folder `output`.

    Left out are hidden names and those that begin with `_` (`_SUCCESS`, `_labeltune.json`, `_temporary/…`),
    and what is called like no table (`ENDINGS`). A part keeps its folders, its stem and its ending, unless
    another `ending` is given. Raises `SettingsError` where one of the two places lies in the other or there
    is no such folder, `DataError` if there is no table, or if two parts would get one name.
    """
    name = os.fspath(data)
    root, pattern = _split(name)
    place = open_place(root)
    if isinstance(place, LocalPlace) and not Path(place.root).is_dir():
        raise SettingsError(f"{root}: there is no such folder")
    _refuse_nested(place, open_place(output), pattern, output)
    parts, left_out = _found(name, place, pattern, ending)
    _refuse_collisions(parts, output)
    entries = [Entry(part.input, part.size, part.modified) for part in parts]
    exact = zip(parts, place.exact(entries), strict=True)
    parts = tuple(replace(part, modified=entry.modified) for part, entry in exact)
    return Listing(place, parts, left_out)


def list_inputs(data: str | os.PathLike[str]) -> tuple[str, Listing]:
    """The tables of a folder or glob that are only read, and the folder as it was named, but for a URL's
    settings.

    Raises as `list_parts` does.
    """
    name = os.fspath(data)
    root, pattern = _split(name)
    place = open_place(root)
    if isinstance(place, LocalPlace) and not Path(place.root).is_dir():
        raise SettingsError(f"{root}: there is no such folder")
    return split_query(root)[0], Listing(place, *_found(name, place, pattern, None))


def _found(
    name: str, place: Place, pattern: Sequence[str], ending: str | None
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts, and what is called like no table. Raises `DataError` where there is none."""
    parts: list[Part] = []
    left_out: list[str] = []
    for found in place.list(partial(_may_hold, pattern)):
        path = PurePosixPath(found.name)
        if not _visible(path) or not _matches(path.parts, pattern):
            continue
        own = _ending_of(found.name)
        if own is None:
            left_out.append(found.name)
            continue
        becomes = found.name if ending is None else found.name[: -len(own)] + ending
        parts.append(Part(found.name, becomes, found.size, found.modified))
    if not parts:
        raise _nothing(name, pattern, left_out)
    parts.sort(key=lambda part: part.input)
    return tuple(parts), tuple(sorted(left_out))


def split_output(output: str) -> tuple[str, str | None]:
    """The folder and the ending of `OUT/*.parquet`; a folder alone keeps the endings: None.

    Raises `SettingsError` for any other pattern, and for standard output.
    """
    if output == STANDARD_STREAM:
        raise SettingsError("many parts do not go to standard output", hint="name a folder: -o OUT/")
    output, query = split_query(output)
    folder, _, last = output.rpartition("/")
    if not _GLOB.search(output):
        if _ending_of(output) is not None and not Path(output).is_dir():
            raise SettingsError(
                f"{output}: many parts go to a folder, and this is called like one table",
                hint="name a folder: -o OUT/",
            )
        return output + query, None
    ending = last.removeprefix("*")
    if last == ending or _GLOB.search(folder) or ending.lower() not in (*ENDINGS, *_PACKED):
        raise SettingsError(
            f"{output}: expected a folder, or a folder and how its parts end, such as OUT/*.parquet",
            hint=f"known are {', '.join(ENDINGS)}, and with .gz those that are text",
        )
    return (folder or ".") + query, ending


# ------------------------------------------------------------------------------------------------ names


def _split(data: str) -> tuple[str, tuple[str, ...]]:
    """The folder that a name begins with, and the pattern below it, by folders: none for all."""
    if scheme_of(data) is None and Path(data).is_dir():
        return data, ()
    data, query = split_query(data)
    pieces = (data if os.sep == "/" else data.replace(os.sep, "/")).split("/")
    first = next((place for place, piece in enumerate(pieces) if _GLOB.search(piece)), len(pieces))
    if query or scheme_of(data) is not None:
        # One table, or a folder that is called like one: a pattern takes both.
        first = len(pieces) - 1 if first == len(pieces) and _ending_of(data) else first
        return "/".join(pieces[:first]) + query, tuple(filter(None, pieces[first:]))
    root = "/".join(pieces[:first])
    return (root or ("/" if data.startswith("/") else ".")), tuple(filter(None, pieces[first:]))


def _ending_of(name: str) -> str | None:
    """How a name ends, as it is written, if it is called like a table."""
    low = name.lower()
    known = next((ending for ending in (*_PACKED, *ENDINGS) if low.endswith(ending)), None)
    return None if known is None else name[-len(known) :]


def _visible(path: PurePosixPath) -> bool:
    return not any(piece.startswith((".", "_")) for piece in path.parts)


def _may_hold(pattern: Sequence[str], folder: str) -> bool:
    """Whether a folder is one in which parts may lie."""
    path = PurePosixPath(folder)
    return _visible(path) and _begins(path.parts, pattern)


def _begins(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether something below these folders may match."""
    if not pattern or pattern[0] == "**" or not names:
        return True
    return fnmatchcase(names[0], pattern[0]) and _begins(names[1:], pattern[1:])


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a name matches; what lies in a folder that matches is meant, too."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(names[start:], pattern[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and _matches(names[1:], pattern[1:])


# ----------------------------------------------------------------------------------------------- refusals


def _refuse_nested(place: Place, output: Place, pattern: Sequence[str], named: str) -> None:
    """Raise `SettingsError` where what is written would be read as parts next time, or replace some."""
    inside, outside = f"{output.root.rstrip('/')}/", f"{place.root.rstrip('/')}/"
    below = inside.startswith(outside) and _could_match(inside.removeprefix(outside), pattern)
    # Of a glob only what matches is read: another folder below the same one is no matter.
    if inside == outside or below or (outside.startswith(inside) and not pattern):
        raise SettingsError(
            f"{named}: the output must lie outside of the folder that is read ({place.shown}), not around it",
            hint="name another folder with -o",
        )


def _could_match(folder: str, pattern: Sequence[str]) -> bool:
    """Whether parts in that folder could match: all do without a pattern, and with `**` nearly all."""
    names = PurePosixPath(folder).parts
    if not pattern or "**" in pattern:
        return True
    return _matches(names, pattern) or (len(names) < len(pattern) and _begins(names, pattern))


def _refuse_collisions(parts: Sequence[Part], output: str) -> None:
    taken: dict[str, str] = {}
    for part in parts:
        # Where a file system does not tell capitals from small letters, one would replace the other.
        first = taken.setdefault(part.output.casefold(), part.input)
        if first != part.input:
            raise DataError(
                f"{first} and {part.input} would both become {part.output} in {output}",
                hint="rename one of them, or name them by two globs with two outputs",
            )


def _nothing(data: str, pattern: Sequence[str], left_out: Sequence[str]) -> DataError:
    known = f"tables end in {', '.join(ENDINGS)}, or in .gz behind them"
    if left_out:
        some = ", ".join(left_out[:3]) + (", …" if len(left_out) > 3 else "")
        return DataError(f"{data}: no table among what is there ({some})", hint=known)
    if pattern:
        return DataError(
            f"{data}: nothing matches", hint="put it into quotes; ** stands for any folders: 'IN/**/*.csv'"
        )
    return DataError(f"{data}: an empty folder, or nothing but hidden names and _…", hint=known)
