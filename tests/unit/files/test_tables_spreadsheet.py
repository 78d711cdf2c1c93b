"""Cells for spreadsheets: safe to open, and what they were again."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.errors import DataError
from labeltune.files.tables import open_table
from labeltune.files.tables.marks import neutralise, restore
from labeltune.files.tables.spreadsheet import take_off_marks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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


def read_back(path: Path, rows: Iterable[list[str]]) -> tuple[bool, list[list[str]]]:
    """Write rows, and read them again without the marks of their first columns, if these carry them."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows)
    with open_table(str(path)) as table:
        take_off_marks(table, {"=text", "text", "label"})
        return table.marked, [list(table.header), *(values for _, values in table)]


TEXTS = st.text(st.sampled_from("'=+-@1.e\téx\n"), min_size=1)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1))
def test_marks_are_taken_off_where_they_were_put(tmp_path_factory: Any, rows: list[tuple[str, str]]) -> None:
    exact = [["=text", "label"], *map(list, rows)]
    assert read_back(tmp_path_factory.mktemp("t") / "t.csv", map(neutralise, exact)) == (True, exact)


@pytest.mark.parametrize(
    ("rows", "marked"),
    [
        ([["'quoted' text", "a"]], False),
        ([["'=1", "a"], ["=1", "a"]], False),
        ([["'=1", "a"], ["'", "a"]], False),
        ([["plain", "a"]], False),
        ([["-1.5", "a"]], False),
        ([["'=1", "a"], ["-1.5", "a"]], True),
        # A note that somebody made beside the predictions says nothing.
        ([["'=1", "a", "=A1"]], True),
    ],
)
def test_other_files_are_left_alone(tmp_path: Path, rows: list[list[str]], marked: bool) -> None:
    table = [["text", "label", "note"][: len(rows[0])], *rows]
    expected = [restore(row) for row in table] if marked else table
    assert read_back(tmp_path / "t.csv", table) == (marked, expected)


def test_bad_rows_are_still_told_when_the_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n'=1,a\n'=1,a,more\n")
    with open_table(str(tmp_path / "t.csv")) as table:
        take_off_marks(table, {"text", "label"})
        assert table.marked
        with pytest.raises(DataError, match=r"t\.csv:3"):
            list(table)
