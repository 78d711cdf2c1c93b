"""Texts that stand there twice, exactly or nearly: in one file or in two, with the same labels or others."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from labeltune.check.rule import Rule

if TYPE_CHECKING:
    from labeltune.check.reading import Batch, Part
    from labeltune.check.rule import Setting

__all__ = ["Neighbours", "squeezed"]

_UPPER = string.ascii_uppercase.encode()
_FOLD = bytes.maketrans(_UPPER, _UPPER.lower())
_DROPPED = (string.punctuation + string.whitespace).encode()


def squeezed(text: str) -> bytes | str:
    """The text without case, punctuation and space: equal for texts that differ in nothing else."""
    if text.isascii():
        return text.encode().translate(_FOLD, _DROPPED)
    return "".join(filter(str.isalnum, text.casefold()))


class Neighbours(Rule):
    """Keeps a hash of each text and of its squeezed form, never the text.

    Hashes have 64 bits: among ten million texts, two different ones are taken for equal once in 370,000 runs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._exact: dict[int, int] = {}
        self._near: dict[int, int] = {}
        """By hash: the labels' number, the file's number and the line of the first example, in one number."""
        self._numbers: dict[object, int] = {}
        self._parts: list[Part] = []

    def begin(self, part: Part) -> None:
        """See `Rule`."""
        self._parts.append(part)

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        exact, near, numbers = self._exact, self._near, self._numbers
        here = (len(self._parts) - 1) << _LINE_BITS
        for line, text, answer in zip(batch.lines, batch.texts, batch.answers, strict=True):
            if not text:
                continue
            place = (numbers.setdefault(answer, len(numbers)) << _PLACE_BITS) + here + line
            first = exact.setdefault(hash(text), place)
            if first != place:
                self._report(part, line, place, first, near=False)
                continue
            form = squeezed(text)
            # Of a text of nothing but signs, nothing is left to compare.
            if form:
                first = near.setdefault(hash(form), place)
                if first != place:
                    self._report(part, line, place, first, near=True)

    def _report(self, part: Part, line: int, place: int, first: int, *, near: bool) -> None:
        there = self._parts[(first & _PLACE_MASK) >> _LINE_BITS]
        earlier = f"{there.name}:{first & _LINE_MASK}" if there is not part else f"line {first & _LINE_MASK}"
        nearly = "nearly " if near else ""
        prefix = "near_" if near else ""
        same_labels = first >> _PLACE_BITS == place >> _PLACE_BITS
        if there is not part:
            labels = "" if same_labels else ", with other labels"
            part.add(f"{prefix}overlap", f"{nearly}the same text as {earlier}{labels}", line)
        elif same_labels:
            part.add(f"{prefix}duplicate", f"{nearly}the same text as {earlier}, with the same labels", line)
        else:
            part.add(f"{prefix}contradiction", f"{nearly}the same text as {earlier}, with other labels", line)


_LINE_BITS, _PART_BITS = 40, 12
_PLACE_BITS = _LINE_BITS + _PART_BITS
_LINE_MASK, _PLACE_MASK = (1 << _LINE_BITS) - 1, (1 << _PLACE_BITS) - 1
