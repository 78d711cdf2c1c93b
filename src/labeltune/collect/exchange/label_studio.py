"""Label Studio: its JSON of tasks with annotations, and the short forms JSON_MIN, CSV and TSV."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.collect.exchange.items import Item, Tally
from labeltune.collect.exchange.values import (
    expect_object,
    is_spans,
    label_paths,
    listed,
    scalars,
    wrong_shape,
)
from labeltune.errors import DataError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Path
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.files.tables.row_writer import Handle

__all__ = ["read", "read_short", "recognise", "recognise_short", "write"]

_NAME = "Label Studio"
_ANNOTATIONS = ("annotations", "completions")
"""The second is what they were called before version 1."""
_SHORT = frozenset({"annotation_id", "annotator", "lead_time"})
_SHORT_OWN = frozenset({"id", *_SHORT, "created_at", "updated_at"})
_MOST_LABELS = 500
_WHOLE_TEXT = ("choices", "taxonomy", "rating", "number")
"""Kinds of results that are labels of the whole text."""


def recognise(sample: Sample) -> str | None:
    """Tasks: objects with `data` and a list of annotations."""
    for key in _ANNOTATIONS:
        listed = sample.values(key)
        if {"data", key} <= sample.all_keys and all(isinstance(one, list) for one in listed):
            return f'each object is a task with "data" and "{key}"'
    return None


def recognise_short(sample: Sample) -> str | None:
    """JSON_MIN, CSV or TSV: an annotator, an annotation's id and the time that it took."""
    if _SHORT.issubset(sample.keys) or _SHORT.issubset(sample.header):
        return '"annotation_id", "annotator" and "lead_time" stand in each row'
    return None


# ------------------------------------------------------------------------------------------- tasks, in full


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each annotation that was not cancelled."""
    for where, value in given.objects():
        task = expect_object(where, value, _NAME)
        data = task.get("data")
        annotations = next((task[key] for key in _ANNOTATIONS if isinstance(task.get(key), list)), None)
        if not isinstance(data, dict) or annotations is None:
            raise wrong_shape(where, task, _NAME, 'a task with "data" and "annotations"')
        tally.records += 1
        tally.lose("predictions", len(listed(task.get("predictions"))))
        tally.lose("drafts", len(listed(task.get("drafts"))))
        if not annotations:
            tally.drop("no annotation", where)
        for annotation in annotations:
            if isinstance(annotation, dict) and _counts(annotation, tally, where):
                yield _item(where, task, data, annotation, tally)


def _counts(annotation: Mapping[str, Any], tally: Tally, where: Where) -> bool:
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        tally.drop("cancelled annotation", where)
        return False
    return True


def _item(
    where: Where,
    task: Mapping[str, Any],
    data: Mapping[str, Any],
    annotation: Mapping[str, Any],
    tally: Tally,
) -> Item:
    texts, extra = _texts(data, annotation, tally)
    meta = task.get("meta")
    if isinstance(meta, dict):
        extra |= {f"meta_{name}": value for name, value in scalars(meta, tally, of="meta.").items()}
    return Item(
        where=where,
        texts=texts,
        labels=_labels(listed(annotation.get("result")), tally),
        id=str(extra.pop("id", task.get("id", ""))),
        annotator=_person(annotation.get("completed_by")),
        extra=extra,
    )


def _texts(
    data: Mapping[str, Any], annotation: Mapping[str, Any], tally: Tally
) -> tuple[dict[str, str], dict[str, object]]:
    """The text, and the other values of a task's data.

    The export does not say which key an object tag shows. The one that is called as the tag is, as in the
    templates (`<Text name="text" value="$text"/>`), else one that is called `text`, else the longest text.
    """
    values = scalars(data, tally, of="data.")
    texts = [name for name, value in values.items() if isinstance(value, str)]
    shown = {
        str(one["to_name"])
        for one in listed(annotation.get("result"))
        if isinstance(one, dict) and "to_name" in one
    }
    named = [name for name in texts if name in shown] or [name for name in texts if name == "text"]
    if not named and texts:
        named = [max(texts, key=lambda name: len(str(values[name])))]
    return {name: str(values.pop(name)) for name in named}, values


def _person(completed_by: Any) -> str:
    if isinstance(completed_by, dict):
        found = completed_by.get("email") or completed_by.get("username") or completed_by.get("id")
        return "" if found is None else str(found)
    return "" if completed_by is None else str(completed_by)


def _labels(results: Any, tally: Tally) -> Labels:
    """The labels of the whole text, by control tag; what belongs to pieces of it is counted as lost."""
    found: dict[str, dict[Path, None]] = {}
    for result in results:
        if not isinstance(result, dict):
            continue
        kind, value = result.get("type"), result.get("value")
        if kind == "relation":
            tally.lose("relations")
        elif not isinstance(value, dict) or kind not in _WHOLE_TEXT:
            tally.lose("spans" if isinstance(value, dict) and "start" in value else f"answers of kind {kind}")
        elif "start" in value:
            tally.lose("labels of pieces of a text")
        else:
            paths = found.setdefault(str(result.get("from_name") or "label"), {})
            paths.update(dict.fromkeys(_paths(value.get(str(kind)))))
    return {name: tuple(paths) for name, paths in found.items()}


def _paths(value: Any) -> Iterator[Path]:
    """The labels of a result: texts, numbers, or paths through a taxonomy."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, list):
            yield tuple(str(step) for step in one)
        elif isinstance(one, str | int | float):
            yield (str(one),)


# ----------------------------------------------------------------------------------------- the short forms


def read_short(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each row: JSON_MIN, CSV and TSV have one for each annotation."""
    fields = _short_fields(given, tally)
    for where, row in _short_rows(given):
        tally.records += 1
        labels: Labels = {}
        rest = {name: value for name, value in row.items() if name not in fields}
        for name in fields:
            value = row.get(name)
            found = _short_labels(value, tally)
            labels[name] = found if found is not None else label_paths(value) or ()
        for name in [name for name, value in rest.items() if is_spans(_parsed(value))]:
            tally.lose("spans", len(_parsed(rest.pop(name))))
        texts, extra = _short_texts(rest, tally)
        yield Item(where, texts, labels, str(row.get("id", "")), _person(row.get("annotator")), extra)


def _short_fields(given: Given, tally: Tally) -> list[str]:
    """The columns that hold labels, which these forms do not tell from data.

    Those in which choices or a taxonomy stand, and before `annotator`, where the labels are, those of few
    values.
    """
    seen: dict[str, set[str]] = {}
    surely: dict[str, None] = {}
    for _, row in _short_rows(given):
        for name, value in row.items():
            known = seen.setdefault(name, set())
            if name not in _SHORT_OWN and len(known) <= _MOST_LABELS and value not in (None, ""):
                known.add(str(value))
            if name not in _SHORT_OWN and value and _short_labels(value, Tally()):
                surely[name] = None
    names = [*seen]
    before = names[: names.index("annotator")] if "annotator" in names else names
    longest = max(before, key=lambda name: max(map(len, seen[name]), default=0), default="")
    likely: list[str] = []
    for name in reversed(before):
        if name in _SHORT_OWN or name in (longest, "text") or not 1 < len(seen[name]) <= _MOST_LABELS:
            break
        likely.append(name)
    fields = [name for name in names if name in surely or name in likely]
    if likely:
        tally.note(
            f"taken for labels: {', '.join(fields)}; this form does not tell them from data, as JSON does"
        )
    return fields


def _short_rows(given: Given) -> Iterator[tuple[Where, dict[str, Any]]]:
    if given.is_json or given.source is None:
        for where, value in given.objects():
            row = expect_object(where, value, "Label Studio's JSON_MIN")
            if "annotation_id" not in row:
                raise wrong_shape(where, row, "Label Studio's JSON_MIN", '"annotation_id"')
            yield where, row
        return
    with given.table() as table:
        if "annotation_id" not in table.header:
            raise DataError(
                f'{given.path}:1: expected the column "annotation_id", as Label Studio\'s CSV has it',
                hint=f"the table has: {', '.join(table.header)}",
            )
        for line, values in table:
            yield Where(table.source, line), dict(zip(table.header, values, strict=True))


def _parsed(value: Any) -> Any:
    """What a cell holds: in CSV, choices and spans are JSON."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _short_labels(value: Any, tally: Tally) -> tuple[Path, ...] | None:
    """The labels that a value holds beyond doubt; None if it may be data."""
    value = _parsed(value)
    if is_spans(value):
        tally.lose("spans", len(value))
        return None
    found: dict[Path, None] = {}
    for one in value if isinstance(value, list) else [value]:
        kind = next((k for k in _WHOLE_TEXT if isinstance(one, dict) and k in one), None)
        if kind is not None:
            found.update(dict.fromkeys(_paths(one[kind])))
        elif isinstance(one, list) and one and all(isinstance(step, str) for step in one):
            found[tuple(one)] = None
        else:
            return None
    return tuple(found)


def _short_texts(rest: Mapping[str, Any], tally: Tally) -> tuple[dict[str, str], dict[str, object]]:
    values = scalars(rest, tally, but=_SHORT_OWN)
    texts = [name for name, value in values.items() if isinstance(value, str)]
    named = [name for name in texts if name == "text"]
    if not named and texts:
        named = [max(texts, key=lambda name: len(str(values[name])))]
    return {name: str(values.pop(name)) for name in named}, values


# ----------------------------------------------------------------------------------------------- the writer


def write(handle: Handle, sheet: Sheet) -> None:
    """An array of tasks, streamed: people who labelled one text after the other share its task."""
    handle.write(b"[")
    between = b"\n"
    tasks = groupby(
        sheet.items, key=lambda item: (item.id, *item.texts.values()) if item.annotator else object()
    )
    for number, (_, items) in enumerate(tasks, 1):
        task = _task(number, list(items), sheet)
        handle.write(between + orjson.dumps(task))
        between = b",\n"
    handle.write(b"\n]\n")


def _task(number: int, items: list[Item], sheet: Sheet) -> dict[str, Any]:
    first = items[0]
    own = {"id": first.id} if first.id else {}
    taken = {*first.texts, "id", "annotator", *(field.name for field in sheet.fields)}
    annotations = []
    for place, item in enumerate(items, 1):
        by = {"completed_by": {"email": item.annotator}} if item.annotator else {}
        results = [
            _result(field.name, item.labels[field.name], next(iter(item.texts)))
            for field in sheet.fields
            if item.labels[field.name]
        ]
        annotations.append({"id": number * 100 + place, **by, "result": results, "was_cancelled": False})
    data = {**own, **first.texts, **sheet.others(first, taken=taken)}
    return {"id": number, "data": data, "annotations": annotations, "predictions": []}


def _result(field: str, labels: tuple[Path, ...], to_name: str) -> dict[str, Any]:
    return {
        "from_name": field,
        "to_name": to_name,
        "type": "choices",
        "value": {"choices": [path[-1] for path in labels]},
    }
