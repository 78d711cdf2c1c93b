"""Argilla 2: records as `records.to_json` and `to_list(flatten=True)` write them; and those of version 1."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import (
    expect_object,
    is_spans,
    label_paths,
    listed,
    mapped,
    scalars,
    wrong_shape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Path, Tally
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.errors import Where
    from labeltune.files.tables.row_writer import Handle

__all__ = ["read", "recognise", "write"]

_NAME = "Argilla"
_RESPONSES, _SUGGESTION = ".responses", ".suggestion"
_NOBODY = str(uuid.UUID(int=0))
"""The user of responses that nobody is known to have given: Argilla wants one."""
_FLAT_OWN = frozenset({"id", "status", "_server_id"})
_OLD = frozenset({"annotation", "prediction", "status"})


def recognise(sample: Sample) -> str | None:
    """Fields and responses, nested or with dots; or what version 1 called annotation and prediction."""
    if "fields" in sample.all_keys and sample.keys & {"responses", "suggestions"}:
        return 'each record has "fields" and "responses"'
    flat = sorted(key for key in sample.keys if key.endswith(_RESPONSES))
    if flat:
        return f'each record has "{flat[0]}"'
    if sample.all_keys >= _OLD and sample.keys & {"text", "inputs"}:
        return 'each record has "annotation", "prediction" and "status", as in Argilla 1'
    return None


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each person who responded."""
    for where, value in given.objects():
        record = expect_object(where, value, _NAME)
        tally.records += 1
        if isinstance(record.get("fields"), dict):
            yield from _nested(where, record, tally)
        elif any(key.endswith(_RESPONSES) for key in record):
            yield from _flat(where, record, tally)
        elif "annotation" in record:
            yield from _old(where, record, tally)
        else:
            raise wrong_shape(where, record, _NAME, '"fields" and "responses"')


# -------------------------------------------------------------------------------------------- three shapes


def _nested(where: Where, record: Mapping[str, Any], tally: Tally) -> Iterator[Item]:
    tally.lose("suggestions", len(listed(record.get("suggestions")) or mapped(record.get("suggestions"))))
    tally.lose("vectors", len(mapped(record.get("vectors"))))
    texts = _texts(record["fields"], tally)
    extra = scalars(mapped(record.get("metadata")), tally, of="metadata.")
    given = list(_responses(record.get("responses")))
    yield from _people(where, texts, given, str(record.get("id") or ""), extra, tally)


def _responses(responses: Any) -> Iterator[tuple[str, str, str, Any]]:
    """Question, user, status and value of each response; also as the feedback data sets of 1.x have them."""
    if isinstance(responses, dict):
        for question, answers in responses.items():
            for answer in answers if isinstance(answers, list) else [answers]:
                if isinstance(answer, dict):
                    yield (
                        question,
                        str(answer.get("user_id") or ""),
                        str(answer.get("status") or ""),
                        answer.get("value"),
                    )
        return
    for response in filter(None, map(mapped, listed(responses))):
        for question, answer in mapped(response.get("values")).items():
            value = answer.get("value") if isinstance(answer, dict) else answer
            yield question, str(response.get("user_id") or ""), str(response.get("status") or ""), value


def _flat(where: Where, record: Mapping[str, Any], tally: Tally) -> Iterator[Item]:
    questions = [key.removesuffix(_RESPONSES) for key in record if key.endswith(_RESPONSES)]
    given: list[tuple[str, str, str, Any]] = []
    for question in questions:
        values = listed(record[question + _RESPONSES])
        users = listed(record.get(f"{question}{_RESPONSES}.users"))
        states = listed(record.get(f"{question}{_RESPONSES}.status"))
        for place, value in enumerate(values):
            user = users[place] if place < len(users) else ""
            state = states[place] if place < len(states) else ""
            given.append((question, str(user or ""), str(state or ""), value))
    own = {
        key
        for key in record
        if _RESPONSES in key or key.removesuffix(".score").removesuffix(".agent").endswith(_SUGGESTION)
    }
    tally.lose("suggestions", sum(key.endswith(_SUGGESTION) and record[key] is not None for key in own))
    rest = scalars(record, tally, but=own | _FLAT_OWN)
    texts = [name for name, value in rest.items() if isinstance(value, str)]
    named = [name for name in texts if name == "text"] or sorted(texts, key=lambda n: -len(str(rest[n])))[:1]
    columns = {name: str(rest.pop(name)) for name in named}
    yield from _people(where, columns, given, str(record.get("id") or ""), rest, tally)


def _old(where: Where, record: Mapping[str, Any], tally: Tally) -> Iterator[Item]:
    if record.get("status") == "Discarded":
        tally.drop("discarded", where)
        return
    tally.lose("predictions", bool(record.get("prediction")))
    inputs = record.get("inputs")
    text = record.get("text")
    texts = (
        _texts(inputs, tally)
        if isinstance(inputs, dict) and not isinstance(text, str)
        else {"text": str(text or "")}
    )
    extra = scalars(mapped(record.get("metadata")), tally, of="metadata.")
    agent = str(record.get("annotation_agent") or "")
    given = [("label", agent, "", record["annotation"])]
    yield from _people(where, texts, given, str(record.get("id") or ""), extra, tally)


def _texts(fields: Mapping[str, Any], tally: Tally) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            texts[str(name)] = value
        elif value is not None:
            tally.lose(f'field "{name}" (no text)')
    return texts


def _people(
    where: Where,
    texts: Mapping[str, str],
    given: list[tuple[str, str, str, Any]],
    id: str,
    extra: Mapping[str, object],
    tally: Tally,
) -> Iterator[Item]:
    """An item for each person whose responses are submitted."""
    people: dict[str, Labels] = {}
    dropped: dict[tuple[str, str], None] = {}
    for question, user, state, value in given:
        if state in ("discarded", "draft", "Discarded"):
            dropped[user, state.lower()] = None
            continue
        found = _labels(value)
        if found is None:
            tally.lose("spans" if is_spans(value) else f'responses to "{question}" that are no labels')
            continue
        people.setdefault(user, {})[question] = found
    for _, state in dropped:
        tally.drop(state, where)
    if not given:
        tally.drop("no response", where)
    for user, labels in people.items():
        name = "" if user in (_NOBODY, "None") else user
        yield Item(where, texts, labels, id, name, extra)


def _labels(value: Any) -> tuple[Path, ...] | None:
    return label_paths(value)


# ----------------------------------------------------------------------------------------------- the writer


def write(handle: Handle, sheet: Sheet) -> None:
    """An array of records, with all fields as responses, as `records.from_json` reads them."""
    handle.write(b"[")
    between = b"\n"
    for number, item in enumerate(sheet.items, 1):
        user = _user(item.annotator)
        responses = {
            field.name: [{"value": _value(field.type, item.labels[field.name]), "user_id": user}]
            for field in sheet.fields
            if item.labels[field.name] or field.type == "multi"
        }
        record = {
            "id": item.id or str(number),
            "fields": dict(item.texts),
            "metadata": sheet.others(item, taken=()),
            "suggestions": {},
            "responses": responses,
            "vectors": {},
            "status": "completed",
        }
        if user not in (_NOBODY, item.annotator):
            sheet.tally.note(
                f'annotator "{item.annotator}" is the user {user}: Argilla knows people by UUIDs'
            )
        handle.write(between + orjson.dumps(record))
        between = b",\n"
    handle.write(b"\n]\n")


def _value(kind: str, labels: tuple[Path, ...]) -> Any:
    return labels[0][-1] if kind == "single" else [path[-1] for path in labels]


def _user(annotator: str) -> str:
    """The user's id: the annotator's name, if it is a UUID, else one that is always the same for the name."""
    if not annotator:
        return _NOBODY
    try:
        return str(uuid.UUID(annotator))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"annotator:{annotator}"))
