"""Training files are held to OpenAI's rules, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labeltune.local.validate import SHOWN, read_training_file

USER = {"role": "user", "content": "hello"}
ASSISTANT = {"role": "assistant", "content": "greeting"}


def _lines(*values: Any) -> list[bytes]:
    return [(value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n" for value in values]


GOOD = {"messages": [USER, ASSISTANT]}


@pytest.mark.parametrize(
    ("value", "gist"),
    [
        (b"{", "not valid JSON"),
        (b'{"messages": "\xff"}', "byte 15 of the line is not UTF-8"),
        ([], "expected an object"),
        ({}, "'messages' must be a non-empty array"),
        ({"messages": []}, "'messages' must be a non-empty array"),
        ({"messages": "[]"}, "'messages' must be a non-empty array, but is a string"),
        (
            {"prompt": "x", "completion": "y"},
            "no 'messages', but 'prompt', 'completion': this is a record of another",
        ),
        (GOOD | {"label": "x"}, "unknown key 'label'"),
        (GOOD | {"metadata": {}}, "unknown key 'metadata'"),
        ({"messages": [USER]}, "the last message must be the assistant's"),
        ({"messages": [ASSISTANT, USER]}, "the last message must be the assistant's"),
        ({"messages": ["hi", ASSISTANT]}, "messages[0] must be an object"),
        ({"messages": [{"role": "human", "content": "x"}, ASSISTANT]}, "messages[0].role"),
        ({"messages": [{"content": "x"}, ASSISTANT]}, "messages[0].role"),
        ({"messages": [USER | {"id": 1}, ASSISTANT]}, "messages[0] has the unknown key 'id'"),
        ({"messages": [USER | {"weight": 1}, ASSISTANT]}, "messages[0].weight"),
        ({"messages": [USER, ASSISTANT | {"weight": 2}]}, "messages[1].weight"),
        (
            {"messages": [USER, {"role": "assistant", "content": 7}]},
            "messages[1].content must be text, but is 7",
        ),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages[1].content must be text"),
        ({"messages": [{"role": "user", "content": "a<|endoftext|>"}, ASSISTANT]}, "<|endoftext|>"),
        ({"messages": [USER, {"role": "assistant", "content": "<|im_end|>"}]}, "<|im_end|>"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ASSISTANT]}, "must be text"),
    ],
)
def test_a_bad_line_is_named(value: Any, gist: str) -> None:
    file = read_training_file(_lines(GOOD, value, GOOD))
    assert [problem.line for problem in file.problems] == [2]
    assert gist in file.problems[0].message
    refusal = file.refusal()
    assert refusal is not None
    assert refusal[0] == "invalid_file_format"
    assert "Line 2: " in refusal[1]


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        GOOD | {"tools": [], "parallel_tool_calls": True},
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "developer", "content": ""},
                USER,
                ASSISTANT,
            ]
        },
        {"messages": [USER | {"name": "ann"}, ASSISTANT | {"weight": 1}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, ASSISTANT]},
        {"messages": [{"role": "user", "content": "a <|b|> c"}, ASSISTANT]},
    ],
)
def test_a_good_line_is_a_record(value: Any) -> None:
    file = read_training_file(_lines(value))
    assert file.refusal() is None
    assert file.records[0][-1] == {"role": "assistant", "content": "greeting"}
    assert all(set(message) == {"role", "content"} for message in file.records[0])


def test_an_answer_without_weight_counts_but_is_not_learnt() -> None:
    file = read_training_file(_lines(GOOD, {"messages": [USER, ASSISTANT | {"weight": 0}]}))
    assert (file.examples, len(file.records)) == (2, 1)


def test_lines_end_at_newlines_only_and_may_be_empty_at_the_end() -> None:
    text = "a\u2028b\u0085c"
    value = json.dumps(
        {"messages": [{"role": "user", "content": text}, ASSISTANT]}, ensure_ascii=False
    ).encode()
    file = read_training_file([b"\xef\xbb\xbf" + value + b"\r\n", b"\n", b"  \n"])
    assert file.refusal() is None
    assert file.records[0][0]["content"] == text
    middle = read_training_file([value + b"\n", b"\n", value])
    assert [str(problem) for problem in middle.problems] == ["Line 2: the line is empty"]


def test_the_first_problems_are_shown_and_the_rest_counted() -> None:
    file = read_training_file([b"x\n"] * 500)
    assert (len(file.problems), file.problem_count) == (SHOWN, 500)
    refusal = file.refusal()
    assert refusal is not None
    assert refusal[1].endswith("… and 480 more.")


def test_too_few_examples() -> None:
    file = read_training_file(_lines(*[GOOD] * 9))
    assert file.refusal() is None
    assert file.refusal(least=10) == (
        "invalid_n_examples",
        "The file has 9 examples, but at least 10 are needed.",
    )
    assert read_training_file([]).refusal() == (
        "invalid_n_examples",
        "The file has 0 examples, but at least 1 are needed.",
    )
