"""Rows in blocks: the same rows as one by one, and only of tables that are plainly good."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labeltune.errors import ConflictError, DataError
from labeltune.files.tables import ReadOptions, UnusualTableError, open_table
from labeltune.files.tables.block_scan import BlockScan
from labeltune.files.tables.row_blocks import RowBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables import Table

Rows = list[tuple[int, list[str]]]
HEADER = b"text,label\n"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "hostile"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def rows_of(blocks: Iterator[RowBlock]) -> Rows | None:
    found: Rows = []
    try:
        for block in blocks:
            rows = [block.row(row) for row in range(len(block))]
            for column, cells in enumerate(zip(*rows, strict=True)):
                assert block.texts(column) == list(cells)
                assert [value.decode() for value in block.values(column)] == list(cells)
            found += zip(block.lines.tolist(), rows, strict=True)
    except UnusualTableError:
        return None
    return found


def one_by_one(table: Table) -> Rows | None:
    try:
        return [(line, list(values)) for line, values in table]
    except DataError:
        return None


def both_ways(path: Path, content: bytes, *, size: int = 1 << 19) -> tuple[Rows | None, Rows | None]:
    """The rows in blocks, made of pieces of this size; and as the reader of single rows has them."""
    path.write_bytes(content)
    with open_table(path, ReadOptions(separator=",")) as table, pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeltune.files.tables.delimited._CHUNK", size)
        blocks = rows_of(table.blocks())
        notes = list(table.notes)
        table.notes.clear()
        rows = one_by_one(table)
        if blocks is not None:
            assert notes == table.notes
        return blocks, rows


def written(rows: Sequence[Sequence[str]], ending: str, quoting: int) -> bytes:
    handle = io.StringIO()
    csv.writer(handle, lineterminator=ending, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return handle.getvalue().encode()


SIGNS = st.text(st.sampled_from('ab,"\n\té —\u2028😀;0'), max_size=12)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(SIGNS, SIGNS), min_size=1, max_size=12),
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    cut=st.booleans(),
    size=st.integers(1, 40),
)
def test_good_tables_are_read_in_blocks(
    rows: list[tuple[str, str]], ending: str, quoting: int, mark: bytes, cut: bool, size: int
) -> None:
    content = mark + written([("text", "label"), *rows], ending, quoting)
    if cut:
        content = content.removesuffix(ending.encode())
    with tempfile.TemporaryDirectory() as folder:
        blocks, expected = both_ways(Path(folder) / "t.csv", content, size=size)
    assert blocks is not None
    assert blocks == expected
    assert [tuple(values) for _, values in blocks] == rows


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"a", b",", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3\xa9", b"a,b\n"]
        )
        | st.binary(max_size=3),
        max_size=25,
    ).map(b"".join),
    st.integers(1, 40),
)
@example(b'"a\rb",c\n', 1)
@example(b'a"b,c\n', 3)
@example(b'"a"b,c\n', 3)
@example(b'"a,b\n', 3)
@example(b"a,b\r", 3)
@example(b"\na,b\n", 3)
def test_any_bytes_are_read_the_same_way_or_not_at_all(body: bytes, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blocks, expected = both_ways(Path(folder) / "t.csv", HEADER + body, size=size)
    assert blocks is None or blocks == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"a,b\n\nc,d\n",
        b"a,b,c\n",
        b"a\n",
        b'"a,b\n',
        b'"a"b,c\n',
        b'a"b,c\n',
        b' "a",b\n',
        b"a\rb,c\n",
        b"a,b\r",
        b"a\0,b\n",
        b"\xff,b\n",
        b"\xed\xa0\x80,b\n",
        b"caf\xc3,b\n",
        b"a,b\nc,d\ne\n",
        b'a,"' + b"b" * (1 << 22) + b'"\n',
    ],
    ids=[
        "no row",
        "no row but a blank line",
        "blank line",
        "too wide",
        "too narrow",
        "quote left open",
        "text after a quote",
        "quote in a bare cell",
        "space before a quote",
        "lone return",
        "return at the end",
        "NUL",
        "not UTF-8",
        "surrogate",
        "half a character",
        "bad after good",
        "very long",
    ],
)
def test_what_is_not_plainly_good_is_left_to_the_other_reader(tmp_path: Path, body: bytes) -> None:
    assert both_ways(tmp_path / "t.csv", HEADER + body)[0] is None


def test_line_numbers_count_the_lines_within_quotes(tmp_path: Path) -> None:
    body = b'"a\nb",1\r\n"c\rd\r\ne",2\r\nf,3\r\n'
    blocks, expected = both_ways(tmp_path / "t.csv", b"\n\n" + HEADER + body, size=4)
    # The reader of lines puts the last one aside where a return stands alone, though it is whole.
    assert blocks == expected == [(4, ["a\nb", "1"]), (6, ["c\rd\r\ne", "2"]), (9, ["f", "3"])]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings_are_read_in_blocks_too(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes('text,label\n"é, ö",a\nü,b\n'.encode(encoding))
    told = None if encoding == "utf-16" else encoding
    with open_table(tmp_path / "t.csv", ReadOptions(encoding=told)) as table:
        assert rows_of(table.blocks()) == one_by_one(table) == [(2, ["é, ö", "a"]), (3, ["ü", "b"])]


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.jsonl", '{"text": "a", "label": "b"}\n'), ("t.csv", "text\na\n"), ("t.csv", "text;label\na;b\n")],
    ids=["another format", "one column", "a separator of two bytes"],
)
def test_tables_without_blocks(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content.replace(";", "·"), encoding="utf-8")
    separator = "·" if ";" in content else None
    with (
        open_table(tmp_path / name, ReadOptions(separator=separator)) as table,
        pytest.raises(UnusualTableError),
    ):
        next(table.blocks())


def test_a_file_that_changes_meanwhile_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(HEADER + b"a,b\n" * 10)
    with open_table(path) as table:
        blocks = table.blocks()
        next(blocks)
        path.write_bytes(HEADER)
        with pytest.raises(ConflictError, match="changed"):
            list(blocks)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no data sets beside the checkout")
@pytest.mark.parametrize("size", [7, 1 << 19])
def test_hostile_files_are_read_the_same_way_or_not_at_all(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeltune.files.tables.delimited._CHUNK", size)
    in_blocks = 0
    for path in sorted(SHARED.glob("csv*/**/*.csv")):
        if path.stat().st_size > 100_000:
            continue
        try:
            table = open_table(path)
        except DataError:
            continue
        with table:
            blocks = rows_of(table.blocks())
            assert blocks is None or blocks == one_by_one(table), path
            in_blocks += blocks is not None
    assert in_blocks


def block_of(cells: Sequence[str]) -> RowBlock:
    """A block with these cells in its second column."""
    content = written([("", cell, "x") for cell in cells], "\n", csv.QUOTE_MINIMAL)
    (block,) = BlockScan(",", 3, 1).blocks([content])
    return block


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", 'q"', "", "long " * 40, "é,"]) | SIGNS, min_size=1, max_size=30))
def test_distinct_cells_are_those_that_differ(cells: list[str]) -> None:
    block = block_of(cells)
    spellings, rows, inverse = block.distinct([1])
    firsts = list(dict.fromkeys(cells))
    assert [cells[row] for row in rows] == firsts
    assert [firsts[number] for number in inverse] == cells
    assert len(set(spellings)) == len(firsts)


def test_many_distinct_cells_are_told_apart() -> None:
    cells = [str(number % 3_000) for number in range(5_000)]
    _, rows, inverse = block_of(cells).distinct([1])
    assert rows.tolist() == list(range(3_000))
    assert inverse.tolist() == [number % 3_000 for number in range(5_000)]


def test_distinct_takes_columns_that_stand_apart() -> None:
    (block,) = BlockScan(",", 4, 0).blocks([b"a,1,x,c\na,2,x,c\nb,1,x,c\n"])
    spellings, rows, inverse = block.distinct([0, 2, 3])
    assert spellings == [(b"a", b"x,c"), (b"b", b"x,c")]
    assert (rows.tolist(), inverse.tolist()) == ([0, 2], [0, 0, 1])


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1) | st.integers(0, 10**6) | st.sampled_from(["1e-05", "0.5E+2", ""]), min_size=1)
)
def test_numbers_are_those_of_python(values: list[object]) -> None:
    cells = list(map(str, values))
    found = block_of(cells).numbers(1)
    assert found is not None
    np.testing.assert_array_equal(found, [float(cell or "nan") for cell in cells])


@pytest.mark.parametrize(
    "cell", ["nan", "null", "true", "+1", ".5", "1.", "01", "1_0", "[1]", "1,2", "1 2", "x", "0" * 30]
)
def test_what_is_no_number_of_json_is_none(cell: str) -> None:
    assert block_of(["0.5", cell]).numbers(1) is None


@settings(deadline=None)
@given(st.lists(SIGNS, min_size=1))
def test_texts_are_found_by_how_they_begin(cells: list[str]) -> None:
    found = block_of(cells).texts_beginning(1, "aé".encode()[:2])
    assert [cell for cell in found if cell.startswith(("a", "é"))] == [
        cell for cell in cells if cell.startswith(("a", "é"))
    ]
