"""Which row comes next."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from labeltune.collect.label.order import GIVEN, RANDOM, UNCERTAIN, Order

KEYS = [f"{n:032x}" for n in range(2_000)]


def taken(
    order: Order, count: int, done: set[int] | None = None, reader: str = "ann"
) -> list[tuple[int, str]]:
    """The next rows for a reader; each is then done."""
    done = set() if done is None else done
    found: list[tuple[int, str]] = []
    counts: dict[str, int] = {}
    while len(found) < count:
        step = list(islice(order.next(reader, lambda place, _: place not in done, counts), 1))
        if not step:
            break
        done.add(step[0][0])
        found += step
    return found


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_the_share_of_random_rows_is_kept_from_the_first_row_on(share: float) -> None:
    found = taken(Order(UNCERTAIN, KEYS, share), 400)
    for so_far in (10, 50, 400):
        drawn = Counter(sample for _, sample in found[:so_far])[RANDOM]
        assert drawn == int(share * so_far)


def test_the_smallest_margin_comes_first_and_never_a_random_row() -> None:
    order = Order(UNCERTAIN, KEYS, 0.2)
    margins = np.random.default_rng(1).random(len(KEYS), dtype=np.float32)
    margins[7] = np.nan
    order.rank(margins)
    found = taken(order, len(KEYS))
    assert sorted(place for place, _ in found) == list(range(len(KEYS)))
    asked = [place for place, sample in found if sample == UNCERTAIN and place != 7]
    assert all(margins[a] <= margins[b] for a, b in pairwise(asked))
    assert {place for place, sample in found if sample == RANDOM} == {
        place for place in range(len(KEYS)) if order.sample(place) == RANDOM
    }


def test_what_is_answered_of_the_random_sample_is_a_plain_random_sample() -> None:
    """Whatever the margins say: here the model is unsure of one half of the rows, and these are all asked first."""
    order = Order(UNCERTAIN, KEYS, 0.2)
    order.rank(np.where(np.arange(len(KEYS)) % 2, 0.9, 0.1).astype(np.float32))
    found = taken(order, 500)
    odd = [place % 2 for place, sample in found if sample == RANDOM]
    assert len(odd) == 100
    assert abs(sum(odd) - 50) < 4 * np.sqrt(100 / 4)  # four standard deviations; the hashes never change
    assert sum(place % 2 for place, sample in found if sample == UNCERTAIN) == 0


def test_a_row_stays_in_or_out_of_the_sample_when_others_come_and_go() -> None:
    before, after = Order(UNCERTAIN, KEYS, 0.2), Order(UNCERTAIN, [*KEYS[500:], "new"], 0.2)
    assert [before.sample(place) for place in range(500, 2_000)] == [after.sample(n) for n in range(1_500)]


def test_given_and_random() -> None:
    assert taken(Order(GIVEN, KEYS, 0.2), 3) == [(0, GIVEN), (1, GIVEN), (2, GIVEN)]
    drawn = taken(Order(RANDOM, KEYS, 0.2), 2_000)
    assert {sample for _, sample in drawn} == {RANDOM}
    assert [place for place, _ in drawn] != list(range(2_000))
    assert taken(Order(RANDOM, KEYS, 0.2), 2_000) == drawn


def test_rows_that_were_not_free_come_again_after_a_new_start() -> None:
    order = Order(GIVEN, KEYS[:3], 0.0)
    counts: dict[str, int] = {}
    assert [place for place, _ in order.next("ann", lambda place, _: place == 2, counts)] == [2]
    assert list(order.next("ann", lambda *_: True, counts)) == []
    order.start_over()
    assert [place for place, _ in order.next("ann", lambda *_: True, counts)] == [0, 1, 2]


def test_each_reader_reads_from_the_front() -> None:
    order = Order(GIVEN, KEYS, 0.0)
    assert taken(order, 2, reader="ann") == taken(order, 2, reader="bob")
