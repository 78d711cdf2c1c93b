"""spaCy: texts with `cats`, as JSON of version 3 and 2, and DocBin files where spaCy is installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from labeltune.collect.exchange.items import Item
from labeltune.collect.exchange.values import listed, mapped, scalars, wrong_shape
from labeltune.errors import DataError, SettingsError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Labels, Tally

__all__ = ["read", "recognise"]

_NAME = "spaCy"
YES = 0.5
"""From which score on a category counts as the text's."""


def recognise(sample: Sample) -> str | None:
    """`cats` beside a text; pairs of a text and annotations; documents with paragraphs; a DocBin."""
    if sample.kind == "docbin":
        return "it is a DocBin file"
    if "cats" in sample.all_keys and all(isinstance(one, dict) for one in sample.values("cats")):
        return 'each object has "cats" with scores'
    if sample.objects and all(map(_is_pair, sample.objects)):
        return 'each item is a text with {"cats": …}'
    return 'each document has "paragraphs"' if "paragraphs" in sample.all_keys else None


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each text; a category whose score is at least 0.5 is a label."""
    if given.source is not None and not given.is_json:
        if given.sample.kind != "docbin":
            raise DataError(
                f"{given.path}: expected JSON or a DocBin file, as {_NAME} writes them, found text"
            )
        yield from _docbin(given, tally)
        return
    for where, value in given.objects():
        for text, cats, extra in _documents(where, value, tally):
            tally.records += 1
            yield Item(where, {"text": text}, _labels(cats), extra=extra)


def _labels(cats: Mapping[str, Any]) -> Labels:
    names = [str(name) for name, score in cats.items() if isinstance(score, int | float) and score >= YES]
    return {"label": tuple((name,) for name in names)}


def _documents(
    where: Where, value: Any, tally: Tally
) -> Iterator[tuple[str, Mapping[str, Any], dict[str, object]]]:
    """The texts of a value, each with its scores, in any of the three forms."""
    if _is_pair(value):
        text, annotations = value
        tally.lose("spans", len(listed(annotations.get("entities"))))
        yield text, mapped(annotations.get("cats")), {}
    elif isinstance(value, dict) and isinstance(value.get("paragraphs"), list):
        for paragraph in map(mapped, value["paragraphs"]):
            scores = filter(None, map(mapped, listed(paragraph.get("cats"))))
            cats = {str(one.get("label")): one.get("value", 0) for one in scores}
            yield str(paragraph.get("raw") or ""), cats, {}
    elif (
        isinstance(value, dict) and isinstance(value.get("cats"), dict) and isinstance(value.get("text"), str)
    ):
        tally.lose("spans", sum(len(listed(value.get(key))) for key in ("ents", "entities", "spans")))
        own = ("text", "cats", "ents", "entities", "spans", "tokens", "sents")
        yield value["text"], value["cats"], scalars(value, tally, but=own)
    else:
        raise wrong_shape(where, value, _NAME, 'a text with "cats"')


def _docbin(given: Given, tally: Tally) -> Iterator[Item]:
    try:
        tokens, spacy = import_module("spacy.tokens"), import_module("spacy")
    except ImportError as error:
        raise SettingsError(
            f"{given.path}: a DocBin file is read by spaCy, which is not installed",
            hint="pip install spacy; or write the texts as JSON Lines with text and cats",
        ) from error
    try:
        docs = tokens.DocBin().from_disk(given.path).get_docs(spacy.blank("xx").vocab)
        for number, doc in enumerate(docs, 1):
            tally.records += 1
            tally.lose("spans", len(doc.ents))
            yield Item(Where(given.path, number), {"text": doc.text}, _labels(doc.cats))
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{given.path}: not a DocBin file that can be read: {error}") from error
