"""Confidence from log-probabilities: worked out by hand, and never an exception."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from labeltune.prediction.confidence import answer_confidence, label_probabilities
from labeltune.task import Task, parse_task
from labeltune.task.answers import decode_answer

Token = tuple[str, float, dict[str, float]]


def choice(*tokens: Token) -> dict[str, Any]:
    """A choice whose answer has these tokens: text, probability, and the alternatives' probabilities."""
    content = [
        {
            "token": text,
            "logprob": math.log(share),
            "top_logprobs": [
                {"token": other, "logprob": math.log(p)} for other, p in {text: share, **others}.items()
            ],
        }
        for text, share, others in tokens
    ]
    return {"message": {"content": "".join(text for text, _, _ in tokens)}, "logprobs": {"content": content}}


def probabilities(task: Task, *tokens: Token) -> list[float | None]:
    found = choice(*tokens)
    decoded = decode_answer(task, found["message"]["content"])
    assert decoded.labels is not None
    return label_probabilities(task, found, decoded.labels)


def test_the_confidence_of_an_answer_is_that_of_all_its_tokens() -> None:
    assert answer_confidence(choice(("card", 0.7, {}), ("_arrival", 0.9, {}))) == pytest.approx(0.63)


@pytest.mark.parametrize(
    "logprobs",
    [None, {}, {"content": None}, {"content": []}, {"content": [{}]}, {"content": [{"logprob": "x"}]}, []],
)
def test_no_confidence_without_log_probabilities(logprobs: Any) -> None:
    found = {"message": {"content": "lost card"}, "logprobs": logprobs}
    assert answer_confidence(found) is None
    assert label_probabilities(tasks.INTENT, found, (("lost card",),)) == [None] * 3


def test_a_single_field_has_a_distribution_over_its_labels() -> None:
    """At the first token all labels part; `Ref` leads to one, `x` to none."""
    shares = probabilities(
        tasks.INTENT,
        ("card", 0.7, {"lost": 0.2, "Ref": 0.05, "x": 0.05}),
        ("_arrival", 0.9, {"_x": 0.1}),
    )
    total = 0.63 + 0.2 + 0.05
    assert shares == pytest.approx([0.63 / total, 0.05 / total, 0.2 / total])
    assert sum(share or 0 for share in shares) == pytest.approx(1)


PREFIXES = parse_task(
    tasks.INTENT_TOML.replace(
        '["card_arrival", "Refund_not_showing_up", "lost card"]', '["card lost", "card late", "cash"]'
    )
)


def test_labels_that_share_their_beginning_part_later() -> None:
    shares = probabilities(
        PREFIXES, ("ca", 1.0, {}), ("rd", 0.8, {"sh": 0.2}), (" lo", 0.75, {" la": 0.25}), ("st", 1.0, {})
    )
    assert shares == pytest.approx([0.6, 0.2, 0.2])


def test_an_alternative_that_leads_to_several_labels_is_divided() -> None:
    shares = probabilities(PREFIXES, ("cash", 0.6, {"card": 0.4}))
    assert shares == pytest.approx([0.2, 0.2, 0.6])


def test_upper_case_and_space_lead_to_a_label_too() -> None:
    shares = probabilities(PREFIXES, ("cash", 0.6, {" CARD LOST": 0.2, "Card late": 0.2}))
    assert shares == pytest.approx([0.2, 0.2, 0.6])


def test_json_fields_each_have_a_distribution() -> None:
    """A token may begin before the value and end in it."""
    shares = probabilities(
        tasks.INQUIRY,
        ('{"', 1.0, {}),
        ("category", 1.0, {}),
        ('": "', 1.0, {}),
        ("Billing", 0.9, {"Order": 0.1}),
        ('", "sub_category', 1.0, {}),
        ('": "Re', 0.75, {'": "In': 0.25}),
        ('fund"}', 1.0, {}),
    )
    assert shares == pytest.approx([0.1, 0.9, 0.0, 0.0, 0.75, 0.25])


def test_a_flag_has_the_probability_of_true() -> None:
    shares = probabilities(
        tasks.EMOTION,
        ('{"joy":', 1.0, {}),
        (" true", 0.8, {" false": 0.15, " maybe": 0.05}),
        (', "anger":', 1.0, {}),
        (" false", 0.9, {}),
        (', "neutral":', 1.0, {}),
        (" false", 0.6, {" True": 0.2}),
        ("}", 1.0, {}),
    )
    assert shares == pytest.approx([0.8 / 0.95, 0.1, 0.2 / 0.8])


def test_a_list_tells_only_of_the_labels_that_stand_in_it() -> None:
    shares = probabilities(
        tasks.TOXIC, ("severe", 0.9, {}), ("_toxic", 0.8, {}), (",", 1.0, {}), ("insult", 0.5, {})
    )
    assert shares == [None, pytest.approx(0.72), None, None, pytest.approx(0.5), None]


def test_a_label_inside_a_longer_one_is_another() -> None:
    shares = probabilities(
        tasks.TOXIC, ("severe_toxic", 0.5, {}), (",", 1.0, {}), ("TOXIC", 0.8, {"TOX": 0.2})
    )
    assert shares[:2] == [pytest.approx(0.8), pytest.approx(0.5)]


def test_tokens_that_do_not_make_the_answer_say_nothing() -> None:
    found = choice(("cash", 0.6, {}))
    found["message"]["content"] = "card lost"
    assert label_probabilities(PREFIXES, found, (("card lost",),)) == [None] * 3


texts = st.lists(
    st.sampled_from([*'{}":, ', "true", "false", *tasks.EMOTION.labels, "Billing", "Ref"]), max_size=6
).map("".join)
tokens = st.lists(
    st.tuples(texts, st.floats(0.001, 1), st.dictionaries(texts, st.floats(0.001, 1), max_size=4)),
    max_size=12,
)


@given(st.sampled_from(tasks.ALL_TASKS), tokens, st.data())
def test_whatever_the_tokens_shares_are_shares(task: Task, content: list[Token], data: st.DataObject) -> None:
    labels = tuple(
        (data.draw(st.sampled_from(field.labels)),)
        if field.type == "single"
        else tuple(label for label in field.labels if data.draw(st.booleans()))
        for field in task.fields
    )
    shares = label_probabilities(task, choice(*content), labels)
    assert len(shares) == len(task.labels)
    assert all(share is None or -1e-9 <= share <= 1 + 1e-9 for share in shares)
