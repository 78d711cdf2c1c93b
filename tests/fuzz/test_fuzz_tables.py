"""Arbitrary bytes as tables: converted or refused on purpose, never a crash; and tables of any dialect, read back.

The suite tries the same examples each time; `LABELTUNE_FUZZ=5000 pytest tests/fuzz` tries as many new ones.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from fuzz.corpus import chat_bytes, csv_bytes, is_checked, jsonl_bytes, survives
from labeltune.cli.app import app
from labeltune.errors import DataError, LabeltuneError
from labeltune.files.jsonl import ChatFile
from labeltune.files.tables import ReadOptions, open_table, write_table
from tasks import INTENT, INTENT_TOML

ON_DEMAND = int(os.environ.get("LABELTUNE_FUZZ", "0"))
# One folder serves all examples of a test: each writes the same few files anew.
one_folder = settings(
    deadline=None,
    derandomize=not ON_DEMAND,
    max_examples=ON_DEMAND or 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
many = settings(one_folder, max_examples=ON_DEMAND or 300)


@many
@given(content=csv_bytes)
def test_any_bytes_called_csv(tmp_path: Path, content: bytes) -> None:
    survives(INTENT, tmp_path / "t.csv", content, tmp_path)


@one_folder
@given(content=csv_bytes, name=st.sampled_from(["t.tsv", "t.txt", "t.csv.gz", "t", "t.jsonl"]))
def test_any_bytes_of_another_name(tmp_path: Path, content: bytes, name: str) -> None:
    survives(INTENT, tmp_path / name, content, tmp_path)


@one_folder
@given(
    content=csv_bytes,
    encoding=st.sampled_from(
        ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "cp932", "utf-7", "ascii", "idna"]
    ),
    separator=st.sampled_from([",", ";", "tab", "a", "\u2028", " "]),
)
def test_any_bytes_in_any_encoding(tmp_path: Path, content: bytes, encoding: str, separator: str) -> None:
    survives(INTENT, tmp_path / "t.csv", content, tmp_path, encoding=encoding, separator=separator)


@many
@given(content=jsonl_bytes)
def test_any_bytes_called_json_lines(tmp_path: Path, content: bytes) -> None:
    survives(INTENT, tmp_path / "t.jsonl", content, tmp_path)


@one_folder
@given(
    content=st.one_of(csv_bytes, st.binary(max_size=60)),
    name=st.sampled_from(["t.xlsx", "t.parquet", "t.xls"]),
)
def test_any_bytes_called_a_spreadsheet(tmp_path: Path, content: bytes, name: str) -> None:
    survives(INTENT, tmp_path / name, content, tmp_path)


@many
@given(content=jsonl_bytes)
def test_any_bytes_as_a_chat_file(tmp_path: Path, content: bytes) -> None:
    """Each line is a record, or is told, or is blank."""
    path = tmp_path / "c.jsonl"
    path.write_bytes(content)
    told: list[int | None] = []
    records: list[int] = []
    with ChatFile(path) as file:
        file.on_bad = lambda finding, _: told.append(finding.where.line)
        with contextlib.suppress(DataError):  # no records at all
            records = [line for line, _ in file]
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    full = {number for number, line in enumerate(lines, 1) if line and not line.isspace()}
    if None in told:  # no chat file at all, which is said once
        assert (records, told) == ([], [None])
    else:
        assert sorted([*records, *filter(None, told)]) == sorted(full)


@one_folder
@given(content=st.one_of(chat_bytes, jsonl_bytes))
def test_any_bytes_are_checked(tmp_path: Path, content: bytes) -> None:
    is_checked(INTENT, tmp_path / "c.jsonl", content)


@settings(one_folder, max_examples=ON_DEMAND or 40)
@given(
    content=st.one_of(csv_bytes, jsonl_bytes),
    options=st.sampled_from([[], ["--json"], ["-q", "--on-error", "skip"]]),
)
def test_the_command_ends_with_a_code_of_its_own(tmp_path: Path, content: bytes, options: list[str]) -> None:
    task, data = tmp_path / "task.toml", tmp_path / "t.csv"
    task.write_text(INTENT_TOML)
    data.write_bytes(content)
    result = CliRunner().invoke(
        app, ["convert", str(data), "-t", str(task), "-o", str(tmp_path / "out.jsonl"), *options]
    )
    assert result.exit_code in (0, 2, 7), result.exception
    assert ("error: " in result.stderr) is (result.exit_code != 0)
    if "--json" in options:
        assert isinstance(json.loads(result.stdout), dict)


# what was written is what is read

value = st.one_of(
    st.sampled_from(
        ["NA", "null", "None", "nan", "01", "True", "1e5", "1.0", "-0", "", " ", "=1+1", "😀", "\u2028x"]
    ),
    st.sampled_from(
        ["a,b", "a;b", "a\tb", "a|b", 'a"b', '"', "a\nb", "a\r\nb", "a\rb", "\\", "'", "#", "x" * 5000]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
)


@st.composite
def tables(draw: Any) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=1, max_size=8))
    return [f"column {number}" for number in range(width)], rows


@many
@given(
    table=tables(),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    told=st.booleans(),
    last_end=st.booleans(),
)
def test_csv_of_any_dialect_reads_as_what_was_written(
    tmp_path: Path,
    table: tuple[list[str], list[list[str]]],
    separator: str,
    end: str,
    quoting: Any,
    encoding: str,
    told: bool,
    last_end: bool,
) -> None:
    header, rows = table
    text = io.StringIO(newline="")
    # csv quotes a line end only if it is the one that lines end with, so that it cannot read others itself.
    if any(sign in cell for row in rows for cell in row for sign in "\r\n"):
        quoting = csv.QUOTE_ALL
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting).writerows([header, *rows])
    content = text.getvalue() if last_end else text.getvalue().removesuffix(end)
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode(encoding))
    # Where a value is full of another separator, finding the right one is not promised.
    with open_table(
        path,
        ReadOptions(
            separator=separator if told or any(s in content for s in ",;\t|" if s != separator) else None,
            quote="csv",
        ),
    ) as found:
        assert list(found.header) == header
        read = list(found)
        assert [values for _, values in read] == rows
        line = 2
        for (number, _), row in zip(read, rows, strict=True):
            assert number == line
            # A value's own line ends count, each of the three kinds once.
            line += 1 + sum(
                len(f"{cell}.".replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1 for cell in row
            )
        raw = [row for _, row in found.raw()]
        assert found.header_bytes is not None
        assert b"".join([found.header_bytes, *raw]) == path.read_bytes()


@one_folder
@given(table=tables(), ending=st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz"]))
def test_what_we_write_we_read(tmp_path: Path, table: tuple[list[str], list[list[str]]], ending: str) -> None:
    header, rows = table
    path = tmp_path / f"t{ending}"
    write_table(path, header, rows)
    # In tabs, a text of several lines with tabs in it may look like rows, where nothing tells who wrote it.
    read = ReadOptions(
        separator="," if ending.startswith(".csv") else None, quote="csv" if ending == ".tsv" else None
    )
    with open_table(path, read) as found:
        assert [values for _, values in found] == rows


@pytest.mark.parametrize("quotes", ["few", "many"])
@many
@given(content=csv_bytes)
def test_both_ways_of_reading_agree(tmp_path: Path, quotes: str, content: bytes) -> None:
    """Tables of many quotes and of few are read in two ways; with padding, the same rows go through each."""
    found = []
    padding = (b'"plain",x\n' if quotes == "many" else b"plain,x\n") * 60
    for padded in (content, padding + content):
        path = tmp_path / "t.csv"
        path.write_bytes(b"text,label\n" + padded)
        told: list[tuple[str, int]] = []
        try:
            table = open_table(path, ReadOptions(separator=","))
        except DataError:  # every row is wider than the header, which padding hides
            assume(False)
        with table:
            skipped = 60 if padded is not content else 0
            table.on_bad = lambda finding, _: told.append((finding.code, (finding.where.line or 0) - skipped))  # noqa: B023  # called before the next round
            try:
                rows = [(line - skipped, values) for line, values in table][skipped:]
            except LabeltuneError:
                rows = []
        found.append((rows, told))
    assert found[0] == found[1]
