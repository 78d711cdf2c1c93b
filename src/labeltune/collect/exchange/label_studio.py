"""Label Studio: its JSON of tasks with annotations."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.collect.exchange.items import Item, Tally
from labeltune.collect.exchange.values import (
    expect_object,
    listed,
    scalars,
    wrong_shape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Path
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.errors import Where
    from labeltune.files.tables.row_writer import Handle

__all__ = ["WHOLE_TEXT", "paths_of", "person_of", "read", "recognise", "write"]

_NAME = "Label Studio"
_ANNOTATIONS = ("annotations", "completions")
"""The second is what they were called before version 1."""
WHOLE_TEXT = ("choices", "taxonomy", "rating", "number")
"""Kinds of results that are labels of the whole text."""


def recognise(sample: Sample) -> str | None:
    """Tasks: objects with `data` and a list of annotations."""
    for key in _ANNOTATIONS:
        listed = sample.values(key)
        if {"data", key} <= sample.all_keys and all(isinstance(one, list) for one in listed):
            return f'each object is a task with "data" and "{key}"'
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
        annotator=person_of(annotation.get("completed_by")),
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


def person_of(completed_by: Any) -> str:
    """The name of who labelled: an address, a name or a number; nothing if it is not known."""
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
        elif not isinstance(value, dict) or kind not in WHOLE_TEXT:
            tally.lose("spans" if isinstance(value, dict) and "start" in value else f"answers of kind {kind}")
        elif "start" in value:
            tally.lose("labels of pieces of a text")
        else:
            paths = found.setdefault(str(result.get("from_name") or "label"), {})
            paths.update(dict.fromkeys(paths_of(value.get(str(kind)))))
    return {name: tuple(paths) for name, paths in found.items()}


def paths_of(value: Any) -> Iterator[Path]:
    """The labels of a result: texts, numbers, or paths through a taxonomy."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, list):
            yield tuple(str(step) for step in one)
        elif isinstance(one, str | int | float):
            yield (str(one),)


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
