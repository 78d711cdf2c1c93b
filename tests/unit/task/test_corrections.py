from __future__ import annotations

import pytest

from labeltune.task import parse_task
from labeltune.task.corrections import Question, correction_columns, questions_of
from labeltune.task.label_cells import LabelCellError
from tasks import INQUIRY_TOML, INTENT, TOXIC, TOXIC_TOML

INQUIRY = parse_task(INQUIRY_TOML)
BOTH = parse_task(
    INQUIRY_TOML.replace(
        "[prompt]",
        '[[field]]\nname = "tags"\ntype = "multi"\ncolumn = "tags"\ndelimiter = "|"\nlabels = ["a", "b"]\n\n[prompt]',
    )
)


def only(question: tuple[Question, ...]) -> Question:
    (one,) = question
    return one


def test_one_column_for_each_question() -> None:
    assert correction_columns(INTENT) == ("correct_label",)
    assert correction_columns(TOXIC) == ("correct_labels",)
    assert correction_columns(INQUIRY) == ("correct_label",)
    assert correction_columns(BOTH) == ("correct_sub_category", "correct_tags")


@pytest.mark.parametrize(
    ("cell", "path"),
    [
        ("Billing > Refund", ("Billing", "Refund")),
        (" Billing > Refund ", ("Billing", "Refund")),
        ('["Billing", "Refund"]', ("Billing", "Refund")),
        ("Tracking", ("Order Management", "Tracking")),
        ("", None),
        ("  ", None),
    ],
)
def test_a_path(cell: str, path: tuple[str, ...] | None) -> None:
    assert only(questions_of(INQUIRY)).read(cell, "correct_label") == path


@pytest.mark.parametrize("cell", ["Cancellation", "Billing > Tracking", "Billing", "refund"])
def test_what_is_no_legal_path(cell: str) -> None:
    with pytest.raises(LabelCellError, match=f'label "{cell}" is not in task.toml') as caught:
        only(questions_of(INQUIRY)).read(cell, "correct_label")
    assert caught.value.code == "unknown_label"


def test_a_near_miss_is_named() -> None:
    with pytest.raises(LabelCellError, match=r'did you mean "lost card"\?'):
        only(questions_of(INTENT)).read("lost crad", "correct_label")


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("insult,toxic", ("toxic", "insult")),
        ("toxic, insult", ("toxic", "insult")),
        ('["threat"]', ("threat",)),
        ("none", ()),
        ("[]", ()),
        ("", None),
    ],
)
def test_several_labels(cell: str, labels: tuple[str, ...] | None) -> None:
    assert only(questions_of(TOXIC)).read(cell, "correct_labels") == labels


def test_a_label_called_none_is_not_the_lack_of_labels() -> None:
    task = parse_task(TOXIC_TOML.replace('"threat"', '"none"'))
    question = only(questions_of(task))
    assert question.read("none", "correct_labels") == ("none",)
    assert question.spell(()) == "[]"
    assert question.read("[]", "correct_labels") == ()


@pytest.mark.parametrize("task", [INTENT, TOXIC, INQUIRY, BOTH])
def test_what_is_spelled_is_read_back(task: object) -> None:
    for question in questions_of(task):  # type: ignore[arg-type]  # parametrize loses it
        labels = question.fields[0].labels
        answers = [(), labels[:1], labels] if question.is_multi else question.paths
        for answer in answers:
            assert question.read(question.spell(answer), "correct") == answer


def test_labels_that_hold_the_separator_are_a_list() -> None:
    toml = INQUIRY_TOML[: INQUIRY_TOML.index("[[field]]")] + (
        '[[field]]\nname = "tags"\ntype = "multi"\ncolumn = "tags"\ndelimiter = "json"\n'
        'labels = ["a, b", "c"]\n\n[prompt]\nuser = "{text}"\n\n[answer]\nformat = "json"\n'
    )
    question = only(questions_of(parse_task(toml)))
    assert question.spell(("a, b", "c")) == '["a, b", "c"]'
    assert question.read('["a, b", "c"]', "x") == ("a, b", "c")
    assert question.read("a, b", "x") == ("a, b",)


def test_one_question_changes_and_the_others_stay() -> None:
    path, tags = questions_of(BOTH)
    labels = (("Billing",), ("Refund",), ("a",))
    assert path.of(labels) == ("Billing", "Refund")
    assert path.into(labels, ("Order Management", "Tracking")) == (
        ("Order Management",),
        ("Tracking",),
        ("a",),
    )
    assert tags.into(labels, ()) == (("Billing",), ("Refund",), ())
