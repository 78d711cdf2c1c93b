"""Prodigy: JSON Lines as `db-out` writes them, binary answers and choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import (
    expect_object,
    label_paths,
    listed,
    scalars,
    text_at,
    wrong_shape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Path, Tally
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.files.tables.row_writer import Handle

__all__ = ["read", "recognise", "write"]

_NAME = "Prodigy"
_ANSWERS = ("accept", "reject", "ignore")
_OWN = frozenset(
    {"text", "label", "answer", "accept", "options", "config", "meta", "html", "image",
     "spans", "tokens", "relations", "annotator"}
)  # fmt: skip


def recognise(sample: Sample) -> str | None:
    """Prodigy's hashes of inputs and tasks, or its answers."""
    if sample.all_keys & {"_input_hash", "_task_hash"}:
        return 'each line has "_input_hash" or "_task_hash"'
    answers = sample.values("answer")
    if "answer" in sample.all_keys and all(answer in _ANSWERS for answer in answers):
        return 'each line has an "answer" of accept, reject or ignore'
    return None


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """The accepted answers. Yes to several labels of one text, one question after the other, is one item."""
    held: Item | None = None
    for where, value in given.objects():
        record = expect_object(where, value, _NAME)
        answer = record.get("answer")
        if answer not in _ANSWERS:
            raise wrong_shape(where, record, _NAME, 'an "answer" of accept, reject or ignore')
        tally.records += 1
        tally.lose("spans", len(listed(record.get("spans"))))
        tally.lose("relations", len(listed(record.get("relations"))))
        if answer != "accept":
            tally.drop(_dropped(str(answer), record), where)
            continue
        labels = _labels(where, record)
        item = Item(
            where=where,
            texts={"text": text_at(where, record, "text", _NAME)},
            labels={"label": labels},
            id=_id(record),
            annotator=_person(record),
            extra=_extra(record, tally),
        )
        if held is not None and _is_binary(record) and _same_question(held, item):
            held.labels["label"] += tuple(path for path in labels if path not in held.labels["label"])
            continue
        if held is not None:
            yield held
        held = item
        if not _is_binary(record):
            yield item
            held = None
    if held is not None:
        yield held


def _dropped(answer: str, record: Mapping[str, Any]) -> str:
    if answer == "ignore":
        return "ignored"
    return "rejected: says which label it is not" if _is_binary(record) else "rejected"


def _is_binary(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("label"), str) and "accept" not in record


def _same_question(one: Item, other: Item) -> bool:
    return (one.id, one.annotator, one.texts) == (other.id, other.annotator, other.texts)


def _labels(where: Any, record: Mapping[str, Any]) -> tuple[Path, ...]:
    """The label that was accepted, or the options that were chosen; options with numbers by their texts."""
    chosen = record["accept"] if "accept" in record else record.get("label")
    found = label_paths(chosen)
    if found is None:
        raise wrong_shape(where, record, _NAME, 'a list under "accept" or a label')
    names = {
        str(option.get("id")): str(option.get("text") or option.get("id"))
        for option in listed(record.get("options"))
        if isinstance(option, dict) and str(option.get("id")).isdigit()
    }
    return tuple((names.get(path[0], path[0]),) for path in found)


def _id(record: Mapping[str, Any]) -> str:
    meta = record.get("meta")
    own = meta.get("id") if isinstance(meta, dict) else None
    found = own if isinstance(own, str | int) else record.get("_input_hash", "")
    return str(found)


def _person(record: Mapping[str, Any]) -> str:
    found = record.get("_annotator_id") or record.get("_session_id") or record.get("annotator")
    return "" if found is None else str(found)


def _extra(record: Mapping[str, Any], tally: Tally) -> dict[str, object]:
    extra = {key: value for key, value in scalars(record, tally, but=_OWN).items() if not key.startswith("_")}
    meta = record.get("meta")
    if isinstance(meta, dict):
        extra |= scalars(meta, tally, but=("id",), of="meta.")
    return extra


def write(handle: Handle, sheet: Sheet) -> None:
    """Accepted choices among all labels, as the recipe `textcat.manual` leaves them."""
    options = [{"id": label, "text": label} for label in sheet.only.labels]
    style = "single" if sheet.only.type == "single" else "multiple"
    for item in sheet.items:
        meta = {**({"id": item.id} if item.id else {}), **sheet.others(item, taken=("id",))}
        record = {
            "text": sheet.text_of(item),
            **({"meta": meta} if meta else {}),
            "options": options,
            "accept": [path[-1] for path in item.labels[sheet.only.name]],
            "config": {"choice_style": style},
            "answer": "accept",
            "_view_id": "choice",
            **({"_annotator_id": item.annotator} if item.annotator else {}),
        }
        handle.write(orjson.dumps(record) + b"\n")
