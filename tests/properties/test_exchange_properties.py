"""What is exported and imported again is the same: texts and labels, whatever signs are in them."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.collect.exchange.formats import FORMATS, WRITTEN
from labeltune.collect.exporting import ExportOptions, export_data
from labeltune.collect.importing import ImportOptions, import_data
from labeltune.errors import LabeltuneError
from labeltune.task import AnswerFormat, Field, Prompt, Task
from labeltune.task.cells import LIST_DELIMITER, nfc

PIECES = [
    "\n", "\r", "\r\n", "\0", "\t", "\v", "\f", " ", "  ", "\u2028", "\u2029", "\x85", "\xa0", '"', "'", "\\", ",", "[]",
    "{}", "__label__", "__label__x ", " __label__a", "\u2420", "\u240a", "\u241b", "\u241b\u241b", "😀", "é", "e\u0301",
    "\x1c", "\x1f", "\x7f", "#", "|", ";", "=1+1", "'=", "null", "accept", "\ufeff", "a", "b",
]  # fmt: skip
hostile = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(codec="utf-8"), max_size=4), max_size=8
).map("".join)
texts = hostile.filter(str.strip)
names = st.lists(
    hostile.map(str.strip).map(nfc).filter(lambda name: bool(name) and name == name.strip()),
    min_size=2, max_size=5, unique_by=str.casefold,
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, kind: str) -> tuple[Task, list[tuple[str, list[str]]]]:
    """A task with one field, and rows of a text with its labels."""
    labels = draw(names)
    joined = LIST_DELIMITER if kind == "multi" else None
    field = Field("label", kind, tuple(labels), column="label", delimiter=joined)  # type: ignore[arg-type]  # one of two
    task = Task(("text",), (field,), Prompt("", "{text}"), AnswerFormat("json"))
    some: st.SearchStrategy[list[str]] = st.lists(st.sampled_from(labels), unique=True)
    if kind == "single":
        some = st.sampled_from(labels).map(lambda one: [one])
    rows = draw(st.lists(st.tuples(texts, some), min_size=1, max_size=8))
    # Labels of a row stand in the order of the task.
    return task, [(text, sorted(found, key=labels.index)) for text, found in rows]


def back(task: Task, rows: list[tuple[str, list[str]]], to: str, **columns: Any) -> list[dict[str, Any]]:
    """The rows after an export and an import, as JSON objects."""
    single = task.fields[0].type == "single"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (
            orjson.dumps({"text": text, "label": found[0] if single else found, **columns})
            for text, found in rows
        )
        (folder / "data.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        export_data(folder / "data.jsonl", to, folder / "there", ExportOptions(task=task))
        options = ImportOptions(format=to, keep_empty=True)
        import_data(folder / "there", folder / "back.jsonl", options)
        return [orjson.loads(line) for line in (folder / "back.jsonl").read_bytes().split(b"\n")[:-1]]


def labels_of(row: dict[str, Any]) -> list[str]:
    value = row.get("label") or []
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("to", WRITTEN)
def test_texts_and_labels_come_back(to: str, kind: str) -> None:
    @settings(max_examples=40)
    @given(tables(kind))
    def come_back(table: tuple[Task, list[tuple[str, list[str]]]]) -> None:
        task, rows = table
        assert [(row["text"], labels_of(row)) for row in back(task, rows, to)] == rows

    come_back()


@pytest.mark.parametrize("text", ["[]", "{}", '{"a": 1}', "__label__b x", " \t x"])
def test_a_text_without_labels_that_begins_as_something_else_comes_back_from_fasttext(text: str) -> None:
    field = Field("label", "multi", ("a", "b"), column="label", delimiter=LIST_DELIMITER)
    task = Task(("text",), (field,), Prompt("", "{text}"), AnswerFormat("json"))
    rows: list[tuple[str, list[str]]] = [(text, []), ("y", ["a"])]
    assert [(row["text"], labels_of(row)) for row in back(task, rows, "fasttext")] == rows


@pytest.mark.parametrize("to", ["doccano", "label-studio", "prodigy", "argilla"])
def test_ids_people_and_other_columns_come_back(to: str) -> None:
    task = Task(
        ("text",),
        (Field("label", "single", ("a", "b"), column="label"),),
        Prompt("", "{text}"),
        AnswerFormat("json"),
    )
    person = "0b7a1c52-6a8e-4f57-9c1b-0f6a2d9a1e11"
    columns = {"id": "row 7", "annotator": person, "year": 2026, "source": "web\n", "share": 0.5}
    assert back(task, [("x", ["a"])], to, **columns) == [{"text": "x", "label": "a", **columns}]


@given(st.binary(max_size=300), st.sampled_from([None, *WRITTEN]))
def test_no_bytes_end_in_a_traceback(content: bytes, told: str | None) -> None:
    """Whatever a file holds, it is a table or an error that says so."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "in").write_bytes(content)
        with suppress(LabeltuneError):
            import_data(Path(name) / "in", Path(name) / "out.jsonl", ImportOptions(format=told))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "accept"])
)
shapes = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["text", "data", "label", "labels", "id", "annotations", "result", "value", "choices", "taxonomy", "type",
             "from_name", "answer", "accept", "options", "fields", "responses", "label.responses", "messages", "role",
             "content", "prompt", "completion", "cats", "paragraphs", "meta", "metadata", "annotation", "prediction",
             "status", "entities", "annotator", "annotation_id", "lead_time", "completed_by", "predictions"]
        ),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(
    st.lists(shapes, min_size=1, max_size=4),
    st.sampled_from([None, *FORMATS]),
)
def test_no_shape_of_json_ends_in_a_traceback(values: list[Any], told: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "in").write_bytes(b"\n".join(orjson.dumps(value) for value in values))
        with suppress(LabeltuneError):
            import_data(
                Path(name) / "in", Path(name) / "out.jsonl", ImportOptions(format=told, keep_empty=True)
            )
