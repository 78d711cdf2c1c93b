from __future__ import annotations

import hashlib

import numpy as np
import pytest

from labeltune.prepare.stratify import NO_PART, Combinations, deviation, stratify
from labeltune.prepare.stratify.integer_arrays import distinct_rows, hashed, ranges, shuffled, smallest, sums


def sizes_of(parts: np.ndarray, n_parts: int) -> list[int]:
    return [int(size) for size in np.bincount(parts[parts >= 0], minlength=n_parts)]


def test_quotas_are_exact_where_they_can_be() -> None:
    classes = np.repeat([0, 1, 2], [100, 50, 10])
    parts = stratify(Combinations.of_classes(classes), [128, 16, 16], seed=1)
    counts = Combinations.of_classes(classes).counts(parts, 3)
    assert counts.tolist() == [[80, 40, 8], [10, 5, 1], [10, 5, 1]]


def test_what_the_sizes_leave_is_in_no_part() -> None:
    parts = stratify(Combinations.of_classes(np.arange(100) % 4), [40, 20], seed=1)
    assert sizes_of(parts, 2) == [40, 20]
    assert (parts == NO_PART).sum() == 40


def test_labels_that_occur_once_go_where_most_rows_are() -> None:
    vectors = np.zeros((200, 20), np.bool_)
    vectors[:, 0] = True
    vectors[np.arange(1, 20), np.arange(1, 20)] = True
    counts = Combinations.of_vectors(vectors).counts(
        stratify(Combinations.of_vectors(vectors), [160, 20, 20], seed=3), 3
    )
    assert counts[:, 0].tolist() == [160, 20, 20]
    assert counts[0, 1:].sum() >= 15


def test_labels_that_occur_twice_are_in_two_of_two_equal_parts() -> None:
    vectors = np.zeros((200, 20), np.bool_)
    vectors[np.arange(40), np.arange(40) // 2] = True
    combinations = Combinations.of_vectors(vectors)
    assert (combinations.counts(stratify(combinations, [100, 100], seed=3), 2) == 1).all()


def test_a_group_stays_in_one_part() -> None:
    rng = np.random.default_rng(5)
    groups = np.unique(rng.integers(0, 200, 1000), return_inverse=True)[1]
    vectors = rng.random((1000, 5)) < 0.2
    parts = stratify(Combinations.of_vectors(vectors), [800, 100, 100], seed=3, groups=groups)
    for group in range(groups.max() + 1):
        assert len(set(parts[groups == group])) == 1
    largest = np.bincount(groups).max()
    assert (np.abs(np.array(sizes_of(parts, 3)) - [800, 100, 100]) < largest).all()
    assert deviation(Combinations.of_vectors(vectors), parts, 3) < 0.03


def test_groups_of_one_row_change_no_size() -> None:
    rng = np.random.default_rng(6)
    groups = np.concatenate([np.repeat(np.arange(40), 5), np.arange(40, 140)])
    combinations = Combinations.of_vectors(rng.random((300, 4)) < 0.3)
    assert sizes_of(stratify(combinations, [200, 70, 30], seed=0, groups=groups), 3) == [200, 70, 30]


@pytest.mark.parametrize("sizes", [[5, 6], [0, 10], [], [-1, 5]], ids=str)
def test_sizes_that_do_not_fit(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        stratify(Combinations.of_classes(np.zeros(10, np.int64)), sizes, seed=0)


def test_many_classes_cost_no_matrix_of_pairs() -> None:
    combinations = Combinations.of_classes(np.arange(50_000) // 2)
    parts = stratify(combinations, [25_000, 25_000], seed=1)
    assert (combinations.counts(parts, 2) == 1).all()


def test_seeds_differ() -> None:
    combinations = Combinations.of_classes(np.zeros(1000, np.int64))
    one, two = (stratify(combinations, [500, 500], seed=seed) for seed in (1, 2))
    assert 400 < (one == two).sum() < 600


def test_the_parts_are_the_same_everywhere() -> None:
    # Changes to the algorithm change this hash; a machine or a version of numpy must not.
    rows = np.arange(5000, dtype=np.uint64)
    vectors = np.stack([hashed(rows + np.uint64(7919 * label)) % 11 < label for label in range(8)], axis=1)
    parts = stratify(Combinations.of_vectors(vectors), [4000, 500, 500], seed=42)
    assert hashlib.sha256(parts.astype("<i8").tobytes()).hexdigest()[:16] == "9f09eccb1afe5f40"


def test_splitmix64() -> None:
    # The first outputs of the published generator for the state 1234567.
    step = np.uint64(0x9E3779B97F4A7C15)
    states = np.uint64(1234567) + step * np.arange(3, dtype=np.uint64)
    assert hashed(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_array_operations() -> None:
    assert ranges(np.array([3, 7, 7]), np.array([5, 7, 9])).tolist() == [3, 4, 7, 8]
    assert sums(np.array([1, 2, 3]), np.array([2, 0, 1])).tolist() == [3, 0, 3]
    kinds = np.array([1, 0, 1, 0, 2])
    assert kinds[shuffled(kinds, 9)].tolist() == [0, 0, 1, 1, 2]
    assert shuffled(np.zeros(0, np.int64), 9).tolist() == []
    for n_labels in (0, 3, 64, 65, 300):
        matrix = np.random.default_rng(n_labels).random((50, n_labels)) < 0.02
        first, codes = distinct_rows(matrix)
        assert (matrix[first][codes] == matrix).all()
        assert len(np.unique(matrix, axis=0)) == len(first)


def test_the_smallest_are_those_of_a_stable_sort() -> None:
    rng = np.random.default_rng(3)
    for length in (0, 1, 5, 64, 1000):
        values = rng.integers(0, 50, length)
        for count in (1, 5, 64):
            assert smallest(values, count).tolist() == np.argsort(values, kind="stable")[:count].tolist()
