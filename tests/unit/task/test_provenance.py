from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.task.provenance import is_human, is_synthetic, is_verified, seeds_cell, seeds_of


@pytest.mark.parametrize("cell", ["synthetic", " Synthetic ", "SYNTHETIC"])
def test_a_synthetic_row_says_so(cell: str) -> None:
    assert is_synthetic(cell)
    assert not is_human(cell)


@pytest.mark.parametrize("cell", ["", "human", "twitter", "synthetics"])
def test_any_other_source_is_a_person_s(cell: str) -> None:
    assert not is_synthetic(cell)
    assert is_human(cell)


def test_what_a_person_has_looked_at_counts_as_theirs() -> None:
    assert not is_human("annotated")
    assert is_human("annotated", "yes")
    assert not is_human("annotated", "no")


@pytest.mark.parametrize(
    ("cell", "said"), [("yes", True), (" True ", True), ("1", True), ("", False), ("no", False), ("0", False)]
)
def test_verified(cell: str, said: bool) -> None:  # a case
    assert is_verified(cell) is said


@pytest.mark.parametrize(
    "cell", ["12 40", "12,40", "12; 40", "12|40", '["12", "40"]', "[12, 40]", " 12\n40 "]
)
def test_seeds_in_their_spellings(cell: str) -> None:
    assert list(seeds_of(cell)) == ["12", "40"]


def test_no_seeds() -> None:
    assert list(seeds_of("")) == list(seeds_of(seeds_cell([]))) == []


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_seeds_are_read_as_they_were_written(seeds: list[str]) -> None:
    assert list(seeds_of(seeds_cell(seeds))) == seeds
