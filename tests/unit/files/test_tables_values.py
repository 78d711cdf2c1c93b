"""Tables of values that become text: JSON Lines, Parquet, Excel, DataFrames."""

from __future__ import annotations

import codecs
import contextlib
import datetime as dt
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from labeltune.errors import DataError, LabeltuneError, SettingsError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.files.tables.cells import cell_text

Rows = list[tuple[int, list[str]]]


def read(path: Path, **how: Any) -> Rows:
    with open_table(path, ReadOptions(**how)) as table:
        return list(table)


def refused(path: Path, **how: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(path, **how)
    return [line.removeprefix(f"{path}:").strip() for line in str(caught.value).split("\n")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("NA", "NA"),
        (" x ", " x "),
        ("", ""),
        (None, ""),
        (float("nan"), ""),
        (True, "1"),
        (False, "0"),
        (0, "0"),
        (1.0, "1.0"),
        (Decimal("1.10"), "1.10"),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC), "2026-01-31T12:00:00+00:00"),
        (dt.time(9, 30), "09:30:00"),
        (np.int64(7), "7"),
        (np.bool_(True), "1"),
        (np.array(["a", "b"]), '["a", "b"]'),
        (["a", "b"], '["a", "b"]'),
        ([], ""),
        ([1, None, True], "[1, null, true]"),
        (["a|b", '"', "é"], '["a|b", "\\"", "é"]'),
        (("a",), '["a"]'),
        ({"b", "a"}, '["a", "b"]'),
    ],
)
def test_the_text_of_a_value(value: Any, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize("value", [{}, b"x", [["a"]], [{}], "\ud800", ["\udfff"]])
def test_values_without_a_text(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected text|half a character"):
        cell_text(value)


# JSON Lines


def jsonl(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_json_values_stay_as_they_are_written(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        '{"t": "NA", "a": 01e2}\n'.replace("01e2", "1e5")
        + '{"t": "null", "a": 1.0}\n{"t": "\\u2028😀\\u0000x", "a": -0}\n{"t": null, "a": true}\n'
        + '{"t": ["x", "y"], "a": 100000000000000000000000}\n',
    )
    assert [values for _, values in read(path)] == [
        ["NA", "1e5"],
        ["null", "1.0"],
        ["\u2028😀\0x", "-0"],
        ["", "1"],
        ['["x", "y"]', "100000000000000000000000"],
    ]


def test_keys_in_another_order_are_the_same_row(tmp_path: Path) -> None:
    path = jsonl(tmp_path, '{"t": "a", "l": "1"}\r\n\r\n{"l": "2", "t": "b"}')
    assert read(path) == [(1, ["a", "1"]), (3, ["b", "2"])]


def test_lines_end_with_newline_alone(tmp_path: Path) -> None:
    path = jsonl(tmp_path, '{"t": "a\u2028b\x85c\u2029"}\n{"t": "d"}\n')
    assert read(path) == [(1, ["a\u2028b\x85c\u2029"]), (2, ["d"])]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"t": "a", "L": "2"}', 'key "L" is not in the first row (did you mean "l"?)'),
        ('{"t": "a", "t": "b", "l": "1"}', 'key "t" stands there twice'),
        ('["a", "1"]', 'expected a JSON object, such as {"text": "…", "label": "…"}'),
        ('{"t": "a", "l": 01}', "not valid JSON: Expecting ',' delimiter at character 18"),
        ('{"t": "a", "l": NaN}', "not valid JSON: NaN; write null where there is no value"),
        (
            "{'t': 'a', 'l': '1'}",
            "not valid JSON: this is how Python writes a dict, with ' for \"; write it with json.dumps",
        ),
        (
            '{"t": "a", "l": "1"}{"t": "b", "l": "1"}',
            "not valid JSON: a second object begins at character 21, and a line holds one",
        ),
        ('{"t": “a”}', 'not valid JSON: "“" (left double quotation mark) at character 7 is no sign of JSON'),
        ('{"t": "a", "l": "1"', "not valid JSON: Expecting ',' delimiter at character "),
        ('{"t": "a\tb", "l": "1"}', "not valid JSON: Invalid control character at character 9"),
        ('{"t": "\\ud83d", "l": "1"}', 'column "t" holds half a character (a lone surrogate) at character 1'),
        ("[" * 100_000, "not valid JSON: nested too deep"),
    ],
)
def test_bad_json_rows(tmp_path: Path, line: str, message: str) -> None:
    path = jsonl(tmp_path, f'{{"t": "x", "l": "1"}}\n\n{line}\n{{"t": "y", "l": "1"}}\n')
    found = refused(path)
    assert len(found) == 1
    assert found[0].startswith(f"3: {message}")


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"t": "x"}\n{"t": "caf\xe9"}\n')
    assert refused(path) == [
        '2: byte 0xe9 at byte 11 is not UTF-8; likely: --encoding cp1252 ("café"}") or --encoding cp1251 ("cafй"}") or --encoding koi8_r ("cafИ"}")'
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("\n \n", "no rows"),
        ("{}\n", "1: no columns"),
        ('{"": 1}\n', "1: no column has a name in the header"),
        ('{"\\ud800": 1}\n', "1: the name of column 1 holds half a character"),
        ("1\n", "1: expected a JSON object"),
        ('{\n  "t": 1\n}\n', "this is a JSON object over several lines, not jsonl"),
    ],
)
def test_a_first_row_that_names_no_columns(tmp_path: Path, content: str, message: str) -> None:
    path = jsonl(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_json_lines_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}[
        encoding
    ]
    rows = ['{"t": "é"}\n', '{"t": "😀"}']
    path = jsonl(tmp_path, mark + "".join(rows).encode(encoding))
    assert read(path) == [(1, ["é"]), (2, ["😀"])]
    with open_table(path) as table:
        assert table.header_bytes == mark
        assert list(table.raw()) == [(1, rows[0].encode(encoding)), (2, rows[1].encode(encoding))]


def test_json_lines_in_an_encoding_that_is_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path, '{"t": "é"}\n'.encode("cp1252"))
    assert read(path, encoding="cp1252") == [(1, ["é"])]
    with pytest.raises(SettingsError, match="--sep is for text tables; this is jsonl"):
        read(path, separator=";")


def test_a_json_line_without_end(tmp_path: Path) -> None:
    path = jsonl(tmp_path, '{"t": "x"}\n{"t": "' + "y" * (1 << 24) + '"}\n')
    assert refused(path) == ["2: a line of more than 16,777,216 bytes"]


# Parquet


def test_parquet_values(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {
        "t": ["NA", None, "01"],
        "i": [1, None, 3],
        "b": [True, False, None],
        "d": [dt.date(2026, 1, 31), None, dt.date(2026, 2, 1)],
        "l": [["x", "y"], [], None],
        "c": pa.array(["p", "q", "p"]).dictionary_encode(),
    }
    parquet.write_table(pa.table(columns), path)
    with open_table(path) as table:
        assert table.header == ("t", "i", "b", "d", "l", "c")
        assert list(table) == [
            (1, ["NA", "1", "1", "2026-01-31", '["x", "y"]', "p"]),
            (2, ["", "", "0", "", "", "q"]),
            (3, ["01", "3", "", "2026-02-01", "", "p"]),
        ]


def test_what_is_refused_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"t": pa.array([], pa.string())}), path)
    assert refused(path) == ["no rows"]
    path.write_bytes(b"t,l\na,1\n")
    assert refused(path)[0] == "this is text, not parquet"
    path.write_bytes(b"PAR1 and no more")
    assert "not a Parquet file that can be read" in refused(path)[0]
    for option in ("separator", "encoding"):
        with pytest.raises(SettingsError, match="is for text tables"):
            read(path, **{option: "utf-8"})


def test_damaged_parquet_is_an_error_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows = 50
    table = pa.table(
        {
            "t": [f"text {n}" for n in range(rows)],
            "d": [dt.date(2026, 1, 31)] * rows,
            "n": list(range(rows)),
        }
    )
    parquet.write_table(table, path)
    whole = path.read_bytes()
    good = 0
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(LabeltuneError):
            read(path)
            good += 1
    assert good < len(whole) // 11


def test_parquet_is_read_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"t": [str(n) for n in range(10_000)]}), path)
    rows = read(path)
    assert (rows[0], rows[-1], len(rows)) == ((1, ["0"]), (10_000, ["9999"]), 10_000)


# Excel


def workbook(
    path: Path, cells: dict[str, Any], *, merged: str | None = None, sheets: tuple[str, ...] = ()
) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Inquiries"
    for cell, value in cells.items():
        sheet[cell] = value
    if merged is not None:
        sheet.merge_cells(merged)
    for name in sheets:
        book.create_sheet(name)
    book.save(path)
    return path


def test_excel_values(tmp_path: Path) -> None:
    cells = {
        "A1": "text",
        "B1": "label",
        "C1": "when",
        "A2": "NA",
        "B2": 1,
        "C2": dt.date(2026, 1, 31),
        "A3": " two\nlines ",
        "B3": "01",
        "C3": pd.Timestamp(2026, 1, 31, 12, 30),
        "A5": "=1+1",
        "B5": True,
        "C5": 0.1,
        "A6": "😀",
        "B6": 12345678901,
        "C6": dt.time(9),
    }
    path = workbook(tmp_path / "t.xlsx", cells)
    with open_table(path) as table:
        assert table.header == ("text", "label", "when")
        assert list(table) == [
            (2, ["NA", "1", "2026-01-31"]),
            (3, [" two\nlines ", "01", "2026-01-31T12:30:00"]),
            (5, ["", "1", "0.1"]),
            (6, ["😀", "12345678901", "09:00:00"]),
        ]
        values = 'read the values of sheet "Inquiries", without formulas and formats'
        assert table.warnings == [f"{path}: {values}; dates are written as 2026-01-31"]


def test_an_excel_table_that_begins_further_down(tmp_path: Path) -> None:
    cells = {"C3": "text", "D3": "label", "C4": "a", "D4": "x", "C7": "b", "D7": "y"}
    path = workbook(tmp_path / "t.xlsx", cells)
    assert read(path) == [(4, ["a", "x"]), (7, ["b", "y"])]


def test_what_excel_files_hold_besides_is_said(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"A1": "t", "A2": "a"}, merged="A2:A3", sheets=("More", "Notes"))
    with open_table(path) as table:
        assert table.warnings[1:] == [
            f'{path}: only the first sheet is read, not "More", "Notes": --sheet names another',
            f"{path}: of merged cells, only the first one has the value (A2:A3); unmerge them and fill each cell",
        ]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({}, "no rows"),
        ({"A1": "t", "B1": "l"}, "no rows"),
        ({"A1": "t", "A2": "x", "B2": "y"}, '1: the header names only "t", and column 2 has no name'),
        ({"A1": "t", "B1": "t", "A2": "x"}, '1: columns 1 and 2 are both called "t"'),
    ],
)
def test_what_is_refused_in_excel(tmp_path: Path, cells: dict[str, Any], message: str) -> None:
    path = workbook(tmp_path / "t.xlsx", cells)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)


def test_damaged_excel_is_an_error_on_purpose(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", {f"A{n}": f"text {n}" for n in range(1, 50)}).read_bytes()
    path = tmp_path / "t.xlsx"
    damaged = [
        b"hello",
        b"PK\x03\x04",
        whole[: len(whole) // 2],
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
    ]
    with zipfile.ZipFile(io.BytesIO(whole)) as book:
        for broken in ("xl/worksheets/sheet1.xml", "xl/workbook.xml"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as copy:
                for name in book.namelist():
                    content = book.read(name)
                    copy.writestr(name, content[: len(content) // 2] if name == broken else content)
            damaged.append(packed.getvalue())
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DataError, match="t.xlsx"):
            read(path)


# DataFrames


def test_data_frames(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "t": ["NA", None, "01"],
            "i": [1, 2, 3],
            "n": pd.array([1, None, 0], dtype="Int64"),
            "b": [True, False, True],
            "c": pd.Categorical(["u", None, "u"]),
            "d": pd.to_datetime(pd.Series(["2026-01-31", None, "2026-02-01"])),
            7: [["x", "y"], np.array(["z"]), None],
        },
    )
    with open_table(frame) as table:
        assert table.header == ("t", "i", "n", "b", "c", "d", "7")
        assert list(table) == [
            (1, ["NA", "1", "1", "1", "u", "2026-01-31T00:00:00", '["x", "y"]']),
            (2, ["", "2", "", "0", "", "", '["z"]']),
            (3, ["01", "3", "0", "1", "u", "2026-02-01T00:00:00", ""]),
        ]
        assert table.progress == (0, 0)
        with pytest.raises(SettingsError, match="have no bytes of their own"):
            table.raw()
        with pytest.raises(SettingsError, match="is not read from bytes"):
            table.sha256()


def test_data_frames_with_what_no_table_holds() -> None:
    with pytest.raises(DataError, match='DataFrame: columns 1 and 2 are both called "a"'):
        open_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="no rows"):
        list(open_table(pd.DataFrame({"a": []})))


def test_a_row_as_json_reads_back_as_itself(tmp_path: Path) -> None:
    """What a JSON writer makes of any text is read as that text."""
    texts = ["", " ", "\t", "\\", '"', "/", "\x7f", "\u2028", "😀", "null", "é" * 3]
    path = jsonl(
        tmp_path,
        "".join(
            json.dumps({"t": text, "l": "x"}, ensure_ascii=n % 2 == 0) + "\n" for n, text in enumerate(texts)
        ),
    )
    assert [values[0] for _, values in read(path)] == texts
