"""Label Studio's short forms: JSON_MIN, CSV and TSV, which do not tell labels from data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labeltune.collect.exchange.items import Item, Tally
from labeltune.collect.exchange.label_studio import WHOLE_TEXT, paths_of, person_of
from labeltune.collect.exchange.values import expect_object, is_spans, label_paths, scalars, wrong_shape
from labeltune.errors import DataError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Path

__all__ = ["read", "recognise"]

_MARKS = frozenset({"annotation_id", "annotator", "lead_time"})
_OWN = frozenset({"id", *_MARKS, "created_at", "updated_at"})
_MOST_LABELS = 500
"""A column of more distinct values is data."""


def recognise(sample: Sample) -> str | None:
    """JSON_MIN, CSV or TSV: an annotator, an annotation's id and the time that it took."""
    if _MARKS.issubset(sample.keys) or _MARKS.issubset(sample.header):
        return '"annotation_id", "annotator" and "lead_time" stand in each row'
    return None


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each row: JSON_MIN, CSV and TSV have one for each annotation."""
    fields = _fields(given, tally)
    for where, row in _rows(given):
        tally.records += 1
        labels: Labels = {}
        rest = {name: value for name, value in row.items() if name not in fields}
        for name in fields:
            value = row.get(name)
            found = _labels(value, tally)
            labels[name] = found if found is not None else label_paths(value) or ()
        for name in [name for name, value in rest.items() if is_spans(_parsed(value))]:
            tally.lose("spans", len(_parsed(rest.pop(name))))
        texts, extra = _texts(rest, tally)
        yield Item(where, texts, labels, str(row.get("id", "")), person_of(row.get("annotator")), extra)


def _fields(given: Given, tally: Tally) -> list[str]:
    """The columns that hold labels, which these forms do not tell from data.

    Those in which choices or a taxonomy stand, and before `annotator`, where the labels are, those of few
    values.
    """
    seen: dict[str, set[str]] = {}
    surely: dict[str, None] = {}
    for _, row in _rows(given):
        for name, value in row.items():
            known = seen.setdefault(name, set())
            if name not in _OWN and len(known) <= _MOST_LABELS and value not in (None, ""):
                known.add(str(value))
            if name not in _OWN and value and _labels(value, Tally()):
                surely[name] = None
    names = [*seen]
    before = names[: names.index("annotator")] if "annotator" in names else names
    longest = max(before, key=lambda name: max(map(len, seen[name]), default=0), default="")
    likely: list[str] = []
    for name in reversed(before):
        if name in _OWN or name in (longest, "text") or not 1 < len(seen[name]) <= _MOST_LABELS:
            break
        likely.append(name)
    fields = [name for name in names if name in surely or name in likely]
    if likely:
        tally.note(
            f"taken for labels: {', '.join(fields)}; this form does not tell them from data, as JSON does"
        )
    return fields


def _rows(given: Given) -> Iterator[tuple[Where, dict[str, Any]]]:
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


def _labels(value: Any, tally: Tally) -> tuple[Path, ...] | None:
    """The labels that a value holds beyond doubt; None if it may be data."""
    value = _parsed(value)
    if is_spans(value):
        tally.lose("spans", len(value))
        return None
    found: dict[Path, None] = {}
    for one in value if isinstance(value, list) else [value]:
        kind = next((k for k in WHOLE_TEXT if isinstance(one, dict) and k in one), None)
        if kind is not None:
            found.update(dict.fromkeys(paths_of(one[kind])))
        elif isinstance(one, list) and one and all(isinstance(step, str) for step in one):
            found[tuple(one)] = None
        else:
            return None
    return tuple(found)


def _texts(rest: Mapping[str, Any], tally: Tally) -> tuple[dict[str, str], dict[str, object]]:
    values = scalars(rest, tally, but=_OWN)
    texts = [name for name, value in values.items() if isinstance(value, str)]
    named = [name for name in texts if name == "text"]
    if not named and texts:
        named = [max(texts, key=lambda name: len(str(values[name])))]
    return {name: str(values.pop(name)) for name in named}, values
