from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.errors import DataError, SettingsError
from labeltune.prepare.split.sizes import DEFAULT_SIZES, check_sizes, parse_sizes, row_counts


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (DEFAULT_SIZES, {"train": Fraction(4, 5), "validation": Fraction(1, 5)}),
        ("train=400,validation=100,test=100", {"train": 400, "validation": 100, "test": 100}),
        (" a = .5 , b-2 = 0.25 ", {"a": Fraction(1, 2), "b-2": Fraction(1, 4)}),
        ("все=1.0", {"все": Fraction(1)}),
    ],
)
def test_sizes_are_read_exactly(text: str, sizes: dict[str, Fraction | int]) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" has no size'),
        ("train", '"train" has no size'),
        ("train=0.8,,", '"" has no size'),
        ("train=0.8,train=0.2", '"train" stands there twice'),
        ("train=80%", '"80%" is no size of "train"'),
        ("train=-3", '"-3" is no size of "train"'),
        ("train=1e-1", '"1e-1" is no size of "train"'),
        ("train=nan", '"nan" is no size of "train"'),
        ("train=0", 'the part "train" has the size 0'),
        ("train=0.0", 'the part "train" has the size 0'),
        ("train=0.9,test=0.2", "the fractions add up to 1.1, more than 1"),
        ("train=0.8,test=100", "fractions and row counts do not go together"),
        ("../x=0.5", '"../x" cannot be the name of a part'),
        ("a/b=0.5", '"a/b" cannot be the name of a part'),
        ("a\\b=0.5", "cannot be the name of a part"),
        (".hidden=0.5", '".hidden" cannot be the name of a part'),
        ("dot.=0.5", '"dot." cannot be the name of a part'),
        ("con=0.5", '"con" cannot be the name of a part'),
        ("NUL.x=0.5", '"NUL.x" cannot be the name of a part'),
        ("nul\0=0.5", "cannot be the name of a part"),
        ("=0.5", '"" cannot be the name of a part'),
        ("x" * 300 + "=0.5", "cannot be the name of a part"),
        ("Train=0.5,train=0.5", '"Train" and "train" are one file where case does not count'),
    ],
)
def test_sizes_that_are_none(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_sizes(text)
    assert message in str(raised.value)
    assert str(raised.value).startswith("--sizes: ")


def test_sizes_from_python() -> None:
    check_sizes({"train": 0.7, "validation": 0.1, "test": 0.2})  # in floats, more than 1
    assert row_counts({"train": 0.7, "validation": 0.1, "test": 0.2}, 10, source="x") == [7, 1, 2]
    with pytest.raises(SettingsError, match="no part"):
        check_sizes({})


@pytest.mark.parametrize(
    ("sizes", "n_rows", "counts"),
    [
        ("train=0.8,validation=0.1,test=0.1", 43410, [34728, 4341, 4341]),
        ("a=0.5,b=0.5", 5, [3, 2]),  # the first part takes what is left over
        ("a=0.4,b=0.4", 5, [2, 2]),
        ("a=0.333,b=0.333,c=0.334", 3, [1, 1, 1]),
        ("a=3,b=2", 5, [3, 2]),
        ("a=3", 5, [3]),
    ],
)
def test_row_counts(sizes: str, n_rows: int, counts: list[int]) -> None:
    assert row_counts(parse_sizes(sizes), n_rows, source="x.csv") == counts


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ("a=3,b=3", "x.csv: 6 rows are asked for, and there are 5"),
        ("a=0.9,b=0.01", 'x.csv: the part "b" would be empty: 0.01 of 5 rows is no row'),
    ],
)
def test_too_few_rows(sizes: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        row_counts(parse_sizes(sizes), 5, source="x.csv")


@given(st.lists(st.integers(1, 999), min_size=1, max_size=8), st.integers(0, 500), st.integers(1, 10**6))
def test_shares_are_rounded_by_less_than_a_row(shares: list[int], rest: int, n_rows: int) -> None:
    whole = sum(shares) + rest
    sizes = {f"part{place}": Fraction(share, whole) for place, share in enumerate(shares)}
    try:
        counts = row_counts(sizes, n_rows, source="x")
    except DataError:
        assert min(sizes.values()) * n_rows < 1
        return
    assert sum(counts) <= n_rows
    assert abs(sum(counts) - sum(sizes.values(), Fraction()) * n_rows) <= Fraction(1, 2)
    assert all(abs(count - size * n_rows) < 1 for count, size in zip(counts, sizes.values(), strict=True))
