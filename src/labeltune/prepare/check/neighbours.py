"""Texts that stand there twice, in one file or in two: equal, equal when plain, or similar.

The last two are what `labeltune.prepare.duplicates` says, so that whatever is found here stays together in a
split.
"""

from __future__ import annotations

import re
import string
import unicodedata
from array import array
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.check.rule import Rule
from labeltune.prepare.duplicates import TOO_MANY, composed, encoded_words, plain_of_composed, similar_groups
from labeltune.pricing.tokens import BETWEEN_TEXTS, JoinedTexts
from labeltune.task.cells import nfc
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.prepare.check.part import Batch, Part
    from labeltune.prepare.check.setting import Setting

__all__ = ["MOST_ASKED", "MOST_CHARACTERS", "MOST_SIMILAR", "Neighbours", "plain_forms"]

MOST_SIMILAR = 100_000
"""So many distinct texts at most are kept to look for similar ones, unless it is asked for."""
MOST_CHARACTERS = 1 << 24
"""So many characters may they have, taken together."""
MOST_ASKED = 1 << 30
"""The same if it is asked for, for any number of texts."""

_SIGNS = b"!\"#%&'()*,-./:;?@[\\]_{}"
"""The punctuation of ASCII, as Unicode has it; `$` and `+`, say, are symbols."""
_TO_PLAIN = bytes.maketrans(
    (string.ascii_uppercase + "\t\n\v\f\r\x1c\x1d\x1e\x1f").encode(),
    (string.ascii_lowercase + " " * 9).encode(),
)
_ASCII = bytes(range(0x80)) + BETWEEN_TEXTS
_SPACE = ord(" ")


def plain_forms(joined: JoinedTexts) -> list[bytes]:
    """`plain(text)` of each text as UTF-8, many at once, in a tenth of the time: every text needs it."""
    if not _is_composed(joined):
        joined = JoinedTexts([composed(text) for text in joined.texts])
    texts, content = joined.texts, joined.content
    # Texts have few kinds of characters beyond ASCII, and of those fewer that are not plain.
    for character in sorted(set(_beyond_ascii(joined))):
        plain_one = _plain_character(character)
        if plain_one != character:
            old, new = (one.encode("utf-8", "surrogatepass") for one in (character, plain_one))
            content = new.join(content.split(old))  # in half the time of replace, which looks twice
    content = _with_single_spaces(content.translate(_TO_PLAIN, _SIGNS))
    forms = [form.strip(b" ") for form in content.split(BETWEEN_TEXTS)] if texts else []
    if b"" in forms:
        forms = [
            form or plain_of_composed(text).encode("utf-8", "surrogatepass")
            for form, text in zip(forms, texts, strict=True)
        ]
    return forms


def _is_composed(joined: JoinedTexts) -> bool:
    """Whether all texts are `composed` as they are, which the few kinds of characters beyond ASCII can tell.

    False may be said of such texts, too.
    """
    return all(map(_is_inert, set(_beyond_ascii(joined))))


@lru_cache(maxsize=1 << 16)
def _is_inert(character: str) -> bool:
    """Whether Unicode's normal forms leave a character as it is, whatever stands beside it."""
    return (
        unicodedata.is_normalized("NFKC", character)
        and not unicodedata.category(character).startswith("M")
        and not _JOINS_BEFORE.match(character)
    )


_JOINS_BEFORE = re.compile("[\u1160-\u11ff\U00016d40-\U00016d7f]")
"""Letters, not marks, that become one with a letter before them: Hangul's and Kirat Rai's vowels."""


def _beyond_ascii(joined: JoinedTexts) -> str:
    return joined.uncommon.translate(None, _ASCII).decode("utf-8", "surrogatepass")


def _with_single_spaces(content: bytes) -> bytes:
    codes = np.frombuffer(content, np.uint8)
    spaces = codes == _SPACE
    idle = np.flatnonzero(spaces[1:] & spaces[:-1])
    return np.delete(codes, idle).tobytes() if len(idle) else content


@lru_cache(maxsize=1 << 16)
def _plain_character(character: str) -> str:
    """What is left of a character in any text: case folding looks at no neighbours."""
    return plain_of_composed(f"x{character}x")[1:-1]


class _Numbers(dict[object, int]):
    """A number for each set of labels; answers stand for them where there is no task."""

    def __missing__(self, labels: object) -> int:
        number = self[labels] = len(self)
        return number


class Neighbours(Rule):
    """Keeps a hash of each text; and, to find similar ones, the plain texts themselves while they are few.

    Texts are numbered through all files. Hashes have 64 bits: among ten million texts, two different ones are
    taken for equal once in 370,000 runs.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._parts: list[Part] = []
        self._starts: list[int] = []
        """The number of each file's first text."""
        self._lines, self._labels, self._hashes = array("q"), array("q"), array("q")
        """Of each text; labels are numbers too."""
        self._number_of = _Numbers()
        self._first: dict[int, int] = {}
        """By hash of the plain text: the number of the first such text."""
        self._variants: dict[int, int] = {}
        """By hash of the text: the number of the first such one, if its plain text stood somewhere before."""
        self._repeats: list[int] = []
        """The lines of records of a training file that repeat the one before."""
        self._seeks = setting.similar is not False
        self._kept: list[bytes] = []
        self._kept_numbers = array("q")
        self._left = MOST_ASKED if setting.similar else MOST_CHARACTERS

    def begin(self, part: Part) -> None:
        """See `Rule`."""
        self._parts.append(part)
        self._starts.append(len(self._lines))

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        start = len(self._lines)
        forms = plain_forms(batch.joined)
        labels: Sequence[object] = batch.labels
        if None in labels:
            pairs = zip(batch.labels, batch.answers, strict=True)
            labels = [answer if own is None else own for own, answer in pairs]
        self._lines.extend(batch.lines)
        # Texts that differ in how their accents are written are equal.
        texts = batch.texts if _is_composed(batch.joined) else map(nfc, batch.texts)
        self._hashes.extend(map(hash, texts))
        self._labels.extend(map(self._number_of.__getitem__, labels))
        numbers = range(start, len(self._lines))
        firsts = list(map(self._first.setdefault, map(hash, forms), numbers))
        for number, first in [pair for pair in zip(numbers, firsts, strict=True) if pair[0] != pair[1]]:
            if forms[number - start]:
                self._met(part, number, first)
        if self._seeks:
            met = zip(numbers, firsts, forms, strict=True)
            new = [(number, form) for number, first, form in met if first == number and form]
            self._kept_numbers.extend(number for number, _ in new)
            self._kept += [form for _, form in new]
            self._left -= sum(map(len, forms))
            too_many = self.setting.similar is None and len(self._kept) > MOST_SIMILAR
            self._seeks = self._left >= 0 and not too_many
            if not self._seeks:
                self._kept.clear()

    def end_of(self, part: Part) -> None:
        """See `Rule`."""
        lines, self._repeats = self._repeats, []
        if lines:
            records = counted(len(lines), "record repeats", "records repeat")
            meant = "as `convert --repeat-rare` writes rows of rare labels"
            part.add("repeated", f"{records} the one before, {meant}", lines[0])

    def end(self) -> None:
        """See `Rule`."""
        if self._seeks:
            self._find_similar()
        elif self.setting.similar is None:
            self._note(f"many texts (over {MOST_SIMILAR:,}, or long)", " (--similar does it)")
        elif self.setting.similar:
            self._note(f"texts of more than {MOST_ASKED:,} characters")

    def _note(self, why: str, remedy: str = "") -> None:
        self._parts[-1].notes.append(f"{why}: similar ones were not looked for{remedy}")

    def _find_similar(self) -> None:
        first_of: dict[int, int] = {}
        words = map(encoded_words, self._kept)
        groups = similar_groups(words, on_too_many=lambda: self._note(TOO_MANY))
        for number, group in zip(self._kept_numbers, groups, strict=True):
            first = first_of.setdefault(group, number)
            if first != number:
                self._report(self._part_of(number), number, first, _SIMILAR)

    def _met(self, part: Part, number: int, first: int) -> None:
        """A text whose plain form was there before."""
        own = self._hashes[number]
        if self._repeats_last(part, number):
            self._repeats.append(self._lines[number])
            return
        if own == self._hashes[first]:
            self._report(part, number, first, _EQUAL)
            return
        variant = self._variants.setdefault(own, number)
        if variant != number:
            self._report(part, number, variant, _EQUAL)
        else:
            self._report(part, number, first, _PLAIN)

    def _repeats_last(self, part: Part, number: int) -> bool:
        """Whether it is the record before once more, in a chat file for training."""
        return (
            (part.role, part.kind) == ("train", "chat")
            and number > self._starts[-1]
            and self._lines[number] == self._lines[number - 1] + 1
            and self._hashes[number] == self._hashes[number - 1]
            and self._labels[number] == self._labels[number - 1]
        )

    def _part_of(self, number: int) -> Part:
        return self._parts[bisect_right(self._starts, number) - 1]

    def _report(self, part: Part, number: int, first: int, degree: tuple[str, str, str]) -> None:
        there = self._part_of(first)
        earlier = f"line {self._lines[first]}" if there is part else f"{there.name}:{self._lines[first]}"
        prefix, same, but = degree
        message = f"{same} {earlier}{but}"
        same_labels = self._labels[number] == self._labels[first]
        if not same_labels:
            message += ", with other labels"
        kind = "overlap" if there is not part else "duplicate" if same_labels else "contradiction"
        part.add(f"{prefix}{kind}", message, self._lines[number])


_EQUAL = ("", "the same text as", "")
_PLAIN = ("near_", "the same text as", " but for case, punctuation and space")
_SIMILAR = ("near_", "nearly the same words as", "")
"""The three degrees: what the code begins with, and what stands around the earlier place."""
