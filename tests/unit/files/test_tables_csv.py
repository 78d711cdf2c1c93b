"""CSV and TSV: values exactly as they are written, strict quotes, physical lines, encodings, separators."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path
from typing import Any, Literal

import pytest

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.files.tables.csv_records import LONGEST_VALUE
from labeltune.files.tables.text_lines import LONGEST_LINE

Rows = list[tuple[int, list[str]]]


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, **how: Any) -> Rows:
    with open_table(path, ReadOptions(**how)) as table:
        return list(table)


def refused(path: Path, **how: Any) -> list[str]:
    """What is wrong with a table, without its name."""
    with pytest.raises(DataError) as caught:
        read(path, **how)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).split("\n")]


@pytest.mark.parametrize(
    "values",
    [
        ["NA", "null", "None", "nan", "N/A", ""],
        ["01", "1.0", "True", "1e5", "-0", "∞"],
        [" x ", "\tx", "x\u200b", "é", "é", "😀"],
        ["\u2028", "\u2029", "\x0b", "\x0c", "\x85", "\x1e"],
        ["a,b", 'a"b', "a\nb", "a\r\nb", "a\rb", '"'],
        ["'", "\\", "\\n", "=1+1", "#", "{}"],
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_values_stay_the_text_they_were(
    tmp_path: Path, values: list[str], separator: str, end: str, quoting: Literal[0, 1]
) -> None:
    header = ["c1", "c2", "c3", "c4", "c5", "c6"]
    text = io.StringIO(newline="")
    quoted: Literal[0, 1] = (
        csv.QUOTE_ALL if any("\r" in value for value in values) else quoting
    )  # csv forgets these
    csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoted).writerows(
        [header, values, values]
    )
    path = write(tmp_path, text.getvalue())
    with open_table(path) as table:
        assert table.header == tuple(header)
        assert [row for _, row in table] == [values, values]
        assert table.separator == separator


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("t,l\na,1\nb,2\n", [2, 3]),
        ("t,l\r\na,1\r\nb,2\r\n", [2, 3]),
        ("t,l\ra,1\rb,2\r", [2, 3]),
        ("t,l\na,1\r\nb,2\rc,3\n", [2, 3, 4]),
        ("\n\nt,l\n\na,1\n\n\nb,2", [5, 8]),
        ('t,l\n"a\nb",1\nc,2\n"d\r\n\ne",3\nf,4\n', [2, 4, 5, 8]),
        ('"t\nt",l\na,1\n', [3]),
    ],
)
def test_rows_carry_the_line_they_begin_on(tmp_path: Path, content: str, lines: list[int]) -> None:
    assert [line for line, _ in read(write(tmp_path, content))] == lines


@pytest.mark.parametrize("quotes", ["few", "many"])
def test_both_ways_of_reading_find_the_same(tmp_path: Path, quotes: str) -> None:
    """Tables with many quotes are read by csv alone, those with few line by line."""
    filler = ['"q, q",1' if quotes == "many" else "plain,1"] * 100
    bad = ['a,"b"c', "only", "a,b,c", '"a\nb",2', 'a"b,3', "", "x\0y,1", '"open,1']
    path = write(tmp_path, "\n".join(["t,l", *filler, *bad]) + "\n")
    with open_table(path) as table:
        told: list[tuple[str, int | None]] = []
        table.on_bad = lambda finding, _: told.append((finding.code, finding.where.line))
        rows = list(table)
    assert rows[-2:] == [(105, ["a\nb", "2"]), (107, ['a"b', "3"])]
    assert len(rows) == 102
    assert told == [
        ("broken_quotes", 102),
        ("ragged_row", 103),
        ("ragged_row", 104),
        ("nul_byte", 109),
        ("broken_quotes", 110),
    ]


@pytest.mark.parametrize("at", [1, 5_000, 40_000], ids=["first chunk", "second chunk", "a later chunk"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"a\0b,1", "a NUL byte"),
        (b"a\xffb,1", "byte 0xff is not UTF-8 (byte offset {}"),
        (b"a\xed\xa0\x80b,1", "byte 0xed is not UTF-8 (byte offset {}"),
    ],
)
def test_a_bad_byte_is_found_wherever_it_stands(tmp_path: Path, at: int, bad: bytes, message: str) -> None:
    good = b"some longer text here, quite plain,1".replace(b", ", b" ")
    lines = [b"t,l", *[good] * 60_000]
    lines[at] = bad
    path = write(tmp_path, b"\n".join(lines) + b"\n")
    offset = 4 + (at - 1) * (len(good) + 1) + 1
    found = refused(path)
    assert len(found) == 1
    assert found[0].startswith(f"{at + 1}: " + message.format(f"{offset:,}"))


def test_no_more_than_twenty_findings_are_shown(tmp_path: Path) -> None:
    found = refused(write(tmp_path, "t,l\n" + "x\n" * 45))
    assert found[0] == "2: expected 2 columns, found 1"
    assert found[19] == "21: expected 2 columns, found 1"
    assert found[20:] == ["… and 25 more"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("\n\r\n", "no rows"),
        ("t,l\n", "no rows"),
        ("t,l\n\n\n", "no rows"),
        ("t,t\na,1\n", '1: columns 1 and 2 are both called "t"'),
        (",\na,1\n", "1: no column has a name in the header"),
        ("\nt,\na,1\n", '2: the header names only "t", and column 2 has no name'),
        ("t, \na,1\n", '1: the header names only "t", and column 2 has no name'),
        ('"t,l\na,1\n', "1: in the header, a quote is opened in this row and never closed"),
        ('"t"x,l\na,1\n', "1: in the header, text follows a closing quote in this row"),
        ("t\0,l\na,1\n", "1: in the header, a NUL byte"),
        ("# by hand\nt,l\na,1\n", "2: expected 1 column, found 2; is the first line a comment"),
        ("t,l\na,1\nb", "3: expected 2 columns, found 1; the last line has no line end; is the file whole?"),
        ("t,l\na,b,1\n", '2: expected 2 columns, found 3; a value that holds "," is written in quotes'),
        ('t,l\n"a,1\nb,2\n', "2: a quote is opened in this row and never closed"),
        ('t,l\n"a,1\nb,"2\nc,3\n', "2: text follows a closing quote in this row, which ends in line 3"),
    ],
)
def test_what_is_refused_and_how(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_last_line_without_an_end_is_noted(tmp_path: Path) -> None:
    with open_table(write(tmp_path, "t,l\na,1\nb,2")) as table:
        for _ in range(2):
            assert len(list(table)) == 2
        assert table.notes == [f"{tmp_path}/t.csv: the last line has no line end; is the file whole?"]


def test_long_values(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read(write(tmp_path, f'a,b\n{long},1\n"{long}",2\n')) == [(2, [long, "1"]), (3, [long, "2"])]


def test_a_value_without_end_is_refused_with_its_line(tmp_path: Path) -> None:
    content = 'a,b\nx,1\n"' + "line\n" * (LONGEST_VALUE // 5 + 1)
    assert refused(write(tmp_path, content))[0].startswith(f"3: a value of more than {LONGEST_VALUE:,}")


def test_a_line_without_end_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\nx,1\ny," + b"z" * (LONGEST_LINE + (1 << 19)))
    assert refused(path) == [f"3: a line of more than {LONGEST_LINE:,} bytes"]


# encodings


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = "text,l\nnaïve 😀\u2028,1\n" + "ü,2\n" * 100_000
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    path = write(tmp_path, mark + text.encode(encoding))
    with open_table(path) as table:
        assert table.header == ("text", "l")
        rows = list(table)
    assert rows[0] == (2, ["naïve 😀\u2028", "1"])
    assert rows[-1] == (100_002, ["ü", "2"])


@pytest.mark.parametrize("told", ["utf-16-le", "UTF-16", "utf_16"])
def test_naming_the_encoding_that_a_mark_tells_does_no_harm(tmp_path: Path, told: str) -> None:
    path = write(tmp_path, codecs.BOM_UTF16_LE + "t,l\né,1\n".encode("utf-16-le"))
    assert read(path, encoding=told) == [(2, ["é", "1"])]


def test_an_encoding_is_never_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "t,l\nplain,1\nna\u00efve \u201cquoted\u201d,2\ncaf\u00e9,3\n".encode("cp1252"))
    assert refused(path) == [
        '3: byte 0xef is not UTF-8 (byte offset 14 of the file); likely: --encoding cp1252 ("naïve “quoted”,2") or --encoding cp1250 ("naďve “quoted”,2")',
        "4: byte 0xe9 is not UTF-8",
    ]
    assert [row[0] for _, row in read(path, encoding="cp1252")] == ["plain", "naïve “quoted”", "café"]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"t,l\na,1\n\x81,2\n", "cp1252", "3: byte 0x81 is not cp1252"),
        (b"t,l\na,1\n\xff,2\n", "ascii", "3: byte 0xff is not ascii"),
        (b"t,l\na,1\n\x81\x20,2\n", "cp932", "3: byte 0x81 is not cp932"),
        (
            codecs.BOM_UTF16_LE
            + "t,l\na,1\n".encode("utf-16-le")
            + b"\x00\xd8,\0"
            + "1\n".encode("utf-16-le"),
            None,
            "3: U+D800, half of a surrogate pair, is not utf-16-le",
        ),
        (
            codecs.BOM_UTF16_LE + "t,l\na,1\n".encode("utf-16-le") + b"b",
            None,
            "3: not utf-16-le: truncated data",
        ),
        ("t,l\na,1\n".encode("utf-16-le"), None, "--encoding utf-16-le"),
    ],
)
def test_bytes_that_are_not_of_the_encoding(
    tmp_path: Path, content: bytes, encoding: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read(write(tmp_path, content), **({} if encoding is None else {"encoding": encoding}))


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"t,l\na,1\n", "utf-99", "no such encoding of text"),
        (b"t,l\na,1\n", "base64", "no such encoding of text"),
        (b"t,l\na,1\n", "rot13", "no such encoding of text"),
        (b"t,l\na,1\n", "a\0b", "no such encoding of text"),
        (b"t,l\na,1\n", "undefined", "no such encoding of text"),
        (b"t,l\na,1\n", "utf-16", "has no byte order mark"),
        (codecs.BOM_UTF8 + b"t,l\na,1\n", "cp1252", "byte order mark of utf-8, but --encoding says cp1252"),
        (codecs.BOM_UTF16_LE + b"t\0", "utf-16-be", "byte order mark of utf-16-le"),
    ],
)
def test_an_encoding_that_cannot_be(tmp_path: Path, content: bytes, encoding: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(write(tmp_path, content), encoding=encoding)


# separators


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("t,l\na;b,1\n", ","),
        ("t;l\na,b;1\nc,d;2\n", ";"),
        ("t\tl\na, b\t1\n", "\t"),
        ("t|l\na,b|1\n", "|"),
        ('"t, or; not"|l\na|1\nb|2\n', "|"),
        ("only\na\nb\n", ","),
        ("a,b;c\n1,2;3\n", ","),
        ('t;l\n"a\n,b";1\n"c";2\n', ";"),
    ],
)
def test_the_separator_is_found(tmp_path: Path, content: str, separator: str) -> None:
    with open_table(write(tmp_path, content)) as table:
        assert table.separator == separator
        assert len(table.header) == (1 if content.startswith("only") else 2)
        assert bool(table.notes) is (separator != ",")


def test_a_separator_is_said_where_it_is_not_a_comma(tmp_path: Path) -> None:
    with open_table(write(tmp_path, "t\tl\na\t1\n")) as table:
        assert table.notes == [f'{tmp_path}/t.csv: columns are separated by "tab"']


@pytest.mark.parametrize("told", [";", "semicolon", "SEMICOLON"])
def test_a_separator_that_is_told_is_not_looked_for(tmp_path: Path, told: str) -> None:
    with open_table(write(tmp_path, "a,b;c\n1,2;3\n"), ReadOptions(separator=told)) as table:
        assert table.header == ("a,b", "c")
        assert table.notes == []


@pytest.mark.parametrize("told", ["", ",,", '"', "\n", "\0", "tabs"])
def test_a_separator_that_cannot_be(tmp_path: Path, told: str) -> None:
    with pytest.raises(SettingsError, match="expected one character"):
        read(write(tmp_path, "t,l\na,1\n"), separator=told)


def test_tsv_is_not_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\tc\n1\t2\n", "t.tsv")
    with open_table(path) as table:
        assert table.header == ("a,b", "c")
        assert table.notes == []


# bytes


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16-le with a mark", "utf-16-be with a mark", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quotes", ["few", "many"])
def test_rows_as_the_bytes_they_are(tmp_path: Path, encoding: str, end: str, quotes: str) -> None:
    filler = ['"é, é",1'] * 9 if quotes == "many" else ["é,1"] * 9
    rows = [f"{row}{end}" for row in (*filler, '"two\r\nlines",2', "", 'a"b,3')] + ["last,4"]
    header = f"t,l{end}"
    name, _, mark = encoding.partition(" ")
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    start = marks[name] if mark else b""
    content = start + (header + "".join(rows)).encode(name)
    path = write(tmp_path, content)
    with open_table(path, ReadOptions(encoding=None if mark else name)) as table:
        good = [(line, row) for line, row in enumerate(rows, 2) if row != end]
        bytes_of = "utf-8" if name == "utf-8-sig" else name
        assert table.header_bytes == start + header.encode(name)
        found = list(table.raw())
        assert [content for _, content in found] == [row.encode(bytes_of) for _, row in good]
        assert [line for line, _ in found] == [line for line, _ in table]
        assert b"".join([table.header_bytes, *(row for _, row in found)]) == content.replace(
            (end * 2).encode(bytes_of), end.encode(bytes_of)
        )


def test_the_bytes_of_bad_rows_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbft,l\na,1\nbad\n"x"y,2\nb\xff,3\nc,4\n')
    with open_table(path) as table:
        table.on_bad = lambda *_: None
        assert list(table.raw()) == [(2, b"a,1\n"), (6, b"c,4\n")]
        assert table.bad_counts == {"ragged_row": 1, "broken_quotes": 1, "bad_byte": 1}


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    path = write(tmp_path, "t,l\n" + "some text,1\n" * 100_000)
    with open_table(path) as table:
        told = [table.progress for _ in table]
        assert told[0][0] < told[-1][0] == told[-1][1] == path.stat().st_size


def test_a_last_line_with_a_line_end_is_whole_though_a_return_stands_alone_before(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'text,label\n"a\rb",c\nd,e\n')
    with open_table(tmp_path / "t.csv") as table:
        assert [line for line, _ in table] == [2, 4]
        assert table.notes == []
