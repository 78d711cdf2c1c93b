"""Which format a table has, and what is said where it is another one than its name tells."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ReadOptions, open_table, write_table

CSV = b"t,l\na,1\n"
JSON_LINES = b'{"t": "a", "l": "1"}\n'


def packed(content: bytes) -> bytes:
    """Without the time: test processes must agree on the names of tests."""
    return gzip.compress(content, mtime=0)


ROWS = [["a", "1"]]


def excel() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["t", "l"], ["a", "1"]):
        book.active.append(row)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def columnar() -> bytes:
    packed = io.BytesIO()
    parquet.write_table(pa.table({"t": ["a"], "l": ["1"]}), packed)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", CSV),
        ("t.CSV", CSV),
        ("t.txt", CSV),
        ("t", CSV),
        ("t.data", CSV),
        ("t.tsv", CSV.replace(b",", b"\t")),
        ("t.tab", CSV.replace(b",", b"\t")),
        ("t.jsonl", JSON_LINES),
        ("t.ndjson", JSON_LINES),
        ("t", JSON_LINES),
        ("t.json", JSON_LINES),
        ("t.parquet", columnar()),
        ("t.pq", columnar()),
        ("t", columnar()),
        ("t.xlsx", excel()),
        ("t", excel()),
        ("t.csv.gz", packed(CSV)),
        ("T.CSV.GZ", packed(CSV)),
        ("t.tsv.gz", packed(CSV.replace(b",", b"\t"))),
        ("t.jsonl.gz", packed(JSON_LINES)),
        ("t.csv.gz", CSV),
        ("t.csv.gz", packed(b"t,l\n") + packed(b"a,1\n")),
    ],
)
def test_a_table_is_read_by_its_name_or_its_first_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with open_table(path) as table:
        assert table.header == ("t", "l")
        assert [values for _, values in table] == ROWS


@pytest.mark.parametrize(
    ("name", "format", "content"),
    [
        ("t.log", "tsv", CSV.replace(b",", b"\t")),
        ("t.csv", "jsonl", JSON_LINES),
        ("t.bin", "excel", excel()),
        ("t.bin", "parquet", columnar()),
        ("t.jsonl", "csv", CSV),
    ],
)
def test_a_format_that_is_told(tmp_path: Path, name: str, format: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with open_table(path, ReadOptions(format=format)) as table:
        assert [values for _, values in table] == ROWS


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("t.csv", JSON_LINES, "this is JSON, not csv", "give --format jsonl"),
        ("t.csv", b'\xef\xbb\xbf [{"t": 1}]', "this is a JSON array, not csv", "give --format json"),
        ("t.csv", packed(CSV), "this is gzip, not csv", "name the file .csv.gz, or unpack it"),
        ("t.jsonl", packed(JSON_LINES), "this is gzip, not jsonl", "name the file .jsonl.gz"),
        ("t.csv.gz", packed(JSON_LINES), "this is JSON, not csv", "give --format jsonl"),
        ("t.csv", excel(), "this is an Excel file, not csv", "give --format excel"),
        (
            "t.csv",
            b"\xd0\xcf\x11\xe0" + b"\0" * 99,
            "this is an old Excel file, not csv",
            "give --format excel",
        ),
        ("t.tsv", columnar(), "this is Parquet, not tsv", "give --format parquet"),
        ("t.csv.bz2", bz2.compress(CSV), "this is bzip2, not a table", "unpack or export it as CSV"),
        ("t.csv", lzma.compress(CSV), "this is xz, not csv", "unpack or export it as CSV"),
        ("t.csv", b"\x28\xb5\x2f\xfd\0\0", "this is Zstandard, not csv", "unpack or export it as CSV"),
        ("t.csv", b"%PDF-1.7", "this is a PDF file, not csv", "unpack or export it as CSV"),
        ("t.txt", b"SQLite format 3\0", "this is an SQLite database, not csv", "unpack or export it as CSV"),
    ],
)
def test_another_format_than_the_name_tells(
    tmp_path: Path, name: str, content: bytes, message: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_table(path)
    assert str(caught.value).startswith(str(path))
    assert hint in (caught.value.hint or "")


def test_a_format_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(CSV)
    with pytest.raises(SettingsError, match=r'--format exel: no such format \(did you mean "excel"\?\)'):
        open_table(tmp_path / "t.csv", ReadOptions(format="exel"))


@pytest.mark.parametrize("cut", [5, 12, -3])
def test_gzip_that_is_damaged_or_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(CSV * 9)[:cut])
    with pytest.raises(DataError, match="the gzip data are damaged or cut off"):
        open_table(path)


def test_gzip_with_a_wrong_checksum(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(b"t,l\n" + b"some text,1\n" * 100_000))
    whole[-6] ^= 1
    (tmp_path / "t.csv.gz").write_bytes(whole)
    with open_table(tmp_path / "t.csv.gz") as table, pytest.raises(DataError, match="damaged or cut off"):
        list(table)


def test_bytes_at_hand_are_not_opened_again(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(CSV)
    with ByteSource(tmp_path / "t.csv") as source, open_table(source) as table:
        assert [values for _, values in table] == ROWS
        assert table.sha256() == source.sha256()


# writing

VALUES = [
    ["a", "1"],
    ["", ""],
    ["\r", "x\ry"],
    ["two\nlines", 'a "quote"'],
    ["a,b;c\td|e", "=1+1"],
    ["\u2028😀", "NA"],
    [" x ", "\\"],
]


@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.txt", "t.jsonl", "t.parquet", "t.csv.gz", "t.jsonl.gz"]
)
def test_what_is_written_reads_back_as_the_same_values(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_table(path, ("t", "l"), VALUES)
    with open_table(path) as table:
        assert table.header == ("t", "l")
        assert [values for _, values in table] == VALUES
    first = path.read_bytes()
    write_table(path, ("t", "l"), VALUES)
    assert path.read_bytes() == first


def test_a_table_of_one_empty_column(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", ("t",), [["a"], [""], ["b"]])
    with open_table(tmp_path / "t.csv") as table:
        assert [values for _, values in table] == [["a"], [""], ["b"]]


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def rows() -> list[list[str]]:
        raise RuntimeError

    (tmp_path / "t.csv").write_text("old")
    with pytest.raises(RuntimeError):
        write_table(tmp_path / "t.csv", ("t", "l"), rows())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("t.csv", "old")]
    with pytest.raises(SettingsError, match="tables are not written as .doc"):
        write_table(tmp_path / "t.doc", ("t", "l"), VALUES)
