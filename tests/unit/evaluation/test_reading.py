"""Predictions read in blocks and row by row: the same, the errors too."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.errors import DataError
from labeltune.evaluation.evaluate import EvaluateOptions, evaluate
from labeltune.evaluation.reading import read_blocks, read_predictions, read_rows
from labeltune.files.tables import neutralise, open_table
from labeltune.task import parse_task
from tasks import TOXIC_LABELS, TOXIC_TOML

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.tables import Table
    from labeltune.task import Task

TASK = parse_task(TOXIC_TOML)
SINGLE = parse_task("""\
version = 1
text = ["text", "more"]
[[field]]
name = "topic"
type = "single"
column = "label"
labels = ["a", "b c", "d\\"e"]
[answer]
format = "label"
""")
HEADER = [
    "id",
    "comment_text",
    *TOXIC_LABELS,
    *(f"predicted_{label}" for label in TOXIC_LABELS),
    "answer",
    "problem",
    "confidence",
]


def row(number: int, text: str = "a text") -> list[str]:
    flags = [str(number >> bit & 1) for bit in range(6)]
    return [f"r{number}", text, *flags, *flags[::-1], "toxic", "", f"0.{number % 1000:03}"]


ROWS = [
    row(1, 'said "so",\nand more'),
    row(2, "it's é 😀"),
    [*row(3)[:8], *[""] * 6, "?", "off_list", ""],
    [*row(4)[:8], *[""] * 6, "", "", ""],
    *(row(number) for number in range(5, 200)),
]


def write(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([header, *rows])
    return str(path)


def assert_same(one: Predictions, other: Predictions) -> None:
    for name in ("source", "labels", "lacks"):
        assert getattr(one, name) == getattr(other, name)
    assert one.warnings() == other.warnings()  # while the ids are what they were read as
    assert (one.ids is None) == (other.ids is None)
    assert list(one.ids or ()) == list(other.ids or ())
    assert list(one.problems.items()) == list(other.problems.items())
    for part in ("lines", "texts", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
    for part in ("true", "pred", "valid"):
        np.testing.assert_array_equal(getattr(one.pairs, part), getattr(other.pairs, part))
    for part in ("first", "counts", "inverse"):
        np.testing.assert_array_equal(getattr(one.patterns, part), getattr(other.patterns, part))


def test_a_table_that_predict_writes_is_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.files.tables.delimited._CHUNK", 500)
    with open_table(write(tmp_path / "p.csv", ROWS)) as table:
        found = read_blocks(table, TASK)
        assert found is not None
        assert_same(found, read_rows(table, TASK))
        assert found.rows == len(ROWS)


def said(read: Callable[[Table, Task], Predictions], path: str) -> Predictions | str:
    """What is read, or the error."""
    with open_table(path) as table:
        try:
            return read(table, TASK)
        except DataError as error:
            return str(error)


@pytest.mark.parametrize("again", ["r7", '"r7"'], ids=["bare", "quoted"])
def test_ids_that_repeat_are_found_however_they_are_written(tmp_path: Path, again: str) -> None:
    lines = Path(write(tmp_path / "p.csv", ROWS)).read_text(encoding="utf-8").replace("\nr9,", f"\n{again},")
    (tmp_path / "p.csv").write_text(lines, encoding="utf-8")
    with open_table(str(tmp_path / "p.csv")) as table:
        found = read_blocks(table, TASK)
    assert found is not None
    assert found.warnings() == [f'{found.source}: 1 id occurs more than once, such as "r7"']
    assert found.ids is not None
    assert (len(found.ids), found.ids[8], found.ids[:2]) == (len(ROWS), "r7", ["r1", "r2"])


def test_ids_that_repeat_are_found_beside_longer_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.files.tables.delimited._CHUNK", 200)
    rows = [row(number) for number in range(8)]
    rows[1][0], rows[4][0], rows[7][0] = "same", "a name of several words", "same"
    with open_table(write(tmp_path / "p.csv", rows)) as table:
        found = read_blocks(table, TASK)
    assert found is not None
    assert found.warnings() == [f'{found.source}: 1 id occurs more than once, such as "same"']


CELLS = st.sampled_from(["0", "1", "0", "1", "0", "1", " 1", "", "2", "'1"])
TEXTS = st.text(st.sampled_from("'=a\n\",é😀"), max_size=6)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            TEXTS,
            TEXTS,
            st.lists(CELLS, min_size=6, max_size=6),
            st.lists(CELLS, min_size=6, max_size=6) | st.just([""] * 6),
            TEXTS,
            st.sampled_from(["", "", "", "off_list", "empty"]),
            st.sampled_from(["", "0.5", "1", "1e-3", " 0.25", "nan", "1.5", "0.1234567890123456"]),
        ).map(lambda cells: [*cells[:2], *cells[2], *cells[3], *cells[4:]]),
        min_size=1,
        max_size=6,
    )
)
def test_both_ways_give_the_same_predictions_or_the_same_error(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "p.csv", rows)
        expected, found = said(read_rows, path), said(read_predictions, path)
    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected
    else:
        assert_same(found, expected)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            TEXTS,
            TEXTS,
            st.sampled_from(["a", "b c", 'd"e']),
            st.sampled_from(["a", "b c", 'd"e', ""]),
            st.sampled_from(["", "0.5"]),
        ).map(list),
        min_size=1,
        max_size=8,
    )
)
def test_classes_are_read_both_ways(rows: list[list[str]]) -> None:
    header = ["text", "more", "label", "predicted_topic", "confidence"]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "p.csv", rows, header)
        with open_table(path) as table:
            found = read_blocks(table, SINGLE)
        with open_table(path) as table:
            expected = read_rows(table, SINGLE)
            assert (found is None) == table.marked
    if found is not None:
        assert_same(found, expected)


@pytest.mark.parametrize(
    ("place", "value"),
    [(2, "yes"), (8, "2"), (-1, "2.0"), (-1, "high"), (2, "")],
    ids=["truth", "prediction", "confidence too large", "confidence no number", "no truth"],
)
def test_a_bad_cell_is_told_with_its_line(tmp_path: Path, place: int, value: str) -> None:
    rows = [list(one) for one in ROWS]
    rows[-1][place] = value
    path = write(tmp_path / "p.csv", rows)
    with open_table(path) as table:
        assert read_blocks(table, TASK) is None
    with open_table(path) as table, pytest.raises(DataError, match=rf"p\.csv:{len(rows) + 2}: "):
        read_predictions(table, TASK)


def test_marks_of_spreadsheets_are_seen_and_taken_off(tmp_path: Path) -> None:
    exact = [row(1, "=SUM(A1)"), row(2, "'tis"), row(3, "-x")]
    with open_table(write(tmp_path / "marked.csv", [neutralise(one) for one in exact])) as table:
        assert read_blocks(table, TASK) is None
        marked = read_predictions(table, TASK)
        assert table.marked
    with open_table(write(tmp_path / "plain.csv", exact)) as table:
        plain = read_blocks(table, TASK)
    assert plain is not None
    np.testing.assert_array_equal(marked.texts, plain.texts)


def test_rows_that_are_shown_are_fetched_from_blocks_as_from_rows(tmp_path: Path) -> None:
    plain = write(tmp_path / "p.csv", ROWS)
    unusual = tmp_path / "unusual.csv"
    unusual.write_text(Path(plain).read_text(encoding="utf-8") + "\n", encoding="utf-8")  # a blank line
    with open_table(str(unusual)) as table:
        assert read_blocks(table, TASK) is None
    one, other = (evaluate(str(path), TASK, EvaluateOptions(errors=True)) for path in (plain, unusual))
    assert one.rows == other.rows
    assert len(one.rows) > 100
