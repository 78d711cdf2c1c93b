"""JSON tables as tools write them: keys that come and go, objects nobody asked about, arrays."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import tasks
from labeltune.errors import DataError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ReadOptions, copy_rows, open_table

if TYPE_CHECKING:
    from pathlib import Path

GOOD = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


def lines(folder: Path, rows: list[Any], name: str = "t.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("extra", [{"span": [1, 2]}, [{"start": 1}], [["a"]], {}])
def test_data_11_objects_in_other_columns_refuse_no_row(tmp_path: Path, extra: Any) -> None:
    path = lines(tmp_path, [{**row, "meta": extra} for row in GOOD])
    with open_table(path, task=tasks.INTENT) as table:
        assert [values[:2] for _, values in table] == [["a", "x"], ["b", "y"]]
        assert table.warnings == [f'{path}: column "meta" holds objects, and is passed over']
        assert table.structured == {"meta"}
        assert len(list(table)) == 2
        assert len(table.warnings) == 1
        assert [content for _, content in table.raw()] == path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("column", ["text", "label"])
def test_data_11_objects_where_the_task_looks_are_named(tmp_path: Path, column: str) -> None:
    path = lines(tmp_path, [GOOD[0], {**GOOD[1], column: {"x": 1}}])
    with open_table(path, task=tasks.INTENT) as table, pytest.raises(DataError) as caught:
        list(table)
    assert str(caught.value) == f'{path}:2: column "{column}" holds an object, expected text'


def test_data_11_parquet_and_frames_alike(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{**row, "meta": {"a": 1}, "raw": b"\0"} for row in GOOD]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for source in (tmp_path / "t.parquet", pd.DataFrame(rows)):
        with open_table(source, task=tasks.INTENT) as table:
            assert [values[:2] for _, values in table] == [["a", "x"], ["b", "y"]]
            assert table.structured == {"meta", "raw"}


def test_data_12_keys_that_come_and_go(tmp_path: Path) -> None:
    path = lines(tmp_path, [GOOD[0], {**GOOD[1], "note": "late"}, {"note": "n", "label": "x", "text": "c"}])
    with open_table(path) as table:
        assert table.header == ("text", "label", "note")
        assert [values for _, values in table] == [["a", "x", ""], ["b", "y", "late"], ["c", "x", "n"]]
        assert table.notes == [f'{path}: 1 of 3 rows have no key "note", which is read as empty there']


def test_data_12_a_misspelt_key_is_no_missing_one(tmp_path: Path) -> None:
    path = lines(tmp_path, [GOOD[0], {"text": "b", "lable": "y"}, {"text": "c"}])
    with open_table(path) as table, pytest.raises(DataError) as caught:
        list(table)
    assert str(caught.value) == f'{path}:2: key "lable" is not in the first row (did you mean "label"?)'


ARRAYS = [
    json.dumps(GOOD),
    json.dumps(GOOD, indent=2),
    "\ufeff " + json.dumps(GOOD, indent=1),
    json.dumps({"data": GOOD}),
    json.dumps({"version": 1, "data": GOOD, "license": None}, indent=2),
]


@pytest.mark.parametrize("content", ARRAYS)
def test_data_21_arrays_of_objects_are_tables(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content, encoding="utf-8")
    with open_table(path) as table:
        assert table.header == ("text", "label")
        assert [values for _, values in table] == [["a", "x"], ["b", "y"]]
        assert table.notes == ([] if '"data"' not in content else [f'{path}: the rows are those of "data"'])


def test_data_21_rows_have_the_lines_on_which_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[\n  {"text": "a",\n   "label": 1},\n\n  {"text": "b", "label": 2}, "x"\n]\n')
    with open_table(path) as table, pytest.raises(DataError, match=r"t\.json:5: expected a JSON object"):
        assert [line for line, _ in table] == [2, 5]


def test_data_21_lines_of_objects_may_be_called_json(tmp_path: Path) -> None:
    with open_table(lines(tmp_path, GOOD, "t.json")) as table:
        assert table.format == "jsonl"
        assert len(list(table)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{\n "train": [["a", "x"]]\n}', 'this is one JSON object, not a table: it holds "train"'),
        (
            '{"train": [{"a": 1}],\n "test": [{"a": 1}]}',
            'this is one JSON object, not a table: it holds "train", "test"',
        ),
        ("[]", "no rows"),
        ("[{'a': 1}]", "not valid JSON: this is how Python writes a dict"),
        ('[{"a": 1}', "1: not valid JSON: the array does not end at character 10"),
        ('[{"a": 1} {"a": 2}]', '1: not valid JSON: expected "," or "]" at character 11'),
        ('[{"a": 1}]\nx', "2: not valid JSON: something follows the array at character 1"),
        ('[\n{"a": 1},\n{"a": }]', "3: not valid JSON: Expecting value at character 7"),
    ],
)
def test_data_21_what_is_no_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught, open_table(path, ReadOptions(format="json")) as table:
        list(table)
    assert str(caught.value).startswith(f"{path}:")
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ARRAYS[:3])
def test_data_21_rows_of_an_array_are_copied_as_they_are(tmp_path: Path, content: str) -> None:
    path, copy = tmp_path / "t.json", tmp_path / "copy.json"
    path.write_text(content, encoding="utf-8")
    with ByteSource(path) as source, open_table(source) as table, copy.open("wb") as handle:
        own = [row for _, row in table.raw()]
        copy_rows(table, source, [[], [0]], [handle])
    assert own[1] in copy.read_bytes()
    with open_table(copy) as table:
        assert [values for _, values in table] == [["b", "y"]]


def test_an_array_of_a_label_field_keeps_its_bars(tmp_path: Path) -> None:
    path = lines(tmp_path, [{"text": "a", "label": ["x|y", "z"]}])
    with open_table(path, task=replace(tasks.INTENT)) as table:
        assert [values for _, values in table] == [["a", '["x|y", "z"]']]
