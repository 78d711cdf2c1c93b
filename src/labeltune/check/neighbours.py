"""Texts that stand there twice, in one file or in two: equal, equal when plain, or similar.

The last two are what `labeltune.duplicates` says, so that whatever is found here stays together in a split.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import TYPE_CHECKING

from labeltune.check.rule import Rule
from labeltune.duplicates import duplicate_groups, plain

if TYPE_CHECKING:
    from labeltune.check.reading import Batch, Part
    from labeltune.check.rule import Setting

__all__ = ["MOST_CHARACTERS", "MOST_SIMILAR", "Neighbours", "plain_bytes"]

MOST_SIMILAR = 100_000
"""So many distinct texts at most are kept to look for similar ones, unless it is asked for."""
MOST_CHARACTERS = 1 << 24
"""So many characters may they have, taken together."""

_SIGNS = b"!\"#%&'()*,-./:;?@[\\]_{}"
"""The punctuation of ASCII, as Unicode has it; `$` and `+`, say, are symbols."""
_TO_PLAIN = bytes.maketrans(
    (string.ascii_uppercase + "\t\n\v\f\r\x1c\x1d\x1e\x1f").encode(),
    (string.ascii_lowercase + " " * 9).encode(),
)
_BEYOND_ASCII = re.compile(r"[^\0-\x7f]+")


def plain_bytes(text: str) -> bytes:
    """`plain(text)` as UTF-8, in a tenth of the time: it is needed for every text."""
    almost = text if text.isascii() else _BEYOND_ASCII.sub(_plain_run, text)
    content = almost.encode(errors="surrogatepass").translate(_TO_PLAIN, _SIGNS)
    if b"  " in content or content[:1] == b" " or content[-1:] == b" ":
        content = b" ".join(filter(None, content.split(b" ")))
    return content or plain(text).encode(errors="surrogatepass")


def _plain_run(run: re.Match[str]) -> str:
    return "".join(map(_plain_character, run[0]))


@lru_cache(maxsize=1 << 16)
def _plain_character(character: str) -> str:
    """What is left of a character in any text: case folding looks at no neighbours."""
    return plain(f"x{character}x")[1:-1]


class Neighbours(Rule):
    """Keeps a hash of each text; and, to find similar ones, the plain texts themselves while they are few.

    Hashes have 64 bits: among ten million texts, two different ones are taken for equal once in 370,000 runs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._first: dict[int, int] = {}
        """By hash of the plain text: the place where it stands first."""
        self._variants: dict[int, int] = {}
        """By hash of the text: where it stands first, if its plain text stood somewhere before."""
        self._labels: dict[object, int] = {}
        """A number for each set of labels; answers stand for them where there is no task."""
        self._parts: list[Part] = []
        self._seeks = setting.similar is not False
        self._kept: dict[bytes, int] = {}
        self._left = MOST_CHARACTERS

    def begin(self, part: Part) -> None:
        """See `Rule`."""
        self._parts.append(part)

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        here = (len(self._parts) - 1) << _LINE_BITS
        first_of, kept, numbers, seeks = self._first, self._kept, self._labels, self._seeks
        for line, text, answer, labels in zip(
            batch.lines, batch.texts, batch.answers, batch.labels, strict=True
        ):
            form = plain_bytes(text)
            if not form:
                continue
            number = numbers.setdefault(answer if labels is None else labels, len(numbers))
            place = (number << _PLACE_BITS) + here + line
            # The hash of the text itself stands beside the place, so that most texts need one entry only.
            own = hash(text) & _HASH_MASK
            entry = (place << _HASH_BITS) + own
            first = first_of.setdefault(hash(form), entry)
            if first != entry:
                self._met(part, line, place, first, own)
            elif seeks:
                kept[form] = place
                self._left -= len(form)
        if self._seeks and self.setting.similar is None:
            self._seeks = len(kept) <= MOST_SIMILAR and self._left >= 0
            if not self._seeks:
                kept.clear()

    def end(self) -> None:
        """See `Rule`."""
        if not self._seeks:
            if self.setting.similar is None:
                part = self._parts[-1]
                part.notes.append(
                    f"many texts (over {MOST_SIMILAR:,}, or long): similar ones were not looked for "
                    "(--similar does it)"
                )
            return
        places = list(self._kept.values())
        first_of: dict[int, int] = {}
        groups = duplicate_groups(form.decode(errors="surrogatepass") for form in self._kept)
        for place, group in zip(places, groups, strict=True):
            first = first_of.setdefault(group, place)
            if first != place:
                part = self._parts[(place & _PLACE_MASK) >> _LINE_BITS]
                self._report(part, place & _LINE_MASK, place, first, _SIMILAR)

    def _met(self, part: Part, line: int, place: int, first: int, own: int) -> None:
        """A text whose plain form was there before."""
        before = first >> _HASH_BITS
        if first & _HASH_MASK == own:
            self._report(part, line, place, before, _EQUAL)
            return
        variant = self._variants.setdefault(own, place)
        if variant != place:
            self._report(part, line, place, variant, _EQUAL)
        else:
            self._report(part, line, place, before, _PLAIN)

    def _report(self, part: Part, line: int, place: int, first: int, degree: tuple[str, str, str]) -> None:
        there = self._parts[(first & _PLACE_MASK) >> _LINE_BITS]
        earlier = f"{there.name}:{first & _LINE_MASK}" if there is not part else f"line {first & _LINE_MASK}"
        prefix, same, but = degree
        message = f"{same} {earlier}{but}"
        same_labels = first >> _PLACE_BITS == place >> _PLACE_BITS
        if not same_labels:
            message += ", with other labels"
        if there is not part:
            part.add(f"{prefix}overlap", message, line)
        else:
            part.add(f"{prefix}{'duplicate' if same_labels else 'contradiction'}", message, line)


_EQUAL = ("", "the same text as", "")
_PLAIN = ("near_", "the same text as", " but for case, punctuation and space")
_SIMILAR = ("near_", "nearly the same words as", "")
"""The three degrees: what the code begins with, and what stands around the earlier place."""

_LINE_BITS, _PART_BITS, _HASH_BITS = 40, 12, 64
_PLACE_BITS = _LINE_BITS + _PART_BITS
_LINE_MASK, _PLACE_MASK, _HASH_MASK = (1 << _LINE_BITS) - 1, (1 << _PLACE_BITS) - 1, (1 << _HASH_BITS) - 1
