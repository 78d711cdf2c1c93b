"""A folder for each label, with a text or a page in each file; folders in folders are levels of labels."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from labeltune.collect.exchange.items import Item
from labeltune.errors import DataError, Where
from labeltune.files.sources import ByteSource
from labeltune.files.utf8 import decoded, utf8

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Tally

__all__ = ["read", "recognise"]

_PAGES = (".html", ".htm")
_TEXTS = (".txt", "", *_PAGES)
_SPLITS = frozenset({"train", "training", "test", "validation", "valid", "val", "dev"})
_LARGEST = 1 << 24
"""Bytes of a file that is one text."""
_SHARE = 0.8


def recognise(sample: Sample) -> str | None:
    """At least two folders, and nearly all files in them are texts or pages."""
    inside = [name for name in sample.names if "/" in name]
    texts = [name for name in inside if name.lower().endswith((".txt", *_PAGES))]
    labels = {name.rpartition("/")[0] for name in texts}
    if len(labels) < 2 or len(texts) < _SHARE * len(sample.names):
        return None
    return f"texts lie in {len(labels)} folders, such as {min(labels)}"


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each file. Parts such as `train/` and `test/` at the top are a column, no labels."""
    if given.folder is None:
        raise DataError(f"{given.path}: is a file, expected a folder for each label")
    paths = [(path, path.relative_to(given.folder)) for path in given.files]
    tops = {within.parts[0] for _, within in paths if len(within.parts) > 1}
    in_parts = bool(tops) and tops <= _SPLITS
    for path, within in paths:
        if path.suffix.lower() not in _TEXTS or len(within.parts) < 2 + in_parts:
            tally.lose("files that lie in no label's folder, or are no texts")
            continue
        tally.records += 1
        steps = within.parts[in_parts:-1]
        extra = {"file": within.as_posix(), **({"split": within.parts[0]} if in_parts else {})}
        yield Item(Where(str(path)), {"text": _text(path, given.encoding)}, {"label": (steps,)}, extra=extra)


def _text(path: Path, encoding: str | None) -> str:
    with ByteSource(path) as source, utf8(source, encoding) as stream:
        content = decoded(stream.read(_LARGEST), source, 1)
    if path.suffix.lower() not in _PAGES:
        return content.removesuffix("\n").removesuffix("\r")
    page = _Page()
    page.feed(content)
    page.close()
    return page.text


class _Page(HTMLParser):
    """The text of a page: a line for each block, without scripts and styles."""

    _HIDDEN = frozenset({"script", "style", "template", "noscript", "head"})
    _INLINE = frozenset(
        ("a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "img", "kbd", "label", "mark",
         "q", "s", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr")
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # as the base
        if tag in self._HIDDEN:
            self._hidden.append(tag)
        elif tag == "body":
            self._hidden.clear()
        if tag not in self._INLINE:
            self._pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        if tag not in self._INLINE:
            self._pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._pieces.append(re.sub(r"[ \t\r\n\f]+", " ", data))

    @property
    def text(self) -> str:
        lines = (" ".join(line.split(" ")).strip() for line in "".join(self._pieces).split("\n"))
        return "\n".join(line for line in lines if line)
