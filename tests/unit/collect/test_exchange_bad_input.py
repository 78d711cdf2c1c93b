"""What is wrong with an export is told with its place and a way on, and nothing is written."""

from __future__ import annotations

import gzip
import json
import resource
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exports import EXPORTS, choices, label_studio, lines, text
from labeltune.collect.exchange.formats import FORMATS
from labeltune.collect.exporting import ExportOptions, export_data
from labeltune.collect.importing import ImportOptions, import_data
from labeltune.errors import ConflictError, DataError, DiskError, LabeltuneError, SettingsError
from tasks import INTENT

DOCCANO = EXPORTS["doccano"].content
PRODIGY = EXPORTS["prodigy"].content
STUDIO = EXPORTS["label-studio"].content


def refused(
    content: str | bytes, tmp_path: Path, error: type[LabeltuneError] = DataError, **options: Any
) -> LabeltuneError:
    """The error of an import; the output that was there is untouched."""
    path, out = tmp_path / "in.data", tmp_path / "out.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    out.write_text("as it was")
    with pytest.raises(error) as caught:
        import_data(path, out, ImportOptions(**options))
    assert out.read_text() == "as it was"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.data", "out.csv"]
    return caught.value


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (DOCCANO[:-30], "in.data:24: not valid JSON", "cut off"),
        (STUDIO[: len(STUDIO) // 2], "not valid JSON", "cut off"),
        (json.dumps([label_studio(1)])[:-1], "in.data:1: not valid JSON: the array does not end", "cut off"),
        (DOCCANO.replace('"text": ', '"text" ', 3).replace('"text" ', '"text": ', 2), "in.data:3: not valid JSON", "mend"),
        (STUDIO + "[]", "something follows the array", ""),
        ("[1, 2, 3]\n", "in.data:1: not valid JSON: expected an object or an array", ""),
        (DOCCANO + PRODIGY, "in.data:25: expected a list of labels", "mixed"),
        (PRODIGY + DOCCANO, "in.data:1: expected a list of labels", ""),
        ("", "in.data: is empty", "export it again"),
        ("\n\n", "no format fits", "--from"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither text nor JSON", ""),
        (gzip.compress(DOCCANO.encode()), "this is gzip", ""),
        ("text,label\na,b\n", "no export of another tool, but a table with text, label", "labeltune init"),
        ('{"body": "x", "kind": "y"}\n', "no format fits objects with body, kind", "labeltune init"),
        ("some words\nother words\n", "no format fits these lines", "--from"),
        ('{"data": {"text": "x"}, "label": "y"}\n', "no format fits objects with data, label", """jq -c '.[] | {"text": .data.text, "label": .label}' """),
        ('{"input": [{"role": "a", "content": "x"}, {"role": "b", "content": "z"}], "a-b": "y"}\n', "no format fits", '"input_0_content": .input[0].content, "input_1_role": .input[1].role, "input_1_content": .input[1].content, "a-b": ."a-b"}'),
        ('{"text": {"0": "x"}, "label": {"0": "y"}}\n', "no format fits", 'to_json(…, orient="records", lines=True)'),
        ('{"columns": ["text"], "index": [0], "data": [["x"]]}\n', "no format fits", 'to_json(…, orient="records", lines=True)'),
    ],
)  # fmt: skip
def test_what_is_no_export(content: str | bytes, message: str, hint: str, tmp_path: Path) -> None:
    error = refused(content, tmp_path)
    assert message in str(error)
    assert hint in (error.hint or "")


def test_two_formats_in_one_file_beyond_the_sample(tmp_path: Path) -> None:
    error = refused(DOCCANO * 5 + PRODIGY, tmp_path)
    assert f"in.data:{5 * 24 + 1}: expected a list of labels" in str(error)
    assert "mixed" in (error.hint or "")


@pytest.mark.parametrize(
    "name", ["label-studio", "prodigy", "argilla", "openai-chat", "openai-legacy", "mistral", "spacy"]
)
def test_a_wrong_from_is_told_with_the_place(name: str, tmp_path: Path) -> None:
    error = refused(DOCCANO, tmp_path, format=name)
    assert "in.data:1: expected" in str(error)
    assert "found an object with id, text" in str(error)
    assert "--from" in (error.hint or "")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fasttext", "nothing to import as fastText (as --from says): dropped 24 no label"),
        ("label-text", "expected lines of a label and a text, found JSON"),
        ("folders", "is a file, expected a folder for each label"),
    ],
)
def test_a_from_of_another_kind_of_file(name: str, message: str, tmp_path: Path) -> None:
    assert message in str(refused(DOCCANO, tmp_path, format=name))


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if name not in ("fasttext", "label-text", "cohere", "doccano")]
)
def test_a_from_of_json_or_a_folder_for_lines_of_text(name: str, tmp_path: Path) -> None:
    assert "expected" in str(refused(EXPORTS["trec"].content, tmp_path, format=name))


def test_a_from_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(DOCCANO, tmp_path, SettingsError, format="docano")
    assert '--from docano: no such format (did you mean "doccano"?)' in str(error)


def test_content_that_fits_two_formats_says_which_name_to_give(tmp_path: Path) -> None:
    both = lines(
        {"id": n, "text": text(n), "label": ["a"], "answer": "accept", "Comments": []} for n in range(3)
    )
    error = refused(both, tmp_path, SettingsError)
    assert "the content fits 2 formats" in str(error)
    assert "--from doccano" in (error.hint or "")
    assert "--from prodigy" in (error.hint or "")
    assert import_data(tmp_path / "in.data", tmp_path / "out.csv", ImportOptions(format="doccano")).rows == 3


@pytest.mark.parametrize("names", ["{", "[]", '{"a": 1}', '[{"text": "x"}]', "3"])
def test_a_file_of_names_that_is_none(names: str, tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(names)
    (tmp_path / "in.jsonl").write_text(DOCCANO)
    with pytest.raises(SettingsError, match="--labels"):
        import_data(
            tmp_path / "in.jsonl", tmp_path / "o.csv", ImportOptions(labels=str(tmp_path / "labels.json"))
        )


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "project.zip", "w") as archive:
        archive.writestr("anna.jsonl", DOCCANO)
    with pytest.raises(DataError, match="a ZIP archive that holds anna.jsonl") as caught:
        import_data(tmp_path / "project.zip", tmp_path / "out.csv")
    assert "unpack" in (caught.value.hint or "")


def test_another_encoding_is_named_and_read_if_it_is_told(tmp_path: Path) -> None:
    content = "".join(f"__label__ja schöne Grüße aus Köln, Nummer {n}\n" for n in range(5)).encode("cp1252")
    error = refused(content, tmp_path)
    assert "in.data:1: byte 0xf6 is not UTF-8; likely: --encoding cp1252" in str(error)
    assert import_data(tmp_path / "in.data", tmp_path / "out.csv", ImportOptions(encoding="cp1252")).rows == 5
    assert "schöne Grüße" in (tmp_path / "out.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["doccano", "label-studio", "fasttext", "label-studio-csv"])
def test_byte_order_marks_tell_the_encoding(encoding: str, name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    path = tmp_path / export.name
    path.write_bytes(export.content.encode(encoding))
    import_data(path, tmp_path / "marked.csv")
    path.write_text(export.content, encoding="utf-8")
    import_data(path, tmp_path / "plain.csv")
    assert (tmp_path / "marked.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


def test_half_a_character_is_refused_with_its_line(tmp_path: Path) -> None:
    tasks = json.dumps(
        [label_studio(1, choices("label", "a")), label_studio(2, choices("label", "\ud800"))], indent=1
    )
    assert "half a character" in str(refused(tasks, tmp_path))


def test_a_nul_needs_a_table_that_can_hold_it(tmp_path: Path) -> None:
    content = lines([{"id": 1, "text": "a\0b", "label": ["x"], "Comments": []}])
    error = refused(content, tmp_path)
    assert "in.data:1: holds a NUL" in str(error)
    assert "-o data.jsonl" in (error.hint or "")
    assert import_data(tmp_path / "in.data", tmp_path / "out.jsonl").rows == 1
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == "a\0b"


def test_nothing_left_says_what_was_dropped(tmp_path: Path) -> None:
    error = refused(lines([{"text": "x", "answer": "reject"}, {"text": "y", "answer": "ignore"}]), tmp_path)
    assert "nothing to import as Prodigy" in str(error)
    assert "dropped 1 rejected, 1 ignored" in str(error)


def test_a_folder_that_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="the folder holds no file"):
        import_data(tmp_path / "in", tmp_path / "out.csv")
    (tmp_path / "in" / "notes.md").write_text("x")
    with pytest.raises(DataError, match="no format of a folder fits"):
        import_data(tmp_path / "in", tmp_path / "out.csv")


def test_no_input_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(DOCCANO)
    (tmp_path / "link.jsonl").symlink_to(path)
    for out in (path, tmp_path / "link.jsonl"):
        with pytest.raises(SettingsError, match="an input is never overwritten"):
            import_data(path, out)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "anna.jsonl").write_text(DOCCANO)
    with pytest.raises(SettingsError, match="lies in the folder that is read"):
        import_data(folder, folder / "data.csv")
    assert path.read_text() == DOCCANO


def test_an_export_overwrites_neither_table_nor_task(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\nhello there,a\n")
    with pytest.raises(SettingsError, match="an input is never overwritten"):
        export_data(path, "doccano", path)
    with pytest.raises(SettingsError, match="an input is never overwritten"):
        export_data(path, "doccano", INTENT.source, ExportOptions(task=INTENT))


@pytest.mark.parametrize("step", ["import", "export"])
def test_a_full_disk_leaves_what_was_there(step: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(lines({"text": text(n) * 20, "label": "a b"[n % 2 :]} for n in range(2_000)))
    out.write_text("as it was")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DiskError, match=r"out\.jsonl: cannot be written"):
            if step == "import":
                import_data(source, out)
            else:
                export_data(source, "doccano", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("form", ["json", "lines"])
def test_a_file_that_changes_while_it_is_read(form: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out.jsonl"
    record = {"id": 1, "text": "x y", "label": ["a"], "Comments": []}
    source.write_text(lines([record] * 12_000) if form == "json" else "__label__a x y\n" * 12_000)
    calls = 0

    def grow(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the second time that the file is read
            with source.open("a") as handle:
                handle.write(lines([{**record, "label": ["a", "b"]}]) if form == "json" else "__label__b z\n")

    with pytest.raises(ConflictError, match="the file changed while it was read"):
        import_data(source, out, progress=grow)
    assert calls == 2
    assert not out.exists()


@pytest.mark.shared
def test_no_json_that_others_made_up_ends_in_a_traceback(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "hostile" / "JSONTestSuite").rglob("*.json"))
    assert files
    for path in files:
        for format in (None, "label-studio", "doccano"):
            with suppress(LabeltuneError):
                import_data(path, tmp_path / "out.jsonl", ImportOptions(format=format))


def test_a_docbin_without_spacy_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    monkeypatch.setitem(__import__("sys").modules, "spacy.tokens", None)
    path = tmp_path / "train.spacy"
    path.write_bytes(b"\x78\x9c\x03\x00\x00\x00\x00\x01")
    with pytest.raises(SettingsError, match="read by spaCy, which is not installed"):
        import_data(path, tmp_path / "out.csv")
