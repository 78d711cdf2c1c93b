"""Quotes in tables separated by tabs: signs of the text, unless every field obeys CSV's quoting."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.files.tables.quoting import first_misfit

if TYPE_CHECKING:
    from pathlib import Path

SWALLOWED = 't\tl\nplain\tA\n"5 inch disk\tB\nother\tA\nmore 5"\tB\nlast\tA\n'
"""Read as CSV, the row that begins with a quote holds the next two."""


def rows(path: Path, **how: str) -> tuple[list[list[str]], list[str]]:
    with open_table(path, ReadOptions(**how)) as table:  # type: ignore[arg-type]  # options that are texts
        return [values for _, values in table], table.notes


def write(folder: Path, content: str, name: str = "t.tsv") -> Path:
    path = folder / name
    path.write_text(content, newline="")
    return path


def test_data_02_a_quote_swallows_no_rows(tmp_path: Path) -> None:
    path = write(tmp_path, SWALLOWED)
    read, notes = rows(path)
    assert read == [["plain", "A"], ['"5 inch disk', "B"], ["other", "A"], ['more 5"', "B"], ["last", "A"]]
    assert notes == [
        (
            f"{path}:3: the quotes here are signs of the text, not CSV's quoting, and so are all others; "
            "--quote csv reads them as quoting"
        )
    ]
    assert rows(path, quote="none")[0] == read
    told = rows(path, quote="csv")[0]
    assert told[1] == ["5 inch disk\tB\nother\tA\nmore 5", "B"]
    with open_table(path) as table:
        assert table.read == ReadOptions(quote="none")
        assert (
            b"".join([table.header_bytes or b"", *(content for _, content in table.raw())])
            == path.read_bytes()
        )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('"I loved it" she said\tA', '"I loved it" she said'),
        ('a 5" disk\tA', 'a 5" disk'),
        ('"Great!"\tA', '"Great!"'),
        ('"He said "no" twice"\tA', '"He said "no" twice"'),
        ('"never closed\tA', '"never closed'),
    ],
)
def test_data_02_quotes_that_no_writer_of_csv_makes_are_text(tmp_path: Path, line: str, value: str) -> None:
    read, notes = rows(write(tmp_path, f"t\tl\nplain\tA\nother\tB\n{line}\nlast\tB\n"))
    assert read[2] == [value, "A"]
    assert len(read) == 4
    assert ".tsv:4: the quotes here are signs of the text" in notes[0]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('t\tl\n"one\ntwo"\tA\nplain\tB\n', "one\ntwo"),
        ('l\tt\nA\t"one\ntwo"\nB\tplain\n', "one\ntwo"),
        ('t\tl\n"a\tb"\tA\nplain\tB\n', "a\tb"),
        ('t\tl\n"say ""hi"""\tA\nplain\tB\n', 'say "hi"'),
        ('"t"\t"l"\n"one"\t"A"\n"two"\t"B"\n', "one"),
        ('"t"\t"l"\n"one"\t1\n"two"\t2\n', "one"),
    ],
)
def test_quoting_of_csv_is_read_as_such(tmp_path: Path, content: str, value: str) -> None:
    read, notes = rows(write(tmp_path, content))
    assert value in read[0]
    assert len(read) == 2
    assert notes == []


def test_tabs_that_are_found_in_a_csv_file_count_too(tmp_path: Path) -> None:
    path = write(tmp_path, SWALLOWED, "t.csv")
    assert len(rows(path)[0]) == 5
    with open_table(path) as table:
        assert table.read == ReadOptions(separator="\t", quote="none")


def test_quotes_are_text_with_any_separator_if_told(tmp_path: Path) -> None:
    path = write(tmp_path, 't,l\n"5 inch,A\nother 5",B\n', "t.csv")
    assert rows(path, quote="none")[0] == [['"5 inch', "A"], ['other 5"', "B"]]
    with pytest.raises(SettingsError, match="--quote yes: expected csv or none"):
        rows(path, quote="yes")


def test_a_quote_far_down_decides_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, "t\tl\n" + "plain text of some length\tA\n" * 8_000 + '"odd one\tB\nplain"\tA\n')
    read, notes = rows(path)
    assert read[-2:] == [['"odd one', "B"], ['plain"', "A"]]
    assert ".tsv:8002: the quotes here" in notes[0]


TEXTS = st.text(st.sampled_from('ab "\t\n\r,'), max_size=6)


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from("AB")), min_size=1, max_size=6),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_writer_of_csv_writes_obeys(table: list[tuple[str, str]], quoting: int) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=quoting)  # type: ignore[arg-type]  # one of csv's
    writer.writerows([("t", "l"), *table])
    lines = text.getvalue().encode().splitlines(keepends=True)
    # A lone return is quoted by none of csv's ways but the second, and a row may look like two.
    if not any("\r" in value or (value.count("\n") and "\t" in value) for value, _ in table):
        assert first_misfit(lines, "\t") is None


BODY = "".join(f"plain text {number},{'AB'[number % 2]}\n" for number in range(8))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('t,l\n"5 inch disk,B\nother,A\nmore 5",B\n', ':2: the value of column "t" goes on to line 4, over 3 lines, 2'),
        ('t,l\n"5 inch disk,B\nmore 5",A\n', ':2: the value of column "t" goes on to line 3, over 2 lines, one'),
        ('l,t\nB,"5 inch disk\nA,other\nB,more 5"\n', ':2: the value of column "t" goes on to line 4, over 3 lines, 2'),
        ('i,t,l\n1,"5 inch disk,B\n2,other,A\n3,more 5",B\n', ':2: the value of column "t" goes on to line 4, over 3'),
    ],
    ids=["text first", "two rows", "label first", "between"],
)  # fmt: skip
@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_data_02_a_quote_that_swallows_rows_is_told_with_any_separator(
    tmp_path: Path, content: str, told: str, separator: str
) -> None:
    header = content.split("\n", maxsplit=1)[0]
    rest = {"t,l": BODY, "l,t": "".join(f"{'AB'[n % 2]},plain {n}\n" for n in range(8))}.get(
        header, "".join(f"{n},plain {n},{'AB'[n % 2]}\n" for n in range(8))
    )
    path = write(tmp_path, (content + rest).replace(",", separator), "t.csv")
    with open_table(path) as table:
        assert len(list(table)) == 9
        (warning,) = table.warnings
    assert told in warning
    assert "--quote none" in warning
    with open_table(path, ReadOptions(quote="csv")) as table:
        assert len(list(table)) == 9
        assert table.warnings == []
        assert table.read.quote == "csv"
    with open_table(path, ReadOptions(quote="none")) as table:
        assert len(list(table)) == content.count("\n") + 7
        assert table.warnings == []


@pytest.mark.parametrize(
    "value",
    [
        "Dear team, hello\nFirst, I say\nSecond, I say\nBye, Bob",
        "see the table:\nname,age\nBob,5\nAnn,6\n",
        "A or B\nA\nB",
        "write A, B, or both\nthen, A",
    ],
)
def test_texts_of_several_lines_are_not_taken_for_swallowed_rows(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, f't,l\n"{value}",A\n{BODY}"{value}",B\n', "t.csv")
    with open_table(path) as table:
        assert len(list(table)) == 10
        assert table.warnings == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("text,label\n" + '"he said \\"no\\" to me",A\n' * 4, r"quotes within values stand as \" here", id="escaped"),
        pytest.param("text,label\n" + '"he said \\"no\\", to me",A\n' * 4, r"quotes within values stand as \" here", id="escaped beside a comma"),
        pytest.param("label, text\n" + 'A, "no, not me"\n' * 4, 'a space stands between "," and quotes', id="space before"),
        pytest.param("text;label\n" + '"no, not me" ;A\n' * 4, 'a space stands between ";" and quotes', id="space behind"),
        pytest.param("text,label\n" + "'no, not me','A'\n" * 4, "values stand in ''", id="single quotes"),
        pytest.param("text,label\n" + "“no, not me”,“A”\n" * 4, "values stand in “”", id="typographic quotes"),
    ],
)  # fmt: skip
def test_quoting_that_is_none_of_csv_is_named_where_rows_are_refused(
    tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught, open_table(path) as table:
        list(table)
    assert told in str(caught.value.hint)


def test_the_way_to_mend_escaped_quotes_leads_on(tmp_path: Path) -> None:
    content = 'text,label\n"he said \\"no\\", to me",A\n'
    path = tmp_path / "t.csv"
    path.write_text(content.replace(r"\"", '""'), encoding="utf-8")  # what the sed of the hint does
    with open_table(path) as table:
        assert [values for _, values in table] == [['he said "no", to me', "A"]]


@pytest.mark.parametrize("content", ['text,label\n"C:\\",A\nb\n', "text,label\n'a' b,A\nc\n"])
def test_one_odd_value_is_not_blamed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught, open_table(path) as table:
        list(table)
    assert caught.value.hint == "mend these rows in the program that wrote the table, or take them out"
