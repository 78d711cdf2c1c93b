"""Hugging Face data sets: Parquet or Arrow files, a folder of them, JSON Lines beside `dataset_info.json`.

Labels stand there as numbers; their names are in the metadata of the Parquet or Arrow schema under
`huggingface`, in `dataset_info.json` or `dataset_infos.json`, or in the file that `--labels` names.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import expect_object, scalars
from labeltune.errors import DataError, Where
from labeltune.files.tables.values import needs_package
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Path, Tally

__all__ = ["has_label_ids", "read", "recognise"]

_INFO = ("dataset_info.json", "dataset_infos.json")
_TABLES = (".parquet", ".arrow")
_LABEL_NAMES = ("label", "labels", "target", "class", "intent")
_SPLIT = re.compile(r"(train|validation|valid|dev|test)(?=[-_./]|$)")
_BATCH = 4096
_NOT_OURS = "leave --from out, or name the format that the file has"

_Names = dict[str, tuple[str, ...]]
"""For each column of class labels, the names in the order of their numbers."""


def recognise(sample: Sample) -> str | None:
    """A Parquet file, or a folder of Parquet or Arrow files, or one with a description of the data set."""
    if sample.kind == "parquet":
        return "it is a Parquet file"
    if has_label_ids(sample):
        return 'each object has a text, and a number as its "label"'
    tables = sorted(name for name in sample.names if name.endswith(_TABLES))
    if tables:
        return f"the folder holds {tables[0]}"
    info = sorted(name for name in sample.names if name.endswith(_INFO))
    return f"the folder holds {info[0]}" if info else None


def has_label_ids(sample: Sample) -> bool:
    """Whether the objects have a text and, as label, a number: that of a name elsewhere."""
    ids = sample.values("label")
    return "text" in sample.all_keys and bool(ids) and all(type(one) is int for one in ids)


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each row. Numbers without names are kept as they are, and told."""
    described = _described(given)
    for where, row, names, split in _rows(given, tally, described):
        tally.records += 1
        labels = _labels(where, row, {**described, **names}, given, tally)
        rest = scalars(row, tally, but=(*labels, "id", "idx"))
        texts = {name: str(rest.pop(name)) for name in _text_columns(rest)}
        id = row.get("id", row.get("idx"))
        extra = {**rest, **({"split": split} if split and "split" not in rest else {})}
        yield Item(where, texts, labels, "" if id is None else str(id), extra=extra)


def _text_columns(rest: Mapping[str, object]) -> list[str]:
    """`text`, if it is there, else all columns of texts: `init` tells which is which."""
    texts = [name for name, value in rest.items() if isinstance(value, str)]
    return ["text"] if "text" in texts else texts[:1] if len(texts) == 1 else texts


# ------------------------------------------------------------------------------------------------ the labels


def _labels(where: Where, row: Mapping[str, Any], names: _Names, given: Given, tally: Tally) -> Labels:
    found: Labels = {}
    columns = [name for name in row if name in names] or [name for name in _LABEL_NAMES if name in row][:1]
    for column in columns:
        value = row[column]
        several = value if isinstance(value, list) else [value]
        paths = (_path(where, column, one, names.get(column, ()), given, tally) for one in several)
        found[column] = tuple(path for path in dict.fromkeys(paths) if path is not None)
    return found


def _path(
    where: Where, column: str, value: Any, names: tuple[str, ...], given: Given, tally: Tally
) -> Path | None:
    if value is None or value == -1:  # -1 is what data sets without answers have
        return None
    if isinstance(value, str):
        return (value,)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return (names[value],)
    if names:
        raise DataError(
            f"{where}: {column} is {value}, and the data set names {counted(len(names), 'label')}, "
            f"0 to {len(names) - 1}"
        )
    if str(value) in given.names:
        return (given.names[str(value)],)
    if given.names:
        raise DataError(f"{where}: {column} is {value}, which --labels does not name")
    tally.note(
        f"warning: {column}: its numbers have no names, in dataset_info.json or from --labels FILE: they stay"
    )
    return (str(int(value)) if isinstance(value, bool) else str(value),)


def _described(given: Given) -> _Names:
    """The names in the descriptions that lie in the folder, or beside the file."""
    place = given.folder or FilePath(given.path).parent
    files = given.files if given.folder else tuple(place / name for name in _INFO)
    names: _Names = {}
    for path in files:
        if path.name in _INFO and path.is_file():
            names |= _names_in(path)
    return names


def _names_in(path: FilePath) -> _Names:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        return {}
    described = [document, *(one for one in document.values() if isinstance(one, dict))]
    names: _Names = {}
    for one in described:
        names |= _class_labels(one.get("features"))
    return names


def _class_labels(features: Any) -> _Names:
    """The names of each feature that is a class label, or a list of such."""
    names: _Names = {}
    for column, feature in features.items() if isinstance(features, dict) else ():
        inner = feature
        while isinstance(inner, list) and inner:
            inner = inner[0]
        while isinstance(inner, dict) and isinstance(inner.get("feature"), dict):
            inner = inner["feature"]
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and inner.get("names"):
            names[column] = tuple(map(str, inner["names"]))
    return names


# -------------------------------------------------------------------------------------------------- the rows


def _rows(
    given: Given, tally: Tally, described: _Names
) -> Iterator[tuple[Where, dict[str, Any], _Names, str]]:
    """Each row with the names that its own file has, and the part that it is in."""
    paths = (
        [FilePath(given.path)] if given.folder is None else [p for p in given.files if p.suffix in _TABLES]
    )
    if given.is_json or not paths:
        for where, value in given.objects():
            yield where, expect_object(where, value, "Hugging Face's JSON Lines"), {}, ""
        return
    splits = {path: _split_of(path, given) for path in paths}
    for path in paths:
        for line, row, names in _table_rows(path):
            if not names and not described:
                tally.note(f"{path.name}: its schema names no class labels")
            yield Where(str(path), line), row, names, splits[path] if len({*splits.values()}) > 1 else ""


def _split_of(path: FilePath, given: Given) -> str:
    if given.folder is None:
        return ""
    found = _SPLIT.findall(path.relative_to(given.folder).as_posix())
    return found[-1] if found else ""


def _table_rows(path: FilePath) -> Iterator[tuple[int, dict[str, Any], _Names]]:
    pa = needs_package("pyarrow", str(path))
    with path.open("rb") as handle:
        if path.suffix != ".arrow" and handle.read(4) != b"PAR1":
            raise DataError(f"{path}: expected Parquet, Arrow or JSON, found neither", hint=_NOT_OURS)
    line = 0
    try:
        with _opened(path) as (schema, batches):
            names = _schema_names(schema)
            for batch in batches:
                for row in batch.to_pylist():
                    line += 1
                    yield line, row, names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path}:{line + 1}: damaged in this row or soon after: {error}", hint="fetch the file again"
        ) from error


@contextmanager
def _opened(path: FilePath) -> Iterator[tuple[Any, Iterable[Any]]]:
    """The schema of a Parquet or Arrow file, and its rows in batches."""
    with path.open("rb") as handle:
        if path.suffix == ".arrow":
            from pyarrow import ipc

            with ipc.open_stream(handle) as reader:
                yield reader.schema, reader
        else:
            from pyarrow import parquet

            with parquet.ParquetFile(handle) as file:
                yield file.schema_arrow, file.iter_batches(_BATCH)


def _schema_names(schema: Any) -> _Names:
    kept = (schema.metadata or {}).get(b"huggingface")
    try:
        document = json.loads(kept) if kept else {}
    except ValueError:
        return {}
    info = document.get("info") if isinstance(document, dict) else None
    return _class_labels(info.get("features")) if isinstance(info, dict) else {}
