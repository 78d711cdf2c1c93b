from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.prepare.stratify import NO_PART, Combinations, deviation, stratify

Bools = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Bools, list[int], int]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_rows, n_labels = draw(st.integers(2, 120)), draw(st.integers(0, 20))
    density = draw(st.sampled_from([0.0, 0.02, 0.1, 0.3, 1.0]))
    vectors = rng.random((n_rows, n_labels)) < density
    cuts = draw(st.lists(st.integers(1, n_rows), min_size=1, max_size=6, unique=True).map(sorted))
    sizes = np.diff([0, *cuts]).tolist()
    return vectors, sizes, draw(st.integers(0, 2**31 - 1))


@settings(max_examples=15, deadline=None)
@given(tables())
def test_every_row_is_in_one_part_and_the_sizes_are_exact(table: tuple[Bools, list[int], int]) -> None:
    vectors, sizes, seed = table
    parts = stratify(Combinations.of_vectors(vectors), sizes, seed=seed)
    assert np.bincount(parts[parts >= 0], minlength=len(sizes)).tolist() == sizes
    assert (parts == NO_PART).sum() == len(vectors) - sum(sizes)


@settings(max_examples=5, deadline=None)
@given(tables())
def test_the_same_input_gives_the_same_parts(table: tuple[Bools, list[int], int]) -> None:
    vectors, sizes, seed = table
    one, two = (stratify(Combinations.of_vectors(vectors), sizes, seed=seed) for _ in range(2))
    assert (one == two).all()


@settings(max_examples=15, deadline=None)
@given(tables(), st.integers(1, 60))
def test_groups_stay_whole_and_sizes_differ_by_less_than_the_largest(
    table: tuple[Bools, list[int], int], n_groups: int
) -> None:
    vectors, sizes, seed = table
    groups = np.random.default_rng(seed).integers(0, n_groups, len(vectors))
    groups = np.unique(groups, return_inverse=True)[1]
    parts = stratify(Combinations.of_vectors(vectors), sizes, seed=seed, groups=groups)
    for group in range(groups.max() + 1):
        assert len(set(parts[groups == group])) == 1
    found = np.bincount(parts[parts >= 0], minlength=len(sizes))
    assert (np.abs(found - sizes) < np.bincount(groups).max()).all()


def comments(n_rows: int, rng: np.random.Generator) -> Bools:
    """Six overlapping labels under one that most rows lack."""
    toxic = rng.random(n_rows) < 0.096
    shares = np.array([0.1, 0.53, 0.031, 0.49, 0.09])
    others = rng.random((n_rows, 5)) < np.where(toxic[:, None], shares, shares / 100)
    return np.column_stack([toxic, others])


def emotions(n_rows: int, rng: np.random.Generator, n_labels: int = 28) -> Bools:
    """One label for most rows, two or three for some; common and rare ones."""
    share = 1 / (np.arange(n_labels) + 1.5)
    drawn = rng.choice(n_labels, (n_rows, 3), p=share / share.sum())
    drawn[rng.random(n_rows) < 0.84, 1:] = drawn[0, 0]
    vectors = np.zeros((n_rows, n_labels), np.bool_)
    vectors[np.arange(n_rows)[:, None], drawn] = True
    return vectors


def independent(n_rows: int, rng: np.random.Generator) -> Bools:
    """Nearly every row with a combination of its own."""
    return rng.random((n_rows, 28)) < np.linspace(0.02, 0.25, 28)


def worst(vectors: Bools, parts: Ints, n_parts: int) -> tuple[float, float]:
    """The largest deviation of a label's share and of a pair's, worked out the long way."""
    counts = vectors.astype(np.float64)
    whole = counts.T @ counts / len(counts)
    off = np.zeros_like(whole)
    for part in range(n_parts):
        rows = counts[parts == part]
        off = np.maximum(off, np.abs(rows.T @ rows / max(len(rows), 1) - whole))
    label = off.diagonal().max()
    np.fill_diagonal(off, 0)
    return float(label), float(off.max())


@pytest.mark.parametrize("make", [comments, emotions, independent], ids=lambda make: make.__name__)
@pytest.mark.parametrize("n_rows", [20, 50, 200, 1000, 5000, 40_000])
def test_no_worse_than_iterative_stratification(make: Any, n_rows: int) -> None:
    """On average over tables of one kind; for a large table, for each single one."""
    from iterstrat.ml_stratifiers import IterativeStratification

    shares = np.array([0.8, 0.1, 0.1])
    sizes = [int(n_rows * share) for share in shares]
    ours, theirs = [], []
    for seed in range(6 if n_rows < 1000 else 1):
        vectors = make(n_rows, np.random.default_rng(seed))
        parts = stratify(Combinations.of_vectors(vectors), sizes, seed=seed)
        ours.append(worst(vectors, parts, 3))
        assert deviation(Combinations.of_vectors(vectors), parts, 3) == pytest.approx(ours[-1][0])
        other = IterativeStratification(labels=vectors, r=shares, random_state=np.random.RandomState(seed))
        theirs.append(worst(vectors, other, 3))
    if n_rows < 1000:
        ours, theirs = [np.mean(ours, axis=0)], [np.mean(theirs, axis=0)]
    for (label, pair), (its_label, its_pair) in zip(ours, theirs, strict=True):
        assert label <= its_label + 1e-12
        assert pair <= its_pair + 1e-12
