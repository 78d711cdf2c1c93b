"""Texts that say the same: equal but for case, punctuation and space, or made of nearly the same words.

The second kind is found by the prefix filter of Chaudhuri, Ganti and Kaushik, "A Primitive Operator for
Similarity Joins in Data Cleaning" (2006): two sets of n words that share nine tenths share at least one of
the rarest n - ⌈0.9·n⌉ + 1 words of each, so only texts that meet in such a word are compared. Unlike with
hashes, nothing is left to chance.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["SIMILARITY", "duplicate_groups", "merged", "plain"]

SIMILARITY = 0.9
"""Texts are near duplicates if this share of all words that occur in either occurs in both (Jaccard)."""

MOST_COMPARED = 200
"""A text is compared with at most so many that share one rare word: those of nearest length and words."""


@cache
def _punctuation() -> dict[int, None]:
    every = range(sys.maxunicode + 1)
    return {code: None for code in every if unicodedata.category(chr(code)).startswith("P")}


def plain(text: str) -> str:
    """The text without differences of case, punctuation and space; never empty unless the text is blank."""
    folded = text.casefold()
    return " ".join(folded.translate(_punctuation()).split()) or " ".join(folded.split())


def duplicate_groups(texts: Iterable[str], *, similarity: float = SIMILARITY) -> list[int]:
    """The group of each text, counted from 0 in order of appearance; texts that say the same share one.

    Texts are the same if they are equal when `plain`, or if their sets of words have a Jaccard similarity of
    at least `similarity` (above 1: only equal ones); a blank text is like no other. Groups are closed: if a
    is like b and b like c, all are one. The comparison is exact, except that a text meets at most
    `MOST_COMPARED` others in one word.
    """
    known: dict[str | int, int] = {}
    equal = [known.setdefault(plain(text) or number, len(known)) for number, text in enumerate(texts)]
    groups = _Groups(len(known))
    if similarity <= 1:
        _join_similar([text if isinstance(text, str) else "" for text in known], similarity, groups)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(groups.find(index), len(numbers)) for index in equal]


def merged(*groupings: Sequence[int]) -> list[int]:
    """One grouping, counted from 0 in order of appearance, that keeps together what any of them does.

    Each gives the group of every item, counted from 0.
    """
    first, *others = groupings
    groups = _Groups(max(first, default=-1) + 1)
    for other in others:
        met: dict[int, int] = {}
        for own, group in zip(first, other, strict=True):
            groups.join(own, met.setdefault(group, own))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(groups.find(own), len(numbers)) for own in first]


class _Groups:
    """Disjoint sets of the numbers below n."""

    def __init__(self, n: int) -> None:
        self._above = list(range(n))

    def find(self, index: int) -> int:
        """The number that stands for the set."""
        above = self._above
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    def join(self, one: int, two: int) -> None:
        """Make two sets one."""
        self._above[self.find(one)] = self.find(two)


def _join_similar(texts: Sequence[str], similarity: float, groups: _Groups) -> None:
    """Join texts with nearly the same words; the texts are plain, and all different."""
    frequency = Counter(word for text in texts for word in text.split())
    rank = {word: position for position, (word, _) in enumerate(reversed(frequency.most_common()))}
    sets = [sorted({rank[word] for word in text.split()}) for text in texts]
    # From few words to many, so that a text meets those before it only; alike ones stand near each other.
    order = sorted(range(len(sets)), key=lambda index: (len(sets[index]), sets[index]))
    meeting: dict[int, list[int]] = {}
    for one in order:
        words = sets[one]
        least = math.ceil(similarity * len(words) - 1e-9)
        own = set(words)
        compared = set()
        for word in words[: len(words) - least + 1]:
            others = meeting.setdefault(word, [])
            for two in reversed(others[-MOST_COMPARED:]):
                if len(sets[two]) < least:
                    break
                if two not in compared:
                    compared.add(two)
                    common = len(own.intersection(sets[two]))
                    if common >= similarity * (len(words) + len(sets[two]) - common) - 1e-9:
                        groups.join(one, two)
            others.append(one)
