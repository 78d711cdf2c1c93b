from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.prepare import duplicates
from labeltune.prepare.duplicates import SIMILARITY, duplicate_groups, merged, plain


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Where is my card?", "where is my card"),
        ("  WHERE\tis\nmy  card!! ", "where is my card"),
        ("Straße", "STRASSE"),
        ("«ça», va", "ça va"),
        ("?!", " ?! "),
    ],
)
def test_plain_texts_are_the_same(text: str, same: str) -> None:
    assert plain(text) == plain(same)
    assert duplicate_groups([text, "something else", same]) == [0, 1, 0]


def test_signs_alone_are_not_nothing() -> None:
    assert plain("?!") == "?!"
    assert plain(" \n") == ""


def test_blank_texts_are_like_none() -> None:
    assert duplicate_groups(["", "a", " ", "", "A"]) == [0, 1, 2, 3, 1]
    assert duplicate_groups([]) == []


def test_nine_words_of_ten_are_near() -> None:
    words = [f"w{number}" for number in range(20)]
    text = " ".join(words)
    near = " ".join([*words[:19], "other"])  # 19 of 21 words are in both
    far = " ".join([*words[:18], "one", "two"])  # 18 of 22
    assert SIMILARITY == 0.9
    assert duplicate_groups([text, near]) == [0, 0]
    assert duplicate_groups([text, far]) == [0, 1]
    assert duplicate_groups([text, near], similarity=1.1) == [0, 1]
    assert duplicate_groups([text, " ".join(words[:18])]) == [0, 0]  # 18 of 20: just enough
    assert duplicate_groups([text, " ".join(reversed(words))]) == [0, 0]


def test_groups_are_closed() -> None:
    words = [f"w{number}" for number in range(20)]
    chain = [" ".join([*[f"x{number}" for number in range(step)], *words[step:]]) for step in range(4)]
    assert duplicate_groups(chain) == [0, 0, 0, 0]
    assert duplicate_groups([chain[0], chain[3]]) == [0, 1]


def some_texts(rng: random.Random, number: int) -> list[str]:
    """Texts of few originals, with some of their words exchanged."""
    vocabulary = [f"w{number}" for number in range(rng.choice([4, 15, 60]))]
    originals = [rng.choices(vocabulary, k=rng.randint(0, 30)) for _ in range(6)]
    texts = []
    for _ in range(number):
        words = list(rng.choice(originals))
        for _ in range(rng.randint(0, 3) if words else 0):
            words[rng.randrange(len(words))] = rng.choice(vocabulary)
        texts.append(" ".join(words))
    return texts


def by_comparing_all(texts: list[str], similarity: float) -> list[int]:
    sets = [set(plain(text).split()) for text in texts]
    group = list(range(len(texts)))
    for one, two in combinations(range(len(texts)), 2):
        both = sets[one] & sets[two]
        if sets[one] and len(both) >= similarity * len(sets[one] | sets[two]) - 1e-9:
            group = [group[one] if own == group[two] else own for own in group]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(own, len(numbers)) for own in group]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_the_same_as_comparing_all_with_all(seed: int, similarity: float) -> None:
    rng = random.Random(seed)
    texts = some_texts(rng, rng.randint(0, 40))
    assert duplicate_groups(texts, similarity=similarity) == by_comparing_all(texts, similarity)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_merged_groupings_keep_together_what_each_keeps(rows: list[tuple[int, int, int]]) -> None:
    groupings = [[row[place] for row in rows] for place in range(3)] if rows else [[], [], []]
    together = merged(*groupings)
    for one, two in combinations(range(len(rows)), 2):
        if any(grouping[one] == grouping[two] for grouping in groupings):
            assert together[one] == together[two]
    # Nothing is kept together without a reason: within a group, each row is linked to the others.
    for group in set(together):
        members = {row for row in range(len(rows)) if together[row] == group}
        reached, new = set(), {min(members)}
        while new:
            reached |= new
            new = {
                other
                for other in members - reached
                if any(grouping[one] == grouping[other] for grouping in groupings for one in reached)
            }
        assert reached == members


def test_merging_one_grouping_renumbers_it() -> None:
    assert merged([5, 5, 2, 5]) == [0, 0, 1, 0]


@pytest.mark.parametrize("block", [1, 7, 60])
def test_words_are_looked_at_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", block)
    for seed in range(10):
        texts = ["", *some_texts(random.Random(seed), 40), "?!", ""]
        assert duplicate_groups(texts) == by_comparing_all(texts, SIMILARITY)


@pytest.mark.parametrize("limit", ["MOST_WORDS", "MOST_DISTINCT"])
def test_too_many_words_are_told_once_and_equal_texts_still_found(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    text = " ".join(f"w{number}" for number in range(20))
    texts = [text, f"{text} other", text.upper(), f"{text} other one", "", ""]
    told: list[bool] = []
    assert duplicate_groups(texts, on_too_many=lambda: told.append(True)) == [0, 0, 0, 0, 1, 2]
    assert not told
    monkeypatch.setattr(duplicates, limit, 20)
    assert duplicate_groups(texts, on_too_many=lambda: told.append(True)) == [0, 1, 0, 2, 3, 4]
    assert told == [True]


def test_texts_without_space_are_compared_by_hashes() -> None:
    long = "一" * 5000
    assert duplicate_groups([long, f"{long}。", f"{long}二", long]) == [0, 0, 1, 0]
    words = " ".join([*"abcdefghi", "ж" * 5000])
    assert duplicate_groups([words, f"x {words}", f"x {words[:-1]}"]) == [0, 0, 1]
