"""Cells of labels: lists in their spellings, and labels that look the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from labeltune.task import AnswerFormat, Field, Prompt, Task
from labeltune.task.cells import list_items, nfc
from labeltune.task.label_cells import LabelCellError, LabelReader


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ('["a", "b"]', ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        (" ['a','b',] ", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),
        ("['a'\n 'b c']", ["a", "b c"]),
        ("('a',)", ["a"]),
        ("{'a', 'b'}", ["a", "b"]),
        ('["it\'s", \'say "x"\']', ["it's", 'say "x"']),
        ("['caf\\xe9', 'a\\'b']", ["café", "a'b"]),
        ('["\\u00e9"]', ["é"]),
        ("[1, 2.50]", ["1", "2.50"]),
        ("array(['a', 'b'], dtype=object)", ["a", "b"]),
        ("np.array(['a'])", ["a"]),
        ("array([], dtype='<U1')", []),
        ("frozenset({'a'})", ["a"]),
        ("set()", []),
        ("[1 2]", ["1", "2"]),
        ("[0. 1.5]", ["0.", "1.5"]),
        ("{1, 2}", ["1", "2"]),
        ("(1,)", ["1"]),
        ("(1)", None),
        ("array(a)", None),
        ("set(['a') x]", None),
        ("[]", []),
        ("()", []),
        ("{}", None),
        ("[a, b]", None),
        ("['a' b]", None),
        ("['a''b']", None),
        ("['a', ['b']]", None),
        ("[null]", None),
        ("[x](https://example.org)", None),
        ("['a'", None),
        ("", None),
        ("a", None),
        ("[" + "'a' " * 20_000 + "]", None),
    ],
)
def test_data_06_08_lists_in_cells(cell: str, items: list[str] | None) -> None:
    assert list_items(cell) == items


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4))
def test_data_06_what_python_and_json_write_of_a_list_is_read(items: list[str]) -> None:
    import json

    assert list_items(repr(items)) == items
    assert list_items(json.dumps(items)) == items
    assert list_items(json.dumps(items, ensure_ascii=False)) == items


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_none(text: str) -> None:
    found = list_items(text)
    assert found is None or all(isinstance(item, str) for item in found)


def topics(delimiter: str, labels: tuple[str, ...] = ("Account", "Billing|Urgent", "Réclamation")) -> Task:
    field = Field("topics", "multi", labels, column="topics", delimiter=delimiter)
    return Task(("text",), (field,), Prompt(), AnswerFormat("list", separator=";"))


def reader(task: Task) -> LabelReader:
    return LabelReader(task, ("text", *task.label_columns))


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("['Billing|Urgent', 'Account']", ("Account", "Billing|Urgent")),
        ('["Account"]', ("Account",)),
        ("Account", ("Account",)),
        ("[]", ()),
        ("", ()),
    ],
)
def test_data_06_a_field_of_lists(cell: str, labels: tuple[str, ...]) -> None:
    assert reader(topics("json")).read(["x", cell]) == (labels,)


def test_data_08_tasks_with_a_delimiter_read_arrays_as_before() -> None:
    labels = ("Account", "Billing")
    assert reader(topics("|", labels)).read(["x", '["Account", "Billing"]']) == (labels,)
    assert reader(topics("|", labels)).read(["x", "Billing|Account"]) == (labels,)


def test_a_list_of_one_is_a_single_label_and_of_two_is_not() -> None:
    read = reader(tasks.INTENT).read
    assert read(["x", '["lost card"]']) == (("lost card",),)
    with pytest.raises(LabelCellError, match="a list of 2 labels, and the field is single") as caught:
        read(["x", "['lost card', 'card_arrival']"])
    assert caught.value.code == "several_labels"


def test_a_label_that_is_written_like_a_list_is_a_label() -> None:
    assert reader(topics(";", ("['a']", "b"))).read(["x", "['a']"]) == (("['a']",),)


@pytest.mark.parametrize("spelling", ["R\u00e9clamation", "Re\u0301clamation"])
def test_data_15_a_label_is_one_however_its_accents_are_written(spelling: str) -> None:
    assert reader(topics("json")).read(["x", spelling]) == (("Réclamation",),)
    assert reader(topics("json", ("Re\u0301clamation", "b"))).read(["x", spelling]) == (
        ("Re\u0301clamation",),
    )
    assert nfc(spelling) == "R\u00e9clamation"


def test_data_29_an_empty_cell_is_the_label_that_the_field_says() -> None:
    field = replace(tasks.INTENT.fields[0], empty="card_arrival")
    task = replace(tasks.INTENT, fields=(field,))
    assert reader(task).read(["x", "  "]) == (("card_arrival",),)
    with pytest.raises(LabelCellError, match="no label"):
        reader(tasks.INTENT).read(["x", "  "])


@pytest.mark.parametrize("label", ["1.0", "5.0"])
def test_calls_23_the_label_that_pandas_spoilt_is_suggested(label: str) -> None:
    stars = Field("stars", "single", ("1", "5"), column="stars")
    task = Task(("text",), (stars,), Prompt(), AnswerFormat("label"))
    with pytest.raises(LabelCellError, match=rf'did you mean "{label[0]}"\? pandas .* dtype=str'):
        reader(task).read(["x", label])


def test_calls_23_floats_of_0_and_1_are_0_and_1() -> None:
    cells = ["7", "x", "1.0", "0.0", "1", "0", "0.0", "1.0"]
    assert reader_of_toxic().read(cells) == reader_of_toxic().read(["7", "x", "1", "0", "1", "0", "0", "1"])


def reader_of_toxic() -> LabelReader:
    return LabelReader(tasks.TOXIC, ("id", "comment_text", *tasks.TOXIC.label_columns))
