from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labeltune.errors import DataError
from labeltune.task import Task, parse_task
from labeltune.task.answers import decode_answer, encode_answer
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.labels import Labels
from labeltune.task.vectors import label_matrix, label_vector
from tasks import EMOTION, INQUIRY, INTENT, TOXIC, TOXIC_LABELS, TOXIC_TOML

TOXIC_NONE = parse_task(TOXIC_TOML.replace('none = ""', 'none = "none"'))
SPACED = parse_task(TOXIC_TOML.replace('separator = ","', 'separator = ", "'))
MULTI_JSON = parse_task(
    TOXIC_TOML.replace('format = "list"', 'format = "json"').replace('separator = ","\nnone = ""\n', "")
)
HEADER = ("id", "comment_text", *TOXIC_LABELS)


# ------------------------------------------------------------------------------------------ columns → labels


def test_flags_become_labels_in_task_order() -> None:
    read = LabelReader(TOXIC, HEADER).read
    assert read(["1", "text", "1", "0", " 1 ", "0", "0", "0"]) == (("toxic", "obscene"),)
    assert read(["2", "text", "0", "0", "0", "0", "0", "0"]) == ((),)


@pytest.mark.parametrize("cell", ["", "2", "true", "-1", "1.5", "yes"])
def test_a_cell_that_is_neither_0_nor_1(cell: str) -> None:
    with pytest.raises(LabelCellError, match='column "threat" holds ".*", expected 0 or 1') as caught:
        LabelReader(TOXIC, HEADER).read(["1", "text", "0", "0", "0", cell, "0", "0"])
    assert caught.value.code == "bad_flag"


def test_flags_that_pandas_wrote_as_floats() -> None:
    read = LabelReader(TOXIC, HEADER).read
    assert read(["1", "text", "1.0", "0.0", "1", "0", "0", "0"]) == (("toxic", "obscene"),)


@pytest.mark.parametrize(
    ("yes", "no", "yes_cells", "no_cells", "bad_cells"),
    [
        ("True", "False", ["True", "TRUE", " true "], ["False", "false"], ["", "1", "yes"]),
        ("x", "", ["x", "X"], ["", " "], ["0", "y"]),
        ("1", "", ["1", "1.0"], [""], ["0", "2"]),
        ("да", "нет", ["да", "ДА"], ["нет"], ["", "1"]),
    ],
)
def test_data_09_flags_in_other_words(
    yes: str, no: str, yes_cells: list[str], no_cells: list[str], bad_cells: list[str]
) -> None:
    task = replace(TOXIC, fields=(replace(TOXIC.fields[0], yes=yes, no=no),))
    read = LabelReader(task, HEADER).read
    rest = [no] * 5
    for cell in yes_cells:
        assert read(["1", "text", cell, *rest]) == (("toxic",),)
    for cell in no_cells:
        assert read(["1", "text", cell, *rest]) == ((),)
    for cell in bad_cells:
        with pytest.raises(LabelCellError, match=f'holds "{cell}", expected {no or "nothing"} or {yes}'):
            read(["1", "text", cell, *rest])


def test_delimited_labels() -> None:
    read = LabelReader(EMOTION, ("text", "labels", "id")).read
    assert read(["t", "neutral|joy", "x"]) == (("joy", "neutral"),)
    assert read(["t", "", "x"]) == ((),)
    with pytest.raises(LabelCellError, match='label "joi" is not in task.toml .did you mean "joy"'):
        read(["t", "joi", "x"])


def test_single_labels_are_exact() -> None:
    header = ("text", "label")
    read = LabelReader(INTENT, header).read
    assert read(["t", "lost card"]) == (("lost card",),)
    for cell, code in (("lost card ", "spaced_label"), ("", "no_label"), ("Lost card", "unknown_label")):
        with pytest.raises(LabelCellError) as caught:
            read(["t", cell])
        assert caught.value.code == code
    assert LabelReader(INTENT, header, strip=True).read(["t", " lost card "]) == (("lost card",),)


def test_a_pair_that_the_task_does_not_know() -> None:
    read = LabelReader(INQUIRY, ("inquiry", "category", "sub_category")).read
    assert read(["t", "Billing", "Cancellation"]) == (("Billing",), ("Cancellation",))
    with pytest.raises(LabelCellError, match='"Refund" does not stand under "Order Management"') as caught:
        read(["t", "Order Management", "Refund"])
    assert caught.value.code == "illegal_pair"


def test_missing_columns_are_all_named() -> None:
    with pytest.raises(DataError, match=r'x.csv:1: no column "category" .*"sub_category"'):
        LabelReader(INQUIRY, ("inquiry", "Category"), source="x.csv")


# ------------------------------------------------------------------------------------------ labels ↔ answers

ANSWERS: list[tuple[Task, Labels, str]] = [
    (TOXIC, (("toxic", "insult"),), "toxic,insult"),
    (SPACED, (("toxic", "insult"),), "toxic, insult"),
    (TOXIC_NONE, ((),), "none"),
    (INTENT, (("lost card",),), "lost card"),
    (INQUIRY, (("Order Management",), ("Cancellation",)),
     '{"category": "Order Management", "sub_category": "Cancellation"}'),
    (MULTI_JSON, (("toxic",),), '{"toxicity": ["toxic"]}'),
    (MULTI_JSON, ((),), '{"toxicity": []}'),
    (EMOTION, (("anger",),), '{"joy": false, "anger": true, "neutral": false}'),
]  # fmt: skip


@pytest.mark.parametrize(("task", "labels", "answer"), ANSWERS, ids=[answer for _, _, answer in ANSWERS])
def test_answers_are_spelled_and_read_back(task: Task, labels: Labels, answer: str) -> None:
    assert encode_answer(task, labels) == answer
    decoded = decode_answer(task, answer)
    assert (decoded.labels, decoded.problem, decoded.normalised) == (labels, None, False)


def test_no_labels_and_no_word_for_it_is_no_answer() -> None:
    assert encode_answer(TOXIC, ((),)) is None


HARMLESS: list[tuple[Task, str, Labels]] = [
    (INTENT, "LOST CARD", (("lost card",),)),
    (INTENT, "  lost   card.\n", (("lost card",),)),
    (INTENT, '"lost card"', (("lost card",),)),
    (INTENT, "“lost card”", (("lost card",),)),
    (INTENT, "**lost card**", (("lost card",),)),
    (INTENT, "lost\u200b card", (("lost card",),)),
    (INTENT, "ｌｏｓｔ card", (("lost card",),)),
    (INTENT, "```\nlost card\n```", (("lost card",),)),
    (TOXIC, "Insult, toxic.", (("toxic", "insult"),)),
    (TOXIC, "toxic,toxic,", (("toxic",),)),
    (TOXIC_NONE, "None.", ((),)),
    (INQUIRY, '```json\n{"sub_category":"refund","category":"billing"}\n```', (("Billing",), ("Refund",))),
    (INQUIRY, '{"Category": "Billing", "Sub_Category": "Refund"}', (("Billing",), ("Refund",))),
    (EMOTION, '{"anger":true,"joy":false,"neutral":false}', (("anger",),)),
]


@pytest.mark.parametrize(("task", "answer", "labels"), HARMLESS, ids=[answer for _, answer, _ in HARMLESS])
def test_harmless_differences_are_normalised(task: Task, answer: str, labels: Labels) -> None:
    decoded = decode_answer(task, answer)
    assert (decoded.labels, decoded.problem, decoded.normalised) == (labels, None, True)


PROBLEMS: list[tuple[Task, str | None, str]] = [
    (INTENT, None, "empty"),
    (INTENT, " \n", "empty"),
    (INTENT, "card lost", "off_list"),
    (INTENT, "lost card, card_arrival", "off_list"),
    (TOXIC, ",", "empty"),
    (TOXIC, "toxic,kind", "off_list"),
    (TOXIC, "none", "off_list"),
    (TOXIC_NONE, "none,toxic", "off_list"),
    (INQUIRY, "Billing", "not_json"),
    (INQUIRY, '{"category": "Billing", "sub_category": "Refund"', "not_json"),
    (INQUIRY, '["Billing", "Refund"]', "bad_schema"),
    (INQUIRY, "[]", "bad_schema"),
    (INQUIRY, '{"category": "Billing"}', "bad_schema"),
    (INQUIRY, '{"category": "Billing", "sub_category": "Refund", "why": "x"}', "bad_schema"),
    (INQUIRY, '{"category": "Billing", "category": "Billing", "sub_category": "Refund"}', "bad_schema"),
    (INQUIRY, '{"category": ["Billing"], "sub_category": "Refund"}', "bad_schema"),
    (INQUIRY, '{"category": "Billing", "sub_category": null}', "bad_schema"),
    (INQUIRY, '{"category": "Billing", "sub_category": "Refunds"}', "off_list"),
    (INQUIRY, '{"category": "Order Management", "sub_category": "Refund"}', "illegal_pair"),
    (MULTI_JSON, '{"toxicity": "toxic"}', "bad_schema"),
    (MULTI_JSON, '{"toxicity": [1]}', "bad_schema"),
    (MULTI_JSON, '{"toxicity": ["kind"]}', "off_list"),
    (EMOTION, '{"joy": 1, "anger": true, "neutral": false}', "bad_schema"),
    (EMOTION, '{"joy": true}', "bad_schema"),
    (EMOTION, "{}", "bad_schema"),
    (EMOTION, "[" * 100_000, "not_json"),
    (EMOTION, "1" * 5000, "not_json"),
]


@pytest.mark.parametrize(
    ("task", "answer", "problem"), PROBLEMS, ids=[str(answer)[:40] for _, answer, _ in PROBLEMS]
)
def test_every_other_answer_has_a_named_problem(task: Task, answer: str | None, problem: str) -> None:
    decoded = decode_answer(task, answer)
    assert (decoded.labels, decoded.problem) == (None, problem)


def test_a_fold_that_two_labels_share_decides_nothing() -> None:
    task = parse_task(TOXIC_TOML.replace('labels = ["toxic", "severe_toxic"', 'labels = ["toxic", "TOXIC"'))
    assert decode_answer(task, "TOXIC").labels == (("TOXIC",),)
    assert decode_answer(task, "Toxic").problem == "off_list"


# ------------------------------------------------------------------------------------------ labels → vectors


def test_vectors_are_in_task_order() -> None:
    assert label_vector(INQUIRY, (("Billing",), ("Refund",))) == [False, True, False, False, True, False]
    assert label_vector(INQUIRY, None) == [False] * 6


def test_matrix() -> None:
    rows: list[Labels | None] = [(("toxic",),), None, ((),), (("toxic",),)]
    matrix = label_matrix(TOXIC, rows)
    assert matrix.dtype == np.bool_
    assert matrix.shape == (4, 6)
    assert matrix.sum(axis=1).tolist() == [1, 0, 0, 1]
    assert label_matrix(TOXIC, []).shape == (0, 6)


def test_a_label_that_is_spelled_exactly_is_not_the_word_for_none() -> None:
    task = parse_task(
        'version = 1\ntext = ["text"]\n[[field]]\nname = "l"\ntype = "multi"\ncolumn = "l"\ndelimiter = "|"\n'
        'labels = ["\'none\'", "b"]\n[answer]\nformat = "list"\nnone = "none"\n'
    )
    assert decode_answer(task, "'none'").labels == (("'none'",),)
    assert decode_answer(task, "None.").labels == ((),)
