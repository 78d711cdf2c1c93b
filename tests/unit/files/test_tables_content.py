"""Files that are not what their names say, and encodings that are only named, never taken."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from labeltune.errors import DataError
from labeltune.files.tables import ReadOptions, open_table
from labeltune.files.tables.encodings import likely_encodings

if TYPE_CHECKING:
    from pathlib import Path


def packed(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "text,label\na,x\n")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        (
            "t.xls",
            b"<html><body><table><tr><td>a</td></tr></table>",
            "this is HTML, not excel",
            "save it as .xlsx or CSV",
        ),
        (
            "t.xls",
            b"\xef\xbb\xbf\n<!DOCTYPE html>\n<p>a",
            "this is HTML, not excel",
            "save it as .xlsx or CSV",
        ),
        ("t.csv", b"<!-- made by a tool --> <table>", "this is HTML, not csv", "save it as .xlsx or CSV"),
        (
            "t.xls",
            b'<?xml version="1.0"?>\n<Workbook xmlns="x">',
            "this is a spreadsheet in the XML of 2003",
            "save it as",
        ),
        ("t.xlsx", b"text,label\na,x\n", "this is text, not excel", "give --format csv"),
        ("t.parquet", b"text,label\na,x\n", "this is text, not parquet", "give --format csv"),
        ("t.xlsx", b"PAR1" + b"\0" * 20, "this is Parquet, not excel", "give --format parquet"),
        ("t.xlsx", b'{"text": "a"}\n', "this is JSON, not excel", "give --format jsonl"),
        (
            "t.csv.zip",
            packed("train.csv"),
            "this is a ZIP archive that holds train.csv, not a table",
            "unzip",
        ),
        (
            "t.xlsx",
            packed("a.csv", "b/c.csv"),
            "this is a ZIP archive that holds a.csv, b/c.csv, not excel",
            "unzip",
        ),
        ("t.csv", packed("train.csv"), "this is a ZIP archive that holds train.csv, not csv", "unzip"),
        ("t.csv", b"7z\xbc\xaf\x27\x1c\0\0", "this is a 7z archive, not csv", "unpack"),
        ("t.csv", b"<!DOCTYPE html><title>Sign in", "this is HTML, not csv", "fetch what it links to"),
        (
            "t.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "this is a pointer of Git LFS, not csv",
            "git lfs pull",
        ),
        ("t.xml", b'<?xml version="1.0"?>\n<rows>', "this is XML, not a table", "export it as CSV or JSON"),
        ("t.feather", b"ARROW1\0\0", "this is an Arrow or Feather file, not a table", "CSV"),
        ("t.arrow", b"\xff\xff\xff\xff\x88\0\0\0", "this is a stream of Arrow", "CSV"),
        ("t.csv", b"\x80\x04\x95\x10", "this is a Python pickle, not csv", "CSV"),
    ],
)
def test_data_26_the_real_format_is_named(
    tmp_path: Path, name: str, content: bytes, message: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_table(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert hint in (caught.value.hint or "")


def test_a_csv_file_called_xlsx_is_read_when_told(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"text,label\na,x\n")
    with open_table(path, ReadOptions(format="csv")) as table:
        assert [values for _, values in table] == [["a", "x"]]


@pytest.mark.parametrize(
    ("content", "name", "word"),
    [
        (
            "__label__spam win now\n__label__ham hello there\n__label__ham see you\n",
            "fastText's format",
            "fasttext",
        ),
        (
            "text\n__label__spam win now\n__label__ham hello there\n__label__ham see you\n",
            "fastText's format",
            "fasttext",
        ),
        (
            "DESC:manner How did it happen ?\nENTY:animal What bird, then ?\nHUM:ind Who was she ?\n",
            "the format of TREC's questions",
            "label-text",
        ),
    ],
)
def test_data_34_labels_before_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, name: str, word: str
) -> None:
    from cli.remote import run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text(content)
    with pytest.raises(DataError, match=f"this looks like {name}") as caught:
        open_table("t.txt")
    assert caught.value.hint == f"labeltune import t.txt --from {word} makes a table of it"
    # What the hint proposes is run as it stands.
    assert run("import", "t.txt", "--from", word).exit_code == 0
    with open_table("data.csv") as table:
        assert len(list(table)) == 3
        assert table.header[:2] == ("text", "label")


TEXTS = {
    "cp1252": "La facture était déjà réglée – c’est incroyable, où est mon colis ?",
    "cp1250": "Příliš žluťoučký kůň, zboží přišlo pozdě a bylo poškozené",
    "cp1251": "Посылка пришла поздно и повреждена, верните деньги пожалуйста",
    "koi8_r": "Посылка пришла поздно и повреждена, верните деньги пожалуйста",
    "gb18030": "快递太慢了,要求退款,质量很好,下次还会购买",
    "big5": "快遞太慢了,要求退款,品質很好,下次還會購買",
    "cp932": "荷物が届きません。返金してください。ログインできません",
    "cp949": "택배가 너무 늦게 왔어요 환불해 주세요 로그인이 안 됩니다",
    "cp1253": "Το δέμα έφτασε αργά και ήταν χαλασμένο, θέλω επιστροφή χρημάτων",
    "cp1255": "החבילה הגיעה באיחור אני רוצה החזר כספי",
    "cp1256": "وصل الطرد متأخرا وكان تالفا أريد استرداد المال",
    "cp874": "พัสดุมาช้ามากขอเงินคืน เข้าสู่ระบบไม่ได้",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_data_25_the_likely_encodings_are_named_with_what_they_say(tmp_path: Path, encoding: str) -> None:
    text = TEXTS[encoding].replace(",", ";")
    path = tmp_path / "t.csv"
    path.write_bytes(f"text,label\n{text},x\nplain,y\n{text},x\n".encode(encoding))
    assert encoding in likely_encodings(path.read_bytes())
    with open_table(path) as table, pytest.raises(DataError) as caught:
        list(table)
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{path}:2: byte 0x")
    assert f"--encoding {encoding} (" in first
    assert next(word for word in text.split() if not word.isascii())[:9] in first
    # Said once; the other lines say only what is wrong with them.
    assert second.startswith(f"{path}:4: byte 0x")
    assert second.endswith("is not UTF-8")


def test_data_25_an_encoding_that_makes_another_text_of_it_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"text,label\n{TEXTS['gb18030'].replace(',', ';')},x\n".encode("gb18030"))
    with open_table(path, ReadOptions(encoding="cp1252")) as table:
        assert len(table.warnings) == 1
        assert "read as cp1252, as it was told, it says" in table.warnings[0]
        assert "(gb18030)" in table.warnings[0]
    with open_table(path, ReadOptions(encoding="gb18030")) as table:
        assert table.warnings == []


def test_data_14_utf8_that_is_read_as_something_else_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"text,label\n{TEXTS['cp1251']},x\n".replace(",", ";").encode())
    with open_table(path, ReadOptions(encoding="latin-1", separator=";")) as table:
        assert 'as UTF-8 "Посылка' in table.warnings[0]


@pytest.mark.parametrize("encoding", [*TEXTS])
def test_an_encoding_that_fits_is_not_doubted(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"text;label\n{TEXTS[encoding]};x\n".encode(encoding))
    with open_table(path, ReadOptions(encoding=encoding)) as table:
        assert table.warnings == []


def test_a_line_of_another_encoding_among_utf8_names_no_encoding_for_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [
        f"schöne Grüße {number},a\n".encode("cp1252" if number == 7 else "utf-8") for number in range(12)
    ]
    path.write_bytes(b"text,label\n" + b"".join(lines))
    with pytest.raises(DataError) as caught, open_table(path) as table:
        list(table)
    assert "9: byte 0xf6 is not UTF-8 (byte offset " in str(caught.value)
    assert 'most other lines are UTF-8, so this one was written in another encoding (cp1252: "schöne' in str(
        caught.value
    )
    assert "--encoding" not in str(caught.value)
