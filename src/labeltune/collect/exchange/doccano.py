"""doccano: JSON Lines of texts with lists of labels, a file for each person; older exports with label ids."""

from __future__ import annotations

from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import (
    expect_object,
    is_spans,
    label_paths,
    listed,
    scalars,
    text_at,
    wrong_shape,
)
from labeltune.errors import DataError, SettingsError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Path, Tally
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.files.tables.row_writer import Handle

__all__ = ["read", "recognise", "write"]

_NAME = "doccano"
_TEXT_KEYS = ("text", "data")
_LABEL_KEYS = ("label", "labels")
_SPANS, _RELATIONS = "spans (doccano's sequence labels)", "relations"
_LABELLED = frozenset({*_LABEL_KEYS, "entities"})
_NOBODY = frozenset({"all", "unknown", "export", "admin_export", "data", "doccano"})
"""Names of files that name no person."""
_OWN = frozenset(
    {*_TEXT_KEYS, *_LABEL_KEYS, "id", "annotations", "entities", "relations", "annotation_approver",
     "Comments", "comments", "meta", "cats", "annotator"}
)  # fmt: skip


def recognise(sample: Sample) -> str | None:
    """Its keys: a text beside a list of labels, and an id; or annotations with label ids."""
    keys = sample.all_keys
    if not keys & {*_TEXT_KEYS} or sample.kind not in ("json", "folder"):
        return None
    if any(
        isinstance(one, list) and any(_is_annotation(a) for a in one) for one in sample.values("annotations")
    ):
        return 'each object has "annotations" with label ids beside its text'
    listed = [key for key in _LABEL_KEYS if any(isinstance(value, list) for value in sample.values(key))]
    marks = sample.keys & {"id", "Comments", "annotation_approver", "entities"}
    if listed and marks:
        return f'each object has a text, "{listed[0]}" with a list, and "{min(marks)}"'
    return 'each object has a text and "entities"' if "entities" in keys else None


def _is_annotation(value: Any) -> bool:
    return isinstance(value, dict) and "label" in value


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """The texts, each with its labels. Raises `DataError` for label ids of which no name is known."""
    if given.source is not None and not given.is_json:
        yield from _table(given, tally)
        return
    for where, value in given.objects():
        record = expect_object(where, value, _NAME)
        tally.records += 1
        labels = _labels(given, where, record, tally)
        key = next((name for name in _TEXT_KEYS if name in record), "text")
        extra = scalars(record, tally, but=_OWN)
        meta = record.get("meta")
        if isinstance(meta, dict):
            extra |= scalars(meta, tally, of="meta.")
        if record.get("Comments") or record.get("comments"):
            tally.lose("comments")
        yield Item(
            where=where,
            texts={"text": text_at(where, record, key, _NAME)},
            labels=labels,
            id=str(record.get("id", "")),
            annotator=str(record.get("annotator") or "") or _person(given, where),
            extra=extra,
        )


def _labels(
    given: Given, where: Where, record: Mapping[str, Any], tally: Tally
) -> dict[str, tuple[Path, ...]]:
    tally.lose(_SPANS, len(listed(record.get("entities"))))
    tally.lose(_RELATIONS, len(listed(record.get("relations"))))
    annotations = record.get("annotations")
    if isinstance(annotations, list):
        return {
            "label": tuple(
                dict.fromkeys(
                    _by_id(given, where, one, tally) for one in annotations if _is_class(one, tally)
                )
            )
        }
    if _LABELLED.isdisjoint(record):
        raise wrong_shape(where, record, _NAME, 'a list of labels under "label"')
    value = next((record[key] for key in _LABEL_KEYS if key in record), None)
    if isinstance(value, list) and is_spans(value):
        tally.lose(_SPANS, len(value))
        return {"label": ()}
    if label_paths(value) is None:
        raise wrong_shape(where, record, _NAME, 'a list of labels under "label"')
    given_labels = value if isinstance(value, list) else [value] if value not in (None, "") else []
    return {"label": tuple(dict.fromkeys(_named(given, where, label) for label in given_labels))}


def _is_class(annotation: Any, tally: Tally) -> bool:
    """Whether an annotation is a label of the whole text; pieces of it are counted as lost."""
    if isinstance(annotation, dict) and ("start_offset" in annotation or "start" in annotation):
        tally.lose(_SPANS)
        return False
    return True


def _by_id(given: Given, where: Where, annotation: Any, tally: Tally) -> Path:
    if not _is_annotation(annotation):
        raise wrong_shape(where, annotation, _NAME, 'annotations that have a "label"')
    if annotation.get("user") is not None:
        tally.lose("who gave a label (doccano's user ids in one list)")
    return _named(given, where, annotation["label"])


def _named(given: Given, where: Where, label: Any) -> Path:
    """A label, or the name of the one that a number is the id of. Raises `DataError` where none is known."""
    if isinstance(label, str) and label not in given.names:
        return (label,)
    if str(label) not in given.names:
        known = f", and {len(given.names)} names were given" if given.names else ""
        raise DataError(
            f"{where}: label {label} is an id, and no name of it is known{known}",
            hint="give doccano's file of labels with --labels FILE (Labels → Actions → Export Labels), "
            "which has id and text of each",
        )
    return (given.names[str(label)],)


def _table(given: Given, tally: Tally) -> Iterator[Item]:
    """Its CSV: several labels are joined by `#`."""
    with given.table() as table:
        text = next((key for key in _TEXT_KEYS if key in table.header), None)
        label = next((key for key in _LABEL_KEYS if key in table.header), None)
        if text is None or label is None:
            raise DataError(
                f"{given.path}:1: expected the columns text (or data) and label, as doccano has them",
                hint=f"the table has: {', '.join(table.header)}; init reads tables as they are",
            )
        for line, values in table:
            tally.records += 1
            cells = dict(zip(table.header, values, strict=True))
            labels = [name for name in cells.pop(label).split("#") if name]
            yield Item(
                where=Where(table.source, line),
                texts={"text": cells.pop(text)},
                labels={"label": tuple((given.names.get(name, name),) for name in labels)},
                id=cells.pop("id", ""),
                extra=scalars(cells, tally),
            )


def _person(given: Given, where: Where) -> str:
    """Who labelled: doccano exports a folder with a file for each person."""
    return "" if given.folder is None else _person_of(where.file)


@cache
def _person_of(file: str) -> str:
    stem = FilePath(file).stem
    return "" if stem in _NOBODY else stem


def label_names(path: str) -> dict[str, str]:
    """The names of label ids in doccano's file of labels, or in an object of ids and names.

    Raises `SettingsError` for a file that is neither.
    """
    try:
        document = orjson.loads(FilePath(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"--labels {path}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"--labels {path}: not valid JSON: {error.msg}") from error
    names: dict[str, str] = {}
    if isinstance(document, dict) and all(isinstance(name, str) for name in document.values()):
        names = {str(key): name for key, name in document.items()}
    elif isinstance(document, list) and all(isinstance(one, str) for one in document):
        names = {str(place): name for place, name in enumerate(document)}
    elif isinstance(document, list) and all(isinstance(one, dict) and "text" in one for one in document):
        names = {str(one["id"]): str(one["text"]) for one in document if "id" in one}
    if not names:
        raise SettingsError(
            f"--labels {path}: names no label ids",
            hint='expected [{"id": 1, "text": "Refund"}, …] as doccano exports it, {"1": "Refund", …}, or '
            'the names in the order of their ids from 0, ["Refund", …]',
        )
    return names


def write(handle: Handle, sheet: Sheet) -> None:
    """JSON Lines with `text`, `label` and what else is known, as doccano imports and exports it."""
    for item in sheet.items:
        labels = [path[-1] for path in item.labels[sheet.only.name]]
        record = {
            **({"id": item.id} if item.id else {}),
            "text": sheet.text_of(item),
            "label": labels,
            **sheet.others(item, taken={*_OWN}),
            **({"annotator": item.annotator} if item.annotator else {}),
        }
        handle.write(orjson.dumps(record) + b"\n")
