from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeltune.errors import DataError, SettingsError
from labeltune.task import parse_task
from labeltune.task.chat import Renderer, labels_literal
from tasks import INTENT_TOML, TOXIC

TICKET = parse_task(
    INTENT_TOML.replace('text = ["text"]', 'text = ["subject", "body"]').replace(
        '"{text}"', '"{{Ticket}} from {customer}:\\n{text}\\nOne of {labels:intent}"'
    )
)
HEADER = ("subject", "body", "customer", "label")


def test_messages_of_the_first_tutorial() -> None:
    messages = Renderer(TOXIC, ("id", "comment_text", *TOXIC.labels)).messages(
        ["1", "  you {text} fool ", *"000000"]
    )
    assert messages == [
        {"role": "system", "content": "John is a linguistic expert"},
        {
            "role": "user",
            "content": "Assign labels to this comment from the following labels list. Comment: you {text} fool. "
            "labels list: ['toxic', 'severe_toxic', 'obscene', 'threat', 'insult', 'identity_hate']",
        },
    ]


def test_several_text_columns_are_joined_by_a_blank_line_and_empty_ones_left_out() -> None:
    renderer = Renderer(TICKET, HEADER)
    assert renderer.text(["Help", " it broke ", "Ann", ""]) == "Help\n\nit broke"
    assert renderer.text([" ", "it broke", "Ann", ""]) == "it broke"
    assert renderer.text([" ", "\n", "Ann", ""]) == ""
    user = renderer.messages(["Help", "it broke", " Ann ", ""])[1]["content"]
    assert user == (
        "{Ticket} from Ann:\nHelp\n\nit broke\nOne of ['card_arrival', 'Refund_not_showing_up', 'lost card']"
    )


def test_a_placeholder_that_names_no_column_is_told_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"task.toml:12: placeholder \{customer\} names no column"):
        Renderer(TICKET, ("subject", "body", "label"))


def test_a_missing_text_column_names_the_table() -> None:
    with pytest.raises(DataError, match=r'mail.csv:1: no column "body"'):
        Renderer(TICKET, ("subject", "customer"), source="mail.csv")


def test_without_a_system_message() -> None:
    task = parse_task(INTENT_TOML.replace('system = "Name the intent."\n', ""))
    renderer = Renderer(task, ("text", "label"))
    assert [message["role"] for message in renderer.messages(["hi", "x"])] == ["user"]
    assert json.loads(renderer.record_line(["hi", "x"], "hi", b'"x"')) == renderer.record(["hi", "x"], "x")


def test_labels_are_written_as_python_writes_a_list() -> None:
    assert labels_literal(["a", "it's", 'say "b"']) == """['a', "it's", 'say "b"']"""


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts, texts, texts)
def test_a_line_has_the_bytes_of_json_dumps(subject: str, body: str, customer: str, answer: str) -> None:
    renderer = Renderer(TICKET, HEADER)
    values = [subject, body, customer, ""]
    expected = json.dumps(renderer.record(values, answer), ensure_ascii=False).encode() + b"\n"
    answer_json = json.dumps(answer, ensure_ascii=False).encode()
    assert renderer.record_line(values, renderer.text(values), answer_json) == expected
