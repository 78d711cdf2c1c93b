"""The formats, each in one line of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.collect.exchange import (
    argilla,
    doccano,
    fasttext,
    folders,
    hugging_face,
    label_studio,
    label_studio_short,
    label_text,
    open_ai,
    prodigy,
    simple,
    spacy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Item, Tally
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.files.tables.row_writer import Handle

__all__ = ["FORMATS", "WRITTEN", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of another tool."""

    title: str
    """Whose it is, for sentences."""
    recognise: Callable[[Sample], str | None]
    """Why a file is of this format, as a clause; None if nothing says so."""
    read: Callable[[Given, Tally], Iterator[Item]]
    """The items. Raises `DataError`, with the place, for what is not of the format."""
    write: Callable[[Handle, Sheet], None] | None = None
    ending: str = ".jsonl"
    """What the names of written files end with."""
    several_fields: bool = False
    """Whether it has place for several fields."""


FORMATS: dict[str, Format] = {
    "doccano": Format("doccano", doccano.recognise, doccano.read, doccano.write),
    "label-studio": Format(
        "Label Studio",
        label_studio.recognise,
        label_studio.read,
        label_studio.write,
        ".json",
        several_fields=True,
    ),
    "label-studio-min": Format(
        "Label Studio's JSON_MIN, CSV or TSV", label_studio_short.recognise, label_studio_short.read
    ),
    "prodigy": Format("Prodigy", prodigy.recognise, prodigy.read, prodigy.write),
    "argilla": Format(
        "Argilla", argilla.recognise, argilla.read, argilla.write, ".json", several_fields=True
    ),
    "fasttext": Format("fastText", fasttext.recognise, fasttext.read, fasttext.write, ".txt"),
    "huggingface": Format("Hugging Face", hugging_face.recognise, hugging_face.read),
    "openai-chat": Format("an OpenAI chat file", open_ai.recognise_chat, open_ai.read_chat),
    "openai-legacy": Format(
        "OpenAI's prompts and completions", open_ai.recognise_legacy, open_ai.read_legacy
    ),
    "cohere": Format("Cohere's classifier", simple.recognise_cohere, simple.read_cohere),
    "mistral": Format("Mistral's classifier", simple.recognise_mistral, simple.read_mistral),
    "label-text": Format("a label and a text on each line", label_text.recognise, label_text.read),
    "folders": Format("a folder for each label", folders.recognise, folders.read),
    "spacy": Format("spaCy", spacy.recognise, spacy.read),
}
"""All formats, by the names that `--from` and `--to` take."""

WRITTEN = tuple(name for name, format in FORMATS.items() if format.write is not None)
"""Those that are written, too."""
