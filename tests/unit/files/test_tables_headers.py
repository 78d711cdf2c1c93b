"""Headers as real files have them: none, too short, with columns that have no name, below a title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ReadOptions, copy_rows, open_table

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT = ReadOptions(header=False)


def write(folder: Path, content: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(content, newline="")
    return path


def workbook(path: Path, sheets: dict[str, list[list[Any]]], merged: str | None = None) -> Path:
    book = openpyxl.Workbook()
    for place, (name, rows) in enumerate(sheets.items()):
        sheet = book.active if place == 0 else book.create_sheet()
        sheet.title = name
        for row in rows:
            sheet.append(row)
        if merged:
            sheet.merge_cells(merged)
    book.save(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_columns_without_a_header_are_numbered(tmp_path: Path, name: str) -> None:
    sign = "," if name == "t.csv" else "\t"
    path = write(tmp_path, f"\nham{sign}one\nspam{sign}two\n", name)
    with open_table(path, WITHOUT) as table:
        assert table.header == ("column_1", "column_2")
        assert list(table) == [(2, ["ham", "one"]), (3, ["spam", "two"])]
        assert table.header_bytes == b""
        assert [content for _, content in table.raw()] == [
            f"ham{sign}one\n".encode(),
            f"spam{sign}two\n".encode(),
        ]
        assert table.read == ReadOptions(header=False)


def test_a_byte_order_mark_stands_before_a_first_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffhäm,one\nspam,two\n".encode("utf-16-le"))
    with open_table(path, WITHOUT) as table:
        assert list(table) == [(1, ["häm", "one"]), (2, ["spam", "two"])]
        assert table.header_bytes == b"\xff\xfe"


def test_workbooks_without_a_header(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"A": [["ham", "one"], ["spam", "two"]]})
    with open_table(path, WITHOUT) as table:
        assert table.header == ("column_1", "column_2")
        assert [values for _, values in table] == [["ham", "one"], ["spam", "two"]]


def test_a_table_that_was_written_again_has_its_header(tmp_path: Path) -> None:
    from dataclasses import replace

    import tasks

    task = replace(tasks.INTENT, read=WITHOUT)
    path = write(tmp_path, "column_1,column_2,predicted\nham,one,x\n")
    with open_table(path, task=task) as table:
        assert [values for _, values in table] == [["ham", "one", "x"]]
    with open_table(path, WITHOUT, task=task) as table:
        assert len(list(table)) == 2


@pytest.mark.parametrize(
    ("content", "header", "note"),
    [
        (
            ",text,label\n0,a,x\n1,b,y\n",
            ("column_1", "text", "label"),
            (
                "1: column 1 has no name, like the index that pandas writes without index=False: "
                '"column_1" here, and passed over'
            ),
        ),
        (
            "text,label,,,\na,x,,,\nb,y,,,\n",
            ("text", "label", "column_3", "column_4", "column_5"),
            "1: columns 3, 4, 5 have no name and no value: passed over",
        ),
        (
            "text,label, \na,x,\nb,y,seen\n",
            ("text", "label", "column_3"),
            "1: column 3 has no name (line 3 holds a value): passed over",
        ),
        (
            "text,column_2,\na,x,\n",
            ("text", "column_2", "column_3"),
            "1: column 3 has no name and no value: passed over",
        ),
        (
            "text,column_3,\na,x,1\n",
            ("text", "column_3", "column_3_"),
            "1: column 3 has no name (line 2 holds a value): passed over",
        ),
        (
            ",text\n0,a\n1,b\n",
            ("column_1", "text"),
            (
                "1: column 1 has no name, like the index that pandas writes without index=False: "
                '"column_1" here, and passed over'
            ),
        ),
    ],
)
def test_data_22_columns_without_a_name_are_passed_over(
    tmp_path: Path, content: str, header: tuple[str, ...], note: str
) -> None:
    path = write(tmp_path, content)
    with open_table(path) as table:
        assert table.header == header
        assert table.unnamed == {name for name in header if name.startswith("column_")} - {"column_2"} - (
            {"column_3"} if "column_3_" in header else set()
        )
        assert len(list(table)) == content.count("\n") - 1
        assert table.notes == [f"{path}:{note}"]


def test_data_22_a_stray_cell_of_a_sheet_is_named(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["text", "label"], ["a", "x"], ["b", "y", None, None, "look here"]]
    path = workbook(tmp_path / "t.xlsx", {"A": rows})
    with open_table(path) as table:
        assert [values[:2] for _, values in table] == [["a", "x"], ["b", "y"]]
        assert table.notes == [f"{path}:1: columns 3, 4, 5 have no name (cell E3 holds a value): passed over"]


def test_data_22_a_header_that_is_too_short_is_blamed_once(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\n" + "0,a,x\n" * 30)
    with pytest.raises(DataError) as caught:
        open_table(path)
    assert str(caught.value) == (
        f"{path}:1: the header has 2 columns, and every row has 3: a name is missing in it, or it is no header "
        "(--no-header)"
    )


def test_data_01_two_equal_names_may_be_a_row(tmp_path: Path) -> None:
    path = write(tmp_path, "ham,ham\nspam,two\n")
    with pytest.raises(DataError, match='columns 1 and 2 are both called "ham"') as caught:
        open_table(path)
    assert (caught.value.hint or "").endswith("is read with --no-header")
    with open_table(path, WITHOUT) as table:
        assert len(list(table)) == 2


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_data_32_a_title_above_the_header_is_recognised(tmp_path: Path, name: str) -> None:
    rows = [["Tickets 2024", ""], ["text", "label"], ["a", "x"], ["b", "y"]]
    if name == "t.csv":
        path = write(tmp_path, "".join(",".join(row) + "\n" for row in rows))
    else:
        path = workbook(tmp_path / name, {"A": [[cell or None for cell in row] for row in rows]})
    with pytest.raises(
        DataError, match='the header names only "Tickets 2024", and column 2 has no name'
    ) as caught:
        open_table(path)
    assert "is the first row a title?" in (caught.value.hint or "")


def test_data_32_merged_cells_are_told_before_the_errors(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["text", "label"], ["a", "x"], ["b", None], ["c", None]]
    path = workbook(tmp_path / "t.xlsx", {"A": rows}, merged="B2:B4")
    with open_table(path) as table, pytest.raises(DataError) as caught:
        for line, values in table:
            if not values[1]:
                table.reject("no_label", line, "no label")
    first, *rest = str(caught.value).split("\n")
    assert first.startswith(f"{path}: of merged cells, only the first one has the value (B2:B4)")
    assert rest == [f"{path}:3: no label", f"{path}:4: no label"]


def test_data_32_a_column_of_formulas_that_were_never_calculated(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"A": [["text", "label"], ["=1+1", "x"], ["=2+2", "y"]]})
    with open_table(path) as table:
        list(table)
        assert f'{path}: column "text" is empty in every row; are its cells formulas' in table.warnings[-1]


def test_data_32_a_sheet_is_chosen(tmp_path: Path) -> None:
    sheets: dict[str, list[list[Any]]] = {
        "About": [["About this file"]],
        "Data": [["text", "label"], ["a", "x"], ["b", "y"]],
    }
    path = workbook(tmp_path / "t.xlsx", sheets)
    with open_table(path, ReadOptions(sheet="Data")) as table:
        assert [values for _, values in table] == [["a", "x"], ["b", "y"]]
        assert table.read == ReadOptions(sheet="Data")
    with pytest.raises(SettingsError, match=r'no sheet "data" \(did you mean "Data"\?\)') as caught:
        open_table(path, ReadOptions(sheet="data"))
    assert caught.value.hint == "it has: About, Data"
    sheets["About"] = []
    path = workbook(tmp_path / "empty.xlsx", sheets)
    with pytest.raises(DataError, match='no rows in the first sheet, "About"') as empty:
        open_table(path)
    assert empty.value.hint == 'name one that has rows: --sheet "Data"'


@pytest.mark.parametrize("header", [True, False])
def test_copies_of_a_sheet_are_read_with_the_same_options(tmp_path: Path, header: bool) -> None:
    rows = [["text", "label"], ["a", "x"], ["b", "y"]]
    path = workbook(tmp_path / "t.xlsx", {"About": [["x"]], "Data & more": rows})
    read = ReadOptions(sheet="Data & more", header=header)
    copy = tmp_path / "copy.xlsx"
    with ByteSource(path) as source, open_table(source, read) as table, copy.open("wb") as handle:
        expected = [values for _, values in table]
        copy_rows(table, source, [[0]] * len(expected), [handle])
    with open_table(copy, read) as table:
        assert [values for _, values in table] == expected


@pytest.mark.parametrize("option", [{"sheet": "x"}, {"quote": "none"}, {"header": False}, {"separator": ";"}])
def test_options_of_other_formats_are_refused_when_told_and_passed_over_when_kept(
    tmp_path: Path, option: dict[str, Any]
) -> None:
    from dataclasses import replace

    import tasks

    path = write(tmp_path, '{"text": "a", "label": "x"}\n', "t.jsonl")
    with pytest.raises(SettingsError, match="is for .*; this is jsonl"):
        open_table(path, ReadOptions(**option))
    with open_table(path, task=replace(tasks.INTENT, read=ReadOptions(**option))) as table:
        assert len(list(table)) == 1


def test_a_kept_separator_counts_where_it_stands(tmp_path: Path) -> None:
    from dataclasses import replace

    import tasks

    task = replace(tasks.INTENT, read=ReadOptions(separator=";"))
    with open_table(write(tmp_path, "text,x;label\na,b;c\n"), task=task) as table:
        assert table.header == ("text,x", "label")
    with open_table(write(tmp_path, "text,label\na,b\n"), task=task) as table:
        assert table.header == ("text", "label")


def test_a_separator_at_the_end_of_each_row_is_blamed_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "a,A,\nb,B,\nc,C,\n"
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match="each ends with a separator, and the header does not") as caught:
        open_table(path)
    assert str(caught.value.hint).startswith("let the header end with the separator, too")
    path.write_text(f"text,label,\n{rows}", encoding="utf-8")  # as the hint says
    with open_table(path) as table:
        assert [values[:2] for _, values in table] == [["a", "A"], ["b", "B"], ["c", "C"]]


def test_lines_above_the_header_are_blamed_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    content = "# a remark\n# another\ntext,label\na,A\nb,B\nc,C\n"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(
        DataError, match="the header has 1 column, and most rows have 2: is it a comment"
    ) as caught:
        open_table(path)
    assert str(caught.value.hint).endswith("tail -n +3 FILE > OTHER")
    path.write_text(content.partition("another\n")[2], encoding="utf-8")
    with open_table(path) as table:
        assert table.header == ("text", "label")
