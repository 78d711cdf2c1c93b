"""Features counted for many texts at once are those of each text by itself."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.local.engines.linear.corpus import CHUNK, Corpus, FeatureCounts
from labeltune.local.engines.linear.features import Vocabulary, pieces_of, plain, values_of, words_of
from labeltune.local.engines.linear.optimiser import MiniBatch

HOSTILE = [
    "",
    " \t ",
    "aaaa aaa aaaa!",
    "İstanbul STRASSE straße",
    "a \ud800 b",
    "日本語のテキストです。日本語のテキストです。",
    "x" * 300 + " " + "x" * 300,
    "one\x1ctwo\u2028three\x85four",
]

texts_of_few_words = st.lists(st.text(alphabet="ab ,é", max_size=12), min_size=1, max_size=12)


def occurring(texts: list[str]) -> Counter[str]:
    """In how many texts each feature occurs, counted one by one; a piece has a mark before it."""
    found: Counter[str] = Counter()
    for text in texts:
        words = words_of(plain(text))
        pieces = {f"~{piece}" for token in plain(text).split() for piece in pieces_of(token)}
        found.update({*words, *(f"{left} {right}" for left, right in pairwise(words)), *pieces})
    return found


def named(vocabulary: Vocabulary) -> set[str]:
    return {*vocabulary.words, *(f"~{piece}" for piece in vocabulary.pieces)}


@given(texts_of_few_words, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_the_vocabulary_is_what_occurs_often_enough(texts: list[str], rows: int) -> None:
    vocabulary = Corpus([*texts, "only in hints"]).vocabulary(len(texts), rows=rows, largest=10_000)
    assert named(vocabulary) == {feature for feature, count in occurring(texts).items() if count >= rows}
    assert list(chain(vocabulary.words.values(), vocabulary.pieces.values())) == list(range(len(vocabulary)))


@given(texts_of_few_words, st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_of_too_many_features_the_commonest_are_kept(texts: list[str], largest: int) -> None:
    kept = named(Corpus(texts).vocabulary(len(texts), rows=1, largest=largest))
    counts = occurring(texts)
    assert len(kept) == min(largest, len(counts))
    left_out = [count for feature, count in counts.items() if feature not in kept]
    assert min((counts[feature] for feature in kept), default=0) >= max(left_out, default=0) or not kept


@pytest.mark.parametrize("others", [False, True], ids=["its-own-texts", "other-texts"])
def test_counts_are_those_of_each_text_in_any_order(others: bool) -> None:
    rng = np.random.default_rng(0)
    words = ["card", "cards", "lost", "stolen", "my", "where", "é", "!", "un-lost"]
    texts = HOSTILE + [" ".join(rng.choice(words, size=rng.integers(0, 9))) for _ in range(CHUNK + 200)]
    corpus = Corpus(texts)
    vocabulary = corpus.vocabulary(len(texts), rows=1 if others else 2, largest=10_000)
    if others:
        texts = [*HOSTILE, "never lost cards", "unseen words , only"]
        corpus = Corpus(texts)
    order = rng.permutation(len(texts))
    counts = FeatureCounts(corpus, vocabulary).of(order)
    batch = MiniBatch.of(order, counts)
    x = batch.x()
    for row, text in enumerate(order.tolist()):
        numbers, values = vocabulary.features(texts[text])
        part = slice(counts.indptr[row], counts.indptr[row + 1])
        assert counts.indices[part].tolist() == numbers.tolist()
        assert values_of(counts.data[part]).tolist() == values.tolist()
        assert batch.columns[x.indices[part]].tolist() == numbers.tolist()
        assert x.data[part].tolist() == values.tolist()


def test_a_count_beyond_a_byte_is_kept() -> None:
    corpus = Corpus(["a " * 300, "a b", "b " * 70_000])
    vocabulary = corpus.vocabulary(3, rows=1, largest=100)
    batch = MiniBatch.of(np.arange(3), FeatureCounts(corpus, vocabulary).of(np.arange(3)))
    word = int(np.flatnonzero(batch.columns == vocabulary.words["a"])[0])
    assert batch.matrix(batch.counts).toarray()[:, word].tolist() == [300, 1, 0]
    assert int(batch.counts.max()) == 70_000


def test_no_texts_and_no_features() -> None:
    vocabulary = Corpus(["", ""]).vocabulary(2, rows=1, largest=100)
    assert len(vocabulary) == 0
    assert FeatureCounts(Corpus(["a b"]), vocabulary).of(np.arange(1)).shape == (1, 0)
    assert FeatureCounts(Corpus([]), vocabulary).of(np.arange(0)).shape == (0, 0)
