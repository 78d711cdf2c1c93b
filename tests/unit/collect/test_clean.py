"""What `clean` takes out of texts and which rows it takes out, and that it says so."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.remote import document, run
from labeltune.collect.clean import CleanOptions, clean, default_output
from labeltune.collect.clean.steps import Language, mended, text_of_page, tidy
from labeltune.errors import DataError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

ARTICLE = (
    "The parcel that I ordered three weeks ago has still not arrived, and nobody answers my letters about it."
)
GERMAN = "Das Paket, das ich vor drei Wochen bestellt habe, ist noch immer nicht angekommen, und niemand antwortet mir."


def page(text: str) -> str:
    menu = "<nav><a href='/'>Home</a> <a href='/shop'>Our products</a></nav>"
    foot = "<footer>All rights reserved. Imprint. Cookies.</footer>"
    return (
        f"<!DOCTYPE html><html><head><title>A page</title><style>p{{}}</style></head><body>{menu}<main><article>"
        f"<h1>A letter</h1><p>{text}</p><p>It cost 20 pounds &amp; postage, which I would like to have back.</p></article></main>"
        f"<script>track()</script>{foot}</body></html>"
    )


def rows_of(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def write(name: str, header: Sequence[str], *rows: Sequence[str]) -> str:
    with Path(name).open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([header, *rows])
    return name


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ------------------------------------------------------------------------------------------------- one text


def test_a_page_is_its_article() -> None:
    text = text_of_page(page(ARTICLE))
    assert ARTICLE in text
    assert "20 pounds & postage" in text
    assert not [word for word in ("products", "Cookies", "track", "<p>") if word in text]


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        ("<p>Hello <b>you</b></p>", "Hello you"),
        ("no markup &amp; all", "no markup & all"),
        ("<p>one</p><script>alert(1)</script>", "one"),
        ("<!-- nothing -->", ""),
        ("", ""),
    ],
)
def test_a_piece_of_html_is_all_that_is_written_in_it(piece: str, text: str) -> None:
    assert text_of_page(piece).strip() == text


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_page_is_decoded_as_it_says(encoding: str) -> None:
    head = f'<html><head><meta charset="{encoding}"></head>'
    text = text_of_page(f"{head}<body><p>Grüße aus Zürich</p></body></html>".encode(encoding))
    assert "Grüße aus Zürich" in text


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("the cafÃ© was good", "the café was good"),
        ("itâ€™s mine", "it’s mine"),
        ("“quotes” stay, ﬁ too, ＷＩＤＥ as well", "“quotes” stay, ﬁ too, ＷＩＤＥ as well"),
        ("AT&amp;T stays as it is written", "AT&amp;T stays as it is written"),
    ],
)
def test_only_what_is_broken_is_mended(broken: str, whole: str) -> None:
    assert mended(broken) == whole


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("  a \t b\u00a0c  ", "a b c"),
        ("one\r\n\r\n\r\n\r\ntwo\rthree", "one\n\ntwo\nthree"),
        ("zero\u200bwidth so\u00adft \ufeff", "zerowidth soft"),
        ("نامه\u200cها", "نامه\u200cها"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("a\u2028b", "a\nb"),
    ],
)
def test_space_is_of_one_kind(text: str, tidied: str) -> None:
    assert tidy(text) == tidied
    assert tidy(tidied) == tidied


def test_languages_are_told_where_there_is_enough_of_them() -> None:
    english = Language("en")
    assert (english.of(ARTICLE), english.of(GERMAN), english.of("ok 12345 !!")) == ("en", "de", None)
    with pytest.raises(
        SettingsError, match='--language eng: not a language that can be told .did you mean "en"'
    ):
        Language("eng")


# --------------------------------------------------------------------------------------------------- a table


def test_rows_that_go_are_in_a_file_with_the_reason() -> None:
    write(
        "t.csv",
        ("id", "body", "line"),
        ("1", f"  {ARTICLE} ", "a"),
        ("2", ARTICLE.upper(), "b"),
        ("3", ARTICLE.replace("three", "four"), "c"),
        ("4", "", "d"),
        ("5", "short", "e"),
        ("6", GERMAN, "f"),
        ("7", "An entirely different matter: my password is not accepted any longer.", "g"),
    )
    done = clean("t.csv", options=CleanOptions(text=("body",), language="en", min_characters=10))
    assert done.output == "t.clean.csv"
    assert [row["id"] for row in rows_of("t.clean.csv")] == ["1", "7"]
    assert rows_of("t.clean.csv")[0]["body"] == ARTICLE
    removed = [
        (row["line"], row["reason"], row["detail"], row["input_line"])
        for row in rows_of(done.removed_file or "")
    ]
    assert removed == [
        ("3", "duplicate", "of line 2", "b"),
        ("4", "near_duplicate", "of line 2", "c"),
        ("5", "no_text", "", "d"),
        ("6", "too_short", "5 characters", "e"),
        ("7", "other_language", "de", "f"),
    ]
    assert done.rows == done.written + sum(done.removed.values()) == 7
    assert done.changed == {"mojibake": 0, "space": 1}


def test_the_same_again_is_the_same_and_nothing_is_left_of_an_earlier_run() -> None:
    write("t.csv", ("text",), (ARTICLE,), (ARTICLE,))
    done = clean("t.csv", "out.csv")
    first = Path("out.csv").read_bytes(), Path("out.csv.removed.csv").read_bytes()
    assert clean("t.csv", "out.csv") == done
    assert (Path("out.csv").read_bytes(), Path("out.csv.removed.csv").read_bytes()) == first
    assert clean("t.csv", "out.csv", options=CleanOptions(keep_duplicates=True)).written == 2
    assert not Path("out.csv.removed.csv").exists()
    Path("out.csv.removed.csv").write_text("somebody's notes")
    assert clean("t.csv", "out.csv", options=CleanOptions(keep_duplicates=True)).removed_file is None
    assert Path("out.csv.removed.csv").read_text() == "somebody's notes"
    assert clean("out.csv", "again.csv", options=CleanOptions(keep_duplicates=True)).changed["space"] == 0


def test_values_beside_the_text_keep_their_types() -> None:
    Path("t.jsonl").write_text(
        json.dumps({"id": 7, "body": f"<p>{ARTICLE}</p>", "tags": ["a"], "ok": None}) + "\n", encoding="utf-8"
    )
    assert clean("t.jsonl", options=CleanOptions(html=True, text=("body",))).output == "t.clean.jsonl"
    row: Any = json.loads(Path("t.clean.jsonl").read_text(encoding="utf-8"))
    assert (row["id"], row["body"], row["ok"]) == (7, ARTICLE, None)


def test_what_cannot_be_done_is_said_before_anything_is_written() -> None:
    name = write("t.csv", ("id", "text"), ("1", "ok"))
    with pytest.raises(SettingsError, match='has no column "txt" .did you mean "text"'):
        clean(name, options=CleanOptions(text=("txt",)))
    with pytest.raises(SettingsError, match="is the input"):
        clean(name, name)
    with pytest.raises(DataError, match="nothing is left: 1 too_short"):
        clean(name, options=CleanOptions(text=("text",), min_characters=50))
    assert [path.name for path in Path().iterdir()] == ["t.csv"]


def test_standard_input_and_output() -> None:
    result = run("clean", "-", "-o", "-", stdin=f'text\n"{ARTICLE}"\n'.encode())
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f'text\n"{ARTICLE}"\n'
    assert "labeltune init" not in result.stderr  # there is no file to name


@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("a/t.csv", "a/t.clean.csv"),
        ("t.jsonl.gz", "t.clean.jsonl.gz"),
        ("t.xls", "t.clean.csv"),
        ("-", "-"),
    ],
)
def test_outputs_lie_beside_their_inputs(data: str, output: str) -> None:
    assert default_output(data) == output


# -------------------------------------------------------------------------------------------------- a folder


@pytest.fixture
def pages() -> Path:
    folder = Path("pages")
    (folder / "below").mkdir(parents=True)
    (folder / "a.html").write_text(page(ARTICLE), encoding="utf-8")
    with gzip.open(folder / "below" / "b.html.gz", "wt", encoding="utf-8") as handle:
        handle.write(page(ARTICLE))
    (folder / "below" / "c.txt").write_bytes("Grüße   aus Zürich, und gute Nacht".encode("latin-1"))
    (folder / "d.htm.gz").write_bytes(b"\x1f\x8b\x08broken")
    (folder / "e.html").write_text("<html><body></body></html>")
    (folder / "not.pdf").write_text("%PDF")
    return folder


def test_what_is_no_text_is_taken_out(pages: Path) -> None:
    (pages / "f.html").write_bytes(bytes(range(256)) * 3)
    (pages / "g.txt").write_text("Zwei Wörter in UTF-16, und noch mehr davon", encoding="utf-16")
    done = clean(pages)
    gone = {row["file"]: (row["reason"], row["detail"]) for row in rows_of(done.removed_file or "")}
    assert gone["f.html"] == ("unreadable", "no text: control characters")
    kept = {row["file"]: row["text"] for row in rows_of(done.output)}
    assert kept["g.txt"] == "Zwei Wörter in UTF-16, und noch mehr davon"


def test_a_folder_of_pages(pages: Path) -> None:
    done = clean(pages)
    assert done.output == "pages.clean.csv"
    kept = rows_of(done.output)
    assert [row["file"] for row in kept] == ["a.html", "below/c.txt"]
    assert kept[1]["text"] == "Grüße aus Zürich, und gute Nacht"
    gone = [(row["file"], row["reason"]) for row in rows_of(done.removed_file or "")]
    assert gone == [("below/b.html.gz", "duplicate"), ("d.htm.gz", "unreadable"), ("e.html", "no_text")]


def test_a_folder_without_pages_says_what_was_looked_for() -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match="no page and no text file"):
        clean("empty")


# ------------------------------------------------------------------------------------------- the command line


def test_the_command_tells_what_went_and_what_is_next(pages: Path) -> None:
    result = run("clean", pages)
    assert (result.exit_code, result.stdout) == (0, "pages.clean.csv\n")
    assert "pages: 2 of 5 texts stay" in result.stderr
    assert "taken out: 1 unreadable" in result.stderr
    assert "what was taken out is in pages.clean.csv.removed.csv, each with the reason" in result.stderr
    assert "labeltune init pages.clean.csv" in result.stderr
    told = document(run("clean", pages, "--json", "-q"))
    assert told["removed"] == {"duplicate": 1, "no_text": 1, "unreadable": 1}
    assert run("clean", pages, "-o", "-", "-q").stdout.startswith("file,text\na.html,")


def test_hostile_values_go_through_as_they_are() -> None:
    hostile = [
        "=1+1 is a formula, they say",
        "[/red] is markup, they say",
        '"quoted", they say',
        "\u202e reversed, they say",
    ]
    write("t.csv", ("text",), *([value] for value in hostile))
    assert run("clean", "t.csv").exit_code == 0
    assert [row["text"] for row in rows_of("t.clean.csv")] == [tidy(value) for value in hostile]
