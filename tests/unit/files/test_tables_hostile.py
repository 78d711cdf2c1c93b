"""Collections of odd files: nothing crashes, nothing is changed unseen, every refusal names a place."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labeltune.errors import DataError, LabeltuneError
from labeltune.files.jsonl import ChatFile
from labeltune.files.tables import open_table, write_table
from labeltune.prepare.convert import convert
from labeltune.task import AnswerFormat, Field, Task
from tasks import INTENT

pytestmark = pytest.mark.shared

SPECTRUM = [
    "comma_in_quotes",
    "empty",
    "empty_crlf",
    "escaped_quotes",
    "json",
    "newlines",
    "newlines_crlf",
    "quotes_and_newlines",
    "simple",
    "simple_crlf",
    "utf8",
]


@pytest.fixture(scope="session")
def hostile(shared_data: Path) -> Path:
    return shared_data / "hostile"


def rows_of(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    with open_table(path) as table:
        return table.header, [values for _, values in table]


def expected_of(folder: Path) -> dict[str, str]:
    with (folder / "EXPECTED.tsv").open(newline="") as handle:
        return {row["file"]: row["expected"] for row in csv.DictReader(handle, delimiter="\t")}


# csv-spectrum


@pytest.mark.parametrize("name", SPECTRUM)
def test_csv_spectrum(hostile: Path, name: str) -> None:
    folder = hostile / "csv-spectrum"
    # Where the name says CRLF but the published bytes lost it, the file with the bytes restored.
    restored = folder / "csvs_crlf_restored" / f"{name}.csv"
    path = restored if restored.exists() else folder / "csvs" / f"{name}.csv"
    header, rows = rows_of(path)
    assert [dict(zip(header, row, strict=True)) for row in rows] == json.loads(
        (folder / "json" / f"{name}.json").read_text()
    )


def test_csv_spectrum_is_covered(hostile: Path) -> None:
    """The pair that is left out is broken at its source: its JSON is not what its CSV says."""
    expected = expected_of(hostile / "csv-spectrum")
    assert {*expected} == {f"{name}.csv" for name in [*SPECTRUM, "location_coordinates"]}
    header, rows = rows_of(hostile / "csv-spectrum" / "csvs" / "location_coordinates.csv")
    assert (len(header), len(rows)) == (4, 1)
    assert "\ufffd" in rows[0][1]


# csvkit

CSVKIT_GOOD: dict[str, tuple[list[str], list[list[str]]]] = {
    "mac_newlines.csv": (["a", "b", "c"], [["1", "2", "3"], ["Once upon\ra time", "5", "6"]]),
    "blanks.csv": (list("abcdef"), [["", "NA", "N/A", "NONE", "NULL", "."]]),
    "test_header_newline.csv": (
        ["\t\n\x0b\x0c\r start \t\n\x0b\x0c\r end \t\n\x0b\x0c\r", "b", "c"],
        [["d", "e", "f"]],
    ),
    "test_utf8_bom.csv": (["foo", "bar", "baz"], [["1", "2", "3"], ["4", "5", "ʤ"]]),
    "test_utf16_big.csv": (["a", "b", "c"], [["1", "2", "3"], ["4", "5", "ʤ"]]),
    "test_utf16_little.csv": (["a", "b", "c"], [["1", "2", "3"], ["4", "5", "ʤ"]]),
    "test_no_leading_zeroes.csv": (["a", "b", "c"], [["01", "00.11", "0.1"]]),
    "date_like_number.csv": (["a"], [["4.5"]]),
    "optional_quote_characters.csv": (["a", "b", "c"], [["1", "2", "3"]]),
    "dummy.csv.gz": (["a", "b", "c"], [["1", "2", "3"]]),
    "test_ignore_case.csv": (
        ["a", "b", "c"],
        [
            ["100", "2003-01-01", "a"],
            ["100", "2003-01-01", "A"],
            ["20", "2002-01-01", "b"],
            ["20", "2001-01-01", "c"],
            ["3", "2009-01-01", "d"],
        ],
    ),
    "sniff_limit.csv": (["a", "b", "c"], [["1", "2", "3"]]),
    # The list calls its row longer than its header; in the file they are of one length.
    "dummy_col_shuffled_ragged.csv": (["b", "c", "a", "d"], [["2", "3", "1", "4"]]),
}
CSVKIT_REFUSED = {
    "bad.csv": [":2: expected 3 columns, found 4", ":3: expected 3 columns, found 2"],
    "bad_skip_lines.csv": [":5: expected 3 columns, found 4", ":6: expected 3 columns, found 2"],
    "null_byte.csv": [":2: a NUL byte"],
    "empty.csv": [": no rows"],
    "no_header_row.csv": [": no rows"],
    "test_empty_columns.csv": [":3: expected 5 columns, found 4"],
    "test_join_short_rows.csv": [":2: expected 3 columns, found 2", ":3: expected 3 columns, found 2"],
    "test_latin1.csv": [":3: byte 0xa9 is not UTF-8 (byte offset 16 of the file)"],
    "test_extra_header.csv": [":2: expected 4 columns, found 3"],
    "dummy.csv.bz2": [": this is bzip2, not a table"],
}


@pytest.mark.parametrize("name", CSVKIT_GOOD)
def test_csvkit_files_that_are_read(hostile: Path, name: str) -> None:
    header, rows = rows_of(hostile / "csvkit" / "examples" / name)
    assert (list(header), rows) == CSVKIT_GOOD[name]


@pytest.mark.parametrize("name", CSVKIT_REFUSED)
def test_csvkit_files_that_are_refused(hostile: Path, name: str) -> None:
    path = hostile / "csvkit" / "examples" / name
    with pytest.raises(DataError) as caught:
        rows_of(path)
    found = [line.removeprefix(str(path)) for line in str(caught.value).split("\n")]
    assert len(found) == len(CSVKIT_REFUSED[name])
    assert all(line.startswith(said) for line, said in zip(found, CSVKIT_REFUSED[name], strict=True))


def test_every_csvkit_file_of_which_something_is_expected_is_tried(hostile: Path) -> None:
    assert {*expected_of(hostile / "csvkit")} == {*CSVKIT_GOOD, *CSVKIT_REFUSED}


def test_no_other_file_crashes(hostile: Path) -> None:
    """Whatever lies there, read as a table: rows as wide as the header, or an error that names the file."""
    files = [path for path in hostile.rglob("*") if path.is_file() and "JSONTestSuite" not in path.parts]
    assert len(files) > 100
    for path in files:
        assert_read_or_refused(path)


def assert_read_or_refused(path: Path) -> None:
    try:
        header, rows = rows_of(path)
    except LabeltuneError as error:
        refusal = str(error)
    else:
        assert header
        assert {len(row) for row in rows} == {len(header)}
        return
    assert refusal.startswith(str(path))


# JSONTestSuite

# One that must be accepted holds a line end, so that it is no line; and half a character is no text.
NOT_FOR_LINES = {"y_array_with_1_and_newline.json", "y_object_with_newlines.json", "n_structure_no_data.json"}
LONE_SURROGATES = re.compile(r"surrogate|n_string_1_surrogate|i_string_inverted|i_object_key")


def json_texts(hostile: Path) -> list[Path]:
    return sorted((hostile / "JSONTestSuite").glob("test_*/*.json"))


def read_back(path: Path, folder: Path, line: bytes) -> list[tuple[int, Any]]:
    """The records of a chat file that holds a good line, then the one in question, then a good one."""
    file = folder / "c.jsonl"
    file.write_bytes(b'{"messages": []}\n' + line + b'\n{"messages": []}\n')
    with ChatFile(file) as chat:
        told: list[int | None] = []
        chat.on_bad = lambda finding, _: told.append(finding.where.line)
        records = list(chat)
        if told:
            assert told == [2] if b"\n" not in line else told[0] is not None
        return records[1:-1]


def test_json_texts_as_lines_of_a_chat_file(hostile: Path, tmp_path: Path) -> None:
    texts = json_texts(hostile)
    assert len(texts) == 318 + 22
    read = 0
    for path in texts:
        line = b'{"messages": ' + path.read_bytes().rstrip(b"\n") + b"}"
        records = read_back(path, tmp_path, line)
        if path.name.startswith("y_") and path.name not in NOT_FOR_LINES:
            value = json.loads(path.read_bytes(), parse_int=float)
            assert json.loads(json.dumps(records), parse_int=float) == [[2, {"messages": value}]], path.name
            read += 1
        elif path.name.startswith("n_") and path.name not in NOT_FOR_LINES:
            # A text that ends the object early and begins another does not make it a good line.
            assert records == [], path.name
    assert read == 93


def test_json_texts_as_values_of_a_table(hostile: Path, tmp_path: Path) -> None:
    table_file = tmp_path / "t.jsonl"
    read = 0
    for path in json_texts(hostile):
        content = path.read_bytes().rstrip(b"\n")
        table_file.write_bytes(b'{"v": "first"}\n{"v": ' + content + b"}\n")
        with open_table(table_file) as table:
            told: list[tuple[int | None, str]] = []
            table.on_bad = lambda finding, _, told=told: told.append((finding.where.line, finding.message))
            rows = list(table)[1:]
        if path.name.startswith("n_") and path.name not in NOT_FOR_LINES:
            assert rows == [], path.name
        if rows:
            value = json.loads(content, parse_int=str, parse_float=str)
            plain: dict[Any, str] = {None: "", True: "1", False: "0"}
            text = rows[0][1][0]
            if isinstance(value, dict):
                assert json.loads(text) == json.loads(content), path.name
            elif isinstance(value, list):
                assert (json.loads(text, parse_int=str, parse_float=str) if text else []) == value, path.name
            else:
                assert text == plain.get(value, value), path.name
            read += 1
        else:
            assert told[0][0] in (2, 3)
            assert all(message for _, message in told)
    assert read > 60


def test_json_texts_as_whole_tables(hostile: Path, tmp_path: Path) -> None:
    table_file = tmp_path / "t.jsonl"
    for path in json_texts(hostile):
        table_file.write_bytes(path.read_bytes())
        assert_read_or_refused(table_file)


# blns, csv-injection


def naughty(hostile: Path) -> list[str]:
    strings: list[str] = json.loads((hostile / "blns" / "blns.json").read_text())
    return strings


def payloads(hostile: Path) -> list[str]:
    return [row[0] for row in rows_of(hostile / "csv-injection" / "payloads.csv")[1]]


def contents(path: Path) -> list[tuple[str, str]]:
    """User and assistant of each record."""
    with path.open(newline="\n") as handle:
        records = [json.loads(line) for line in handle]
    return [(record["messages"][-2]["content"], record["messages"][-1]["content"]) for record in records]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_naughty_strings_as_texts(hostile: Path, tmp_path: Path, ending: str) -> None:
    strings = naughty(hostile) + payloads(hostile)
    assert len(strings) == 515 + 16
    data = tmp_path / f"t{ending}"
    write_table(data, ("text", "label"), [[text, "lost card"] for text in strings])
    out = tmp_path / "out.jsonl"
    done = convert(INTENT, data, out, on_error="skip")
    # Text stands in prompts without the space around it; where nothing else is, the row has no text.
    stripped = [text.strip() for text in strings]
    assert contents(out) == [(text, "lost card") for text in stripped if text]
    assert done.left_out == {"empty_text": stripped.count("")}


@pytest.mark.parametrize("form", ["label", "json"])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_naughty_strings_as_labels(hostile: Path, tmp_path: Path, form: Any, ending: str) -> None:
    labels = tuple(dict.fromkeys(text for text in naughty(hostile) + payloads(hostile) if usable(text)))
    assert len(labels) > 480
    task = replace(
        INTENT, fields=(Field("intent", "single", labels, column="label"),), answer=AnswerFormat(form)
    )
    data, out = tmp_path / f"t{ending}", tmp_path / "out.jsonl"
    write_table(data, ("text", "label"), [["x", label] for label in labels])
    assert convert(task, data, out).left_out == {}
    answers = [answer for _, answer in contents(out)]
    assert [json.loads(answer)["intent"] if form == "json" else answer for answer in answers] == list(labels)


def usable(label: str) -> bool:
    """Whether a task takes it for a label."""
    task: Task | None
    try:
        task = replace(INTENT, fields=(Field("intent", "single", (label, "another"), column="label"),))
    except LabeltuneError:
        task = None
    return task is not None


def test_the_strings_that_no_task_takes_for_labels_are_blank_or_spaced(hostile: Path) -> None:
    refused = [text for text in naughty(hostile) if not usable(text)]
    assert all(text != text.strip() or not text for text in refused)
