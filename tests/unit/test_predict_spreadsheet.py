"""Cells for spreadsheets: safe to open, and what they were again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.predict.spreadsheet import neutralise, restore


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'", "-inf", "=", "+"]
)
def test_what_may_be_a_formula_is_marked(cell: str) -> None:
    assert neutralise([cell]) == ["'" + cell]


@pytest.mark.parametrize("cell", ["", "a=b", "1", "-1", "+3.5", "-2e-7", " =1", "it's"])
def test_everything_else_stays(cell: str) -> None:
    assert neutralise([cell]) == [cell]


@given(st.lists(st.text() | st.text(st.sampled_from("'=+-@1.e\t\r\nx"))))
def test_the_way_back(row: list[str]) -> None:
    assert restore(neutralise(row)) == row
