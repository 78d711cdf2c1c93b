"""Texts that say the same: equal but for case, punctuation and space, or made of nearly the same words.

Where no words are set apart, as in Chinese, Japanese or Thai, pairs of characters stand for them.

The second kind is found by the prefix filter of Chaudhuri, Ganti and Kaushik, "A Primitive Operator for
Similarity Joins in Data Cleaning" (2006): two sets of n words that share nine tenths share at least one of
the rarest n - ⌈0.9·n⌉ + 1 words of each, so only texts that meet in such a word are compared. Unlike with
hashes, nothing is left to chance.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from hashlib import blake2b
from itertools import count
from operator import add
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "MOST_DISTINCT",
    "MOST_WORDS",
    "SIMILARITY",
    "TOO_MANY",
    "composed",
    "duplicate_groups",
    "encoded_words",
    "merged",
    "plain",
    "plain_of_composed",
    "similar_groups",
    "words_of",
]

SIMILARITY = 0.9
"""Texts are near duplicates if this share of all words that occur in either occurs in both (Jaccard)."""

MOST_COMPARED = 200
"""A text is compared with at most so many that share one rare word: those of nearest length and words."""

MOST_WORDS, MOST_DISTINCT = 100_000_000, 10_000_000
"""Similar texts are looked for among so many words in all, and so many distinct ones, which bounds memory."""
TOO_MANY = f"more than {MOST_WORDS:,} words, or {MOST_DISTINCT:,} distinct ones"

_LONG = 64
"""Characters; where words are longer than this on average, as where none are set apart, hashes are kept."""

_BLOCK = 1 << 20
"""About so many words are worked on at once, so that memory is for what is kept."""

_EPSILON = 1e-9
"""What a product of two floats may be off."""


class _WithoutPunctuation(dict[int, int | None]):
    """What `str.translate` needs to take punctuation out; a character is looked up when it is first met."""

    def __missing__(self, code: int) -> int | None:
        is_punctuation = unicodedata.category(chr(code)).startswith("P")
        kept = self[code] = None if is_punctuation else code
        return kept


_WITHOUT_PUNCTUATION = _WithoutPunctuation()


def composed(text: str) -> str:
    """The text in the one spelling of what looks alike, as accents and full width (Unicode's NFKC)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def plain(text: str) -> str:
    """The text without differences of case, punctuation and space; never empty unless the text is blank."""
    return plain_of_composed(composed(text))


def plain_of_composed(text: str) -> str:
    """`plain` for a text that is `composed` already."""
    folded = text.casefold()
    return " ".join(folded.translate(_WITHOUT_PUNCTUATION).split()) or " ".join(folded.split())


# Ideographs and their marks, kana, bopomofo, Thai, Lao, Tibetan, Burmese, Khmer: no space between words.
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U000323af"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_MAY_BE_UNSPACED = re.compile(rb"[\xe0-\xe9\xef\xf0]")
"""What the UTF-8 of such a character begins with."""


def words_of(form: str) -> list[str]:
    """The words of a `plain` text; of scripts that set no words apart, pairs of neighbouring characters."""
    words = form.split()
    if form.isascii() or not _HAS_UNSPACED.search(form):
        return words
    found: list[str] = []
    for word in words:
        for run in _RUNS.findall(word):
            is_word = len(run) == 1 or not _HAS_UNSPACED.match(run)
            found += [run] if is_word else map(add, run, run[1:])
    return found


def encoded_words(form: bytes) -> list[bytes]:
    """The same for a text as UTF-8."""
    if not _MAY_BE_UNSPACED.search(form):
        return form.split(b" ")
    return [word.encode("utf-8", "surrogatepass") for word in words_of(form.decode("utf-8", "surrogatepass"))]


def _hash(text: str) -> bytes:
    """128 bits: as good as the text to tell whether two are equal, and smaller."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _ignore() -> None:
    pass


def duplicate_groups(
    texts: Iterable[str], *, similarity: float = SIMILARITY, on_too_many: Callable[[], object] = _ignore
) -> list[int]:
    """The group of each text, counted from 0 in order of appearance; texts that say the same share one.

    Texts are the same if they are equal when `plain`, or if their sets of words have a Jaccard similarity of
    at least `similarity` (above 1: only equal ones); a blank text is like no other. Groups are closed: if a
    is like b and b like c, all are one. The comparison is exact, except that a text meets at most
    `MOST_COMPARED` others in one word. Beyond `MOST_WORDS` or `MOST_DISTINCT`, `on_too_many` is called, and
    only equal texts are found: with some 200 bytes a text, whatever its length.
    """
    known: dict[bytes | int, int] = {}
    equal = array("q")

    def distinct() -> Iterator[Sequence[str | bytes]]:
        for place, text in enumerate(texts):
            same = plain(text)
            known_before = len(known)
            index = known.setdefault(_hash(same) if same else place, known_before)
            equal.append(index)
            if index == known_before:
                words = words_of(same)
                is_long = len(same) > _LONG * len(words)
                yield [_hash(word) if len(word) > _LONG else word for word in words] if is_long else words

    found = similar_groups(distinct(), similarity=similarity, on_too_many=on_too_many)
    known.clear()
    roots = np.array(found, np.int64)
    return _in_order(roots[np.array(equal, np.int64)].tolist())


def similar_groups(
    texts: Iterable[Sequence[Hashable]],
    *,
    similarity: float = SIMILARITY,
    on_too_many: Callable[[], object] = _ignore,
) -> list[int]:
    """The group of each text, as `duplicate_groups` has it, for the words of texts that are `plain` already.

    Equal texts without words are not taken for one.
    """
    numbers: defaultdict[Hashable, int] = defaultdict(count().__next__)
    words, lengths = array("i"), array("q")
    is_sought = similarity <= 1
    for own in texts:
        lengths.append(len(own))
        if is_sought:
            words.fromlist(list(map(numbers.__getitem__, own)))
            if len(words) > MOST_WORDS or len(numbers) > MOST_DISTINCT:
                is_sought = False
                words = array("i")
                numbers.clear()
                on_too_many()
    numbers.clear()
    groups = _Groups(len(lengths))
    if is_sought and words:
        sets = _WordSets.of(np.frombuffer(words, np.int32), np.frombuffer(lengths, np.int64))
        sets.join_similar(similarity, groups)
    return _in_order(groups.roots().tolist())


def _in_order(groups: Iterable[int]) -> list[int]:
    """The same groups, counted from 0 in order of appearance."""
    found: dict[int, int] = {}
    return [found.setdefault(group, len(found)) for group in groups]


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
    return _in_order(groups.find(own) for own in first)


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

    def roots(self) -> Ints:
        """What `find` says of every number."""
        roots = np.array(self._above, np.int64)
        while (roots != roots[roots]).any():
            roots = roots[roots]
        return roots


class _WordSets:
    """The words of each text, without order and repetition.

    `ranks` holds the words of one text after the other, ascending, the rarest word of all being 0; text t has
    those from `starts[t]` to `starts[t + 1]`.
    """

    def __init__(self, ranks: NDArray[np.int32], sizes: Ints) -> None:
        self.ranks, self.sizes = ranks, sizes
        self.starts = _starts(sizes)

    @classmethod
    def of(cls, words: NDArray[np.int32], lengths: Ints) -> _WordSets:
        """From the numbers of the words of all texts, and how many of them each text has.

        The ranks take the place of the words: memory for both would be twice as much.
        """
        counts = np.zeros(int(words.max()) + 1, np.int64)
        for at in range(0, len(words), max(_BLOCK, len(counts))):
            counts += np.bincount(words[at : at + max(_BLOCK, len(counts))], minlength=len(counts))
        rank = np.empty(len(counts), np.int32)
        rank[np.argsort(counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
        sizes = np.empty(len(lengths), np.int64)
        filled = 0
        starts = _starts(lengths)
        for first, last in _blocks(starts):
            keys = np.repeat(np.arange(last - first) << 32, lengths[first:last])
            keys |= rank[words[starts[first] : starts[last]]]
            keys.sort()
            keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
            sizes[first:last] = np.bincount(keys >> 32, minlength=last - first)
            words[filled : filled + len(keys)] = keys & 0xFFFFFFFF
            filled += len(keys)
        return cls(words[:filled], sizes)

    def join_similar(self, similarity: float, groups: _Groups) -> None:
        """Join the sets of texts whose words are similar.

        Of two texts, the one with fewer words is found by its rarest ones, of which it needs no more than if
        both had as few.
        """
        sizes = self.sizes
        reach = sizes - np.ceil(similarity * sizes - _EPSILON).astype(np.int64) + 1
        shown = sizes - np.ceil(2 * similarity / (1 + similarity) * sizes - _EPSILON).astype(np.int64) + 1
        reach = np.minimum(reach, sizes)
        texts = np.repeat(np.arange(len(sizes), dtype=np.int32), reach)
        place = np.arange(len(texts)) - (np.cumsum(reach) - reach)[texts]
        ranks = self.ranks[self.starts[texts] + place]
        is_shown = place < shown[texts]
        del place
        keys = self._order()[texts]
        keys += ranks * np.int64(len(sizes))
        by_word = np.argsort(keys, kind="stable")
        del keys
        texts, ranks, is_shown = texts[by_word], ranks[by_word], is_shown[by_word]
        del by_word
        marks = self._marks()
        # A step compares each text with the one that stands so many places before it under the same word.
        later = np.arange(len(texts))
        for step in range(1, MOST_COMPARED + 1):
            later = later[later >= step]
            near = ranks[later] == ranks[later - step]
            near &= sizes[texts[later - step]] >= similarity * sizes[texts[later]] - _EPSILON
            later = later[near]
            if not len(later):
                return
            pairs = later[is_shown[later - step]]
            one, two = texts[pairs], texts[pairs - step]
            differing = (1 - similarity) / (1 + similarity) * (sizes[one] + sizes[two]) + _EPSILON
            likely = _bits(marks[one] ^ marks[two]) <= differing
            roots = groups.roots()
            likely &= roots[one] != roots[two]
            for first, second in zip(one[likely].tolist(), two[likely].tolist(), strict=True):
                if self._similarity(first, second) >= similarity - _EPSILON:
                    groups.join(first, second)

    def _order(self) -> Ints:
        """The place of each text in an order from few words to many, alike ones near each other."""
        last = len(self.ranks) - 1
        first, second = (self.ranks[np.minimum(self.starts[:-1] + place, last)] for place in (0, 1))
        order = np.empty(len(self.sizes), np.int64)
        order[np.lexsort((second, first, self.sizes))] = np.arange(len(self.sizes))
        return order

    def _marks(self) -> NDArray[np.uint64]:
        """A bit for each word, the bits of a text added without carry: those of two differ in at most as many
        bits as the texts in words.
        """
        marks = np.zeros(len(self.sizes), np.uint64)
        for first, last in _blocks(self.starts):
            start, end = self.starts[first], self.starts[last]
            spread = self.ranks[start:end].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            bits = np.uint64(1) << (spread >> np.uint64(58))
            worded = first + np.flatnonzero(self.sizes[first:last])
            if len(worded):
                marks[worded] = np.bitwise_xor.reduceat(bits, self.starts[worded] - start)
        return marks

    def _similarity(self, one: int, two: int) -> float:
        own = set(self.ranks[self.starts[one] : self.starts[one + 1]].tolist())
        common = len(own.intersection(self.ranks[self.starts[two] : self.starts[two + 1]].tolist()))
        return common / int(self.sizes[one] + self.sizes[two] - common)


def _starts(sizes: Ints) -> Ints:
    """Where each text's words begin, and where the last ones end: int64 (n_texts + 1,)."""
    return np.concatenate([[0], np.cumsum(sizes)])


def _blocks(starts: Ints) -> Iterator[tuple[int, int]]:
    """Texts one after the other, as many at a time as have `_BLOCK` words, or one that has more."""
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        yield first, max(last, first + 1)
        first = max(last, first + 1)


def _bits(numbers: NDArray[np.uint64]) -> Ints:
    """How many bits of each number are set."""
    counts: Ints = _IN_16_BITS[numbers.view(np.uint16).reshape(-1, 4)].sum(axis=1)
    return counts


_IN_16_BITS = np.array([number.bit_count() for number in range(1 << 16)], np.int64)
