"""`[field.describe]`: what labels mean, in the task file."""

from __future__ import annotations

import pytest

from labeltune.errors import SettingsError
from labeltune.task import format_task, parse_task
from labeltune.task.editing import with_descriptions
from tasks import ALL_TASKS, EMOTION_TOML, INQUIRY, INQUIRY_TOML, INTENT_TOML, TOXIC_TOML

DESCRIBED = INQUIRY_TOML.replace("\n[prompt]", '\n[field.describe]\nRefund = "Money back."\n\n[prompt]')


def test_it_is_read_and_written() -> None:
    task = parse_task(DESCRIBED)
    assert dict(task.field("sub_category").describe) == {"Refund": "Money back."}
    assert parse_task(format_task(task)) == task


def test_it_is_no_part_of_the_fingerprint() -> None:
    assert parse_task(DESCRIBED).fingerprint == INQUIRY.fingerprint


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('Refunds = "x"', '"Refunds" is not a label of "sub_category" (did you mean "Refund"?)'),
        ('Refund = " "', 'describe "Refund": expected one sentence, on one line'),
        ('Refund = "one\\ntwo"', 'describe "Refund": expected one sentence, on one line'),
        ("Refund = 1", "Refund must be a string"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(wrong: str, said: str) -> None:
    content = DESCRIBED.replace('Refund = "Money back."', wrong)
    line = content.split("\n").index(wrong) + 1
    with pytest.raises(SettingsError) as caught:
        parse_task(content)
    assert str(caught.value) == f"task.toml:{line}: {said}"


SENTENCES = {"sub_category": {"Refund": "Other.", "Invoice": 'A "bill".'}, "category": {"Billing": "Money."}}


def test_sentences_are_put_where_they_belong_and_nothing_else_changes() -> None:
    content = "# mine\n" + DESCRIBED.replace("[prompt]", "# about the prompt\n[prompt]") + "\n# the end\n"
    written = with_descriptions(content, SENTENCES, source="t")
    task = parse_task(written)
    # What people wrote stays.
    assert dict(task.field("sub_category").describe) == {"Refund": "Money back.", "Invoice": 'A "bill".'}
    assert dict(task.field("category").describe) == {"Billing": "Money."}
    added = ["", "[field.describe]", '"Billing" = "Money."', '"Invoice" = "A \\"bill\\"."']
    left = written.split("\n")
    for line in added:
        left.remove(line)
    before = content.split("\n")
    before.remove("")
    left.remove("")
    assert [line for line in left if line] == [line for line in before if line]
    assert "\n\n# about the prompt\n[prompt]" in written


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    content = "\ufeff" + INTENT_TOML.replace("\n", "\r\n")
    written = with_descriptions(content, {"intent": {"lost card": "Lost."}}, source="t")
    assert written.startswith("\ufeff")
    assert written.count("\n") == written.count("\r\n")
    assert dict(parse_task(written[1:]).fields[0].describe) == {"lost card": "Lost."}


@pytest.mark.parametrize("content", [TOXIC_TOML, INQUIRY_TOML, INTENT_TOML, EMOTION_TOML])
def test_any_task_can_be_described(content: str) -> None:
    task = parse_task(content)
    sentences = {field.name: {label: f"About {label}." for label in field.labels} for field in task.fields}
    written = parse_task(with_descriptions(content, sentences, source="t"))
    assert {field.name: dict(field.describe) for field in written.fields} == sentences
    # The same again, for all that is there already.
    again = with_descriptions(format_task(written), sentences, source="t")
    assert parse_task(again) == written


def test_a_written_task_can_be_described() -> None:
    for task in ALL_TASKS:
        sentences = {field.name: dict.fromkeys(field.labels, "Yes.") for field in task.fields}
        assert with_descriptions(format_task(task), sentences, source="t")


@pytest.mark.parametrize(
    "field",
    [
        '[[field]]\nname = "a"\ntype = "single"\ncolumn = "a"\nlabels = ["x", "y"]\ndescribe = { x = "X." }',
        'field = [{ name = "a", type = "single", column = "a", labels = ["x", "y"] }]',
    ],
)
def test_a_file_into_which_nothing_can_be_put_is_refused(field: str) -> None:
    head = 'version = 1\ntext = ["t"]\n'
    tail = '\n[answer]\nformat = "label"\n'
    content = head + field + tail
    assert parse_task(content).fields[0].labels == ("x", "y")
    with pytest.raises(SettingsError, match="written in a way that nothing can be put into it"):
        with_descriptions(content, {"a": {"y": "Y."}}, source="t")
