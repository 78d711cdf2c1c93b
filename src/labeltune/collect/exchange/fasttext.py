"""fastText: a text on each line, with its labels before it or behind it: `__label__refund my card …`.

A label there ends where space is, and a text where its line ends. What a label or a text of ours holds of
that is written as a stand-in, the sign that Unicode has for a picture of it (`␠`, `␊`), and read back.
A text that holds such a picture, or `__label__` where fastText would see a label, has `␛` before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labeltune.collect.exchange.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.collect.exchange.given import Given, Sample
    from labeltune.collect.exchange.items import Tally
    from labeltune.collect.exchange.writing import Sheet
    from labeltune.errors import Where
    from labeltune.files.tables.row_writer import Handle

__all__ = ["read", "recognise", "write"]

_PREFIX = "__label__"
_BREAKS = "\0\t\n\v\f\r"
"""What ends a word for fastText, besides space."""
_ESCAPE = "\u241b"
_PICTURES = {sign: chr(0x2400 + ord(sign)) for sign in (*_BREAKS, " ")}
_SIGNS = {picture: sign for sign, picture in _PICTURES.items()}
_ANY_PICTURE = "".join((*_SIGNS, _ESCAPE))

_IN_LABEL = re.compile(f"[{_BREAKS} ]|[{_ANY_PICTURE}]")
_IN_TEXT = re.compile(rf"[\0\n\v\f\r]|[{_ANY_PICTURE}]|(?<![^\s]){_PREFIX}")
_WRITTEN = re.compile(rf"{_ESCAPE}({_PREFIX}|[{_ANY_PICTURE}])|([{''.join(_SIGNS)}])")

_BEFORE = re.compile(rf"(?:[ \t]*{_PREFIX}[^ \t]+)+|")
_LABEL = re.compile(rf"{_PREFIX}([^ \t]+)")
_INSIDE = re.compile(rf"(?:^|[ \t]){_PREFIX}[^ \t]")
_SPACE = " \t"
_SHARE = 0.9


def recognise(sample: Sample) -> str | None:
    """Lines that nearly all begin or end with `__label__`."""
    lines = [line for line in sample.lines if line.strip()]
    if not lines or sample.kind != "text":
        return None
    marked = sum(bool(_BEFORE.match(line)[0] or _behind(line) < len(line)) for line in lines)  # type: ignore[index]
    return (
        f"{marked} of the first {len(lines)} lines have {_PREFIX}" if marked >= _SHARE * len(lines) else None
    )


def read(given: Given, tally: Tally) -> Iterator[Item]:
    """An item for each line that is not empty."""
    for where, line in given.lines():
        if not line.strip():
            continue
        tally.records += 1
        before = _BEFORE.match(line)
        labels, text = (before[0], line[before.end() :]) if before else ("", line)
        if not labels and (place := _behind(line)) < len(line):
            labels, text = line[place:], f" {line[:place]}"
        # One space parts labels and text.
        text = text[1:] if text[:1] in (" ", "\t") else text
        if _INSIDE.search(text):
            tally.note(f"{_PREFIX} stands within a text, and is taken for text", where)
        names = dict.fromkeys((_read_back(name, where, tally),) for name in _LABEL.findall(labels))
        yield Item(where, {"text": _read_back(text, where, tally)}, {"label": tuple(names)})


def _behind(line: str) -> int:
    """Where the labels at the end of a line begin, with the space before them; its end if there are none."""
    start = len(line)
    while True:
        bare = line[:start].rstrip(_SPACE)
        place = max(bare.rfind(sign) for sign in _SPACE)
        if place < 0 or not bare.startswith(_PREFIX, place + 1) or place + 1 + len(_PREFIX) == len(bare):
            return start
        start = len(bare[:place].rstrip(_SPACE))


def _read_back(written: str, where: Where, tally: Tally) -> str:
    """The text for which stand-ins were written."""
    if written.isascii():
        return written

    def sign(found: re.Match[str]) -> str:
        tally.note("stand-ins such as ␠ and ␊ are read back as space and line ends", where)
        return found[1] or _SIGNS[found[2]]

    return _WRITTEN.sub(sign, written)


def write(handle: Handle, sheet: Sheet) -> None:
    """A line for each item: its labels, a space, its text."""

    def stand_in(found: re.Match[str]) -> str:
        if found[0] in _PICTURES:
            sheet.tally.note(
                "space in labels and line ends in texts are written as ␠ and ␊, which import reads back"
            )
            return _PICTURES[found[0]]
        sheet.tally.note(
            f"{_PREFIX} and pictures of space in texts have ␛ before them, which import takes off"
        )
        return _ESCAPE + found[0]

    for item in sheet.items:
        labels = "".join(
            f"{_PREFIX}{_IN_LABEL.sub(stand_in, path[-1])} " for path in item.labels[sheet.only.name]
        )
        text = _IN_TEXT.sub(stand_in, sheet.text_of(item))
        handle.write(f"{labels or ' '}{text}\n".encode())
        if item.extra or item.id:
            sheet.tally.lose("columns beside text and labels, for which fastText has no place")
