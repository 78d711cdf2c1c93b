"""Whether a text is written in another language than the rows that it should be like.

No model of languages is needed: what is known of the language is the rows themselves. A text whose letters
are of a script that no row uses is in another one; so is one that has hardly any word that a row has, by the
measure of how many words of each row the other rows have.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from labeltune.prepare.duplicates import plain, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Language"]

_SHARE = 0.3
"""A text is of another script if so many of its letters are."""
_WORDS = 5
"""Texts of fewer words tell nothing by them."""
_ROWS = 20
"""So many rows of enough words it takes to say what is usual."""
_QUANTILE, _PART = 0.05, 0.5
"""A text has too few known words if it has less than half of what 5 in 100 rows fall short of."""


class Language:
    """The language of some rows."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._scripts = {script for text in texts for script in _scripts(text)}
        rows = [words_of(plain(text)) for text in texts]
        counts = Counter(word for words in rows for word in set(words))
        self._words = frozenset(counts)
        shares = [
            sum(counts[word] > 1 for word in words) / len(words) for words in rows if len(words) >= _WORDS
        ]
        self._least = _PART * float(np.quantile(shares, _QUANTILE)) if len(shares) >= _ROWS else 0.0

    def is_other(self, text: str) -> bool:
        """Whether a text is in another language; False where that cannot be told."""
        scripts = _scripts(text)
        letters = sum(scripts.values())
        if (
            letters
            and sum(n for script, n in scripts.items() if script not in self._scripts) > _SHARE * letters
        ):
            return True
        words = words_of(plain(text))
        return len(words) >= _WORDS and sum(word in self._words for word in words) < self._least * len(words)


def _scripts(text: str) -> Counter[str]:
    """The scripts of a text's letters, by the first word of their names in Unicode."""
    return Counter(_script(char) for char in text if char.isalpha())


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "UNKNOWN").partition(" ")[0]
