"""Formats of a text and its labels and little else: Cohere's and Mistral's classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import expect_object, label_paths, scalars, text_at, wrong_shape
from labeltune.errors import Where
from labeltune.task.records import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Tally

__all__ = ["read_cohere", "read_mistral", "recognise_cohere", "recognise_mistral"]

_COHERE, _MISTRAL = "Cohere's classifier", "Mistral's classifier"
_LABELS = ("label", "labels")


def recognise_cohere(sample: Sample) -> str | None:
    """A text and a label, or a list of them, and no other key."""
    keys = sample.keys
    plain = keys == sample.all_keys and keys in ({"text", "label"}, {"text", "labels"})
    if plain and all(isinstance(one, str | list) for key in _LABELS for one in sample.values(key)):
        return 'each line has "text" and a label, and nothing else'
    return None


def read_cohere(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each line of JSON, or for each row of CSV."""
    rows = given.objects() if given.is_json or given.source is None else _table(given)
    for where, value in rows:
        record = expect_object(where, value, _COHERE)
        tally.records += 1
        key = next((key for key in _LABELS if key in record), "label")
        found = label_paths(record.get(key))
        if key not in record or found is None:
            raise wrong_shape(where, record, _COHERE, '"text", and a label or a list of them under "label"')
        text = text_at(where, record, "text", _COHERE)
        yield Item(
            where, {"text": text}, {"label": found}, extra=scalars(record, tally, but=("text", *_LABELS))
        )


def _table(given: Given) -> Iterator[tuple[Where, dict[str, Any]]]:
    with given.table() as table:
        for line, values in table:
            yield Where(table.source, line), dict(zip(table.header, values, strict=True))


def recognise_mistral(sample: Sample) -> str | None:
    """Labels by the name of their target, beside a text or messages."""
    labels = sample.values("labels")
    named = bool(labels) and all(isinstance(one, dict) for one in labels)
    if named and "labels" in sample.all_keys and sample.keys & {"text", "messages"}:
        return 'each line has "labels" by the names of targets'
    return None


def read_mistral(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each line, with a field for each target."""
    for where, value in given.objects():
        record = expect_object(where, value, _MISTRAL)
        targets = record.get("labels")
        if not isinstance(targets, dict):
            raise wrong_shape(where, record, _MISTRAL, '"labels" by the names of targets')
        tally.records += 1
        labels: Labels = {}
        for name, given_labels in targets.items():
            found = label_paths(given_labels)
            if found is None:
                raise wrong_shape(where, targets, _MISTRAL, f'a label or a list of them under "{name}"')
            labels[str(name)] = found
        text = _mistral_text(where, record, tally)
        if text is None:
            tally.drop("no conversation of one message in text", where)
            continue
        yield Item(
            where, {"text": text}, labels, extra=scalars(record, tally, but=("text", "messages", "labels"))
        )


def _mistral_text(where: Where, record: Mapping[str, Any], tally: Tally) -> str | None:
    messages = record.get("messages")
    if not isinstance(messages, list):
        return text_at(where, record, "text", _MISTRAL)
    texts = [
        text_of(one.get("content")) for one in messages if isinstance(one, dict) and one.get("role") == "user"
    ]
    others = len(messages) - len(texts)
    tally.lose("messages that are not the user's", others)
    return texts[0] if len(texts) == 1 else None
