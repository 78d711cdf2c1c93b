from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from labeltune.errors import DataError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ReadOptions, open_table
from labeltune.files.tables.editing import write_edited
from labeltune.files.writing import atomic_write


def edit(
    path: Path,
    changes: dict[int, dict[int, str]],
    added: list[list[str]] | None = None,
    read: ReadOptions | None = None,
) -> bytes:
    out = path.with_name(f"out{path.suffix}")
    read = read or ReadOptions()
    with ByteSource(path) as source, open_table(source, read) as table, open_table(source, read) as again:
        write_edited(table, again, str(out), atomic_write, changes, added or [])
    return out.read_bytes()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


def test_nothing_but_the_cell_changes(table: Path) -> None:
    table.write_bytes(
        b'\xef\xbb\xbftext,label,note\r\n"a ""b"", c",x, kept \r\n"two\nlines","x","q"\r\nplain,x,'
    )
    out = edit(table, {2: {1: "y"}, 3: {1: "y z"}, 5: {1: "u,v"}})
    assert out == (
        b'\xef\xbb\xbftext,label,note\r\n"a ""b"", c",y, kept \r\n"two\nlines","y z","q"\r\nplain,"u,v",'
    )


def test_rows_are_added_on_lines_of_their_own(table: Path) -> None:
    table.write_bytes(b"text,label\r\na,x\r\nb,x")
    assert edit(table, {}, [["c, d", "y"]]) == b'text,label\r\na,x\r\nb,x\r\n"c, d",y\r\n'


def test_another_encoding_and_separator(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text;label\nmüde;x\nsüß;x\n".encode("cp1252"))
    out = edit(path, {3: {1: "fröhlich"}}, read=ReadOptions(encoding="cp1252", separator=";"))
    assert out.decode("cp1252") == "text;label\nmüde;x\nsüß;fröhlich\n"


def test_a_table_without_quotes_cannot_hold_a_tab(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b'text\tlabel\n5" disk\tx\n')
    assert edit(path, {2: {1: "y"}}) == b'text\tlabel\n5" disk\ty\n'
    with pytest.raises(DataError, match=r't.tsv:2: "a\tb" holds what separates columns'):
        edit(path, {2: {1: "a\tb"}})


def test_json_lines_keep_their_spelling_and_types(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'{"text":"a","toxic":1, "n": 1.50,"tags":["x"]}\n{ "n":2.0,  "text":"b", "toxic":0 ,"tags":[]}\n'
    )
    out = edit(path, {1: {1: "0", 3: '["y", "z"]'}, 2: {1: "1"}}, [["c", "1", "3", '["x"]']])
    first, second, third, end = out.split(b"\n")
    assert first == b'{"text":"a","toxic":0, "n": 1.50,"tags":["y", "z"]}'
    assert second == b'{ "n":2.0,  "text":"b", "toxic":1 ,"tags":[]}'
    assert json.loads(third) == {"text": "c", "toxic": 1, "n": 3.0, "tags": ["x"]}
    assert end == b""


def test_a_key_that_a_row_lacks_is_added(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"text": "a", "label": "x"}\n{"text": "b"}\n')
    assert edit(path, {2: {1: "y"}}).endswith(b'\n{"text": "b", "label": "y"}\n')


def test_a_json_array(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[{"text": "a", "on": true}, {"text": "b", "on": false}]')
    out = edit(path, {1: {1: "0"}}, [["c", "1"]])
    assert json.loads(out) == [
        {"text": "a", "on": False},
        {"text": "b", "on": False},
        {"text": "c", "on": True},
    ]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schema = pa.schema([("text", pa.string()), ("toxic", pa.int8()), ("score", pa.float32())])
    parquet.write_table(
        pa.table({"text": ["a", "b"], "toxic": [0, 1], "score": [0.5, None]}, schema=schema), path
    )
    edit(path, {1: {1: "1"}}, [["c", "0", ""]])
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.schema.equals(schema)
    assert found.to_pydict() == {"text": ["a", "b", "c"], "toxic": [1, 1, 0], "score": [0.5, None, None]}


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5), data=st.data())
def test_any_cells_are_read_back(table: Path, rows: list[tuple[str, str]], data: st.DataObject) -> None:
    with table.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *(("t" + a, b) for a, b in rows)])
    read = ReadOptions(separator=",")
    with open_table(table, read) as opened:
        before = list(opened)
    place = data.draw(st.integers(0, len(before) - 1))
    cell = data.draw(CELLS)
    edit(table, {before[place][0]: {1: cell}}, read=read)
    with open_table(table.with_name("out.csv"), read) as opened:
        after = [values for _, values in opened]
    wanted = [values for _, values in before]
    wanted[place] = [wanted[place][0], cell]
    assert after == wanted
