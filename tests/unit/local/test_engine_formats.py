"""Reading the format of answers, and writing decisions in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines.common.answers import AnswerFormat, LabelFormat, ListFormat, Verdict
from labeltune.local.engines.common.formats import format_from_json, labels_of, plain_label, read_format
from labeltune.local.engines.common.json_answers import ObjectFormat

if TYPE_CHECKING:
    from labeltune.local.engines import Answer


def rewritten(found: AnswerFormat, answer: str, top: int = 3) -> Answer:
    """The answer for the decisions that `answer` stands for."""
    targets, fits = found.targets([answer])
    assert fits.all()
    verdicts = []
    start = 0
    for head in found.heads:
        holds = targets[0, start : start + len(head.labels)]
        start += len(head.labels)
        p = np.where(holds, 0.8, 0.1)
        verdicts.append(Verdict(np.flatnonzero(holds), p / p.sum() if head.kind == "choice" else p))
    return found.answer(verdicts, top)


LISTS = ["toxic", "toxic,obscene", "toxic,obscene,insult", "obscene", "insult", "toxic,insult"] * 3
PATHS = [
    json.dumps({"category": parent, "sub_category": child})
    for parent, children in {"Orders": ["Cancel", "Change", "Other"], "Account": ["Login", "Other"]}.items()
    for child in children
] * 4


@pytest.mark.parametrize(
    ("answers", "kind", "labels"),
    [
        pytest.param(["b", "a", "b"] * 5, LabelFormat, [("b", "a")], id="one label"),
        pytest.param(["a"] * 10, LabelFormat, [("a",)], id="always the same label"),
        pytest.param(["Yes, please", "No, thanks", "Later"] * 5, LabelFormat, None, id="labels with a comma"),
        pytest.param(
            ["Yes, now", "Yes, later", "No, now", "No, later"] * 5, LabelFormat, None, id="commas that recur"
        ),
        pytest.param(["1,000", "2,000", "500"] * 5, LabelFormat, None, id="numbers with a comma"),
        pytest.param(
            ["card lost", "card late", "top up late", "top up lost", "top up"] * 4,
            LabelFormat,
            None,
            id="names with spaces that recur",
        ),
        pytest.param(LISTS, ListFormat, [("toxic", "obscene", "insult")], id="list"),
        pytest.param(
            [a.replace(",", " | ") for a in LISTS], ListFormat, [("toxic", "obscene", "insult")], id="pipes"
        ),
        pytest.param(
            [a.replace(",", "\n") for a in LISTS], ListFormat, [("toxic", "obscene", "insult")], id="lines"
        ),
        pytest.param(
            ["zeta", "zeta; alpha", "alpha", "zeta; alpha; mid", "zeta; mid", ""] * 4,
            ListFormat,
            [("zeta", "alpha", "mid")],
            id="not in alphabetical order",
        ),
        pytest.param(
            PATHS,
            ObjectFormat,
            [
                tuple(
                    f'"{p}" "{c}"'
                    for p, c in [
                        ("Orders", "Cancel"), ("Orders", "Change"), ("Orders", "Other"),
                        ("Account", "Login"), ("Account", "Other"),
                    ]
                )
            ],
            id="parent and child, one name under both",
        ),
    ],
)  # fmt: skip
def test_the_format_is_read_from_the_answers(
    answers: list[str], kind: type[AnswerFormat], labels: list[tuple[str, ...]] | None
) -> None:
    found = read_format(answers)
    assert isinstance(found, kind)
    if labels is not None:
        assert [head.labels for head in found.heads] == labels
    for answer in set(answers):
        written = rewritten(found, answer)
        assert written.text == answer
        assert "".join(token.token for token in written.tokens) == answer


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": "x", "b": ["p", "q"]}',
        '{"a":"x","b":["p","q"]}',
        '{\n  "a": "x",\n  "b": [\n    "p",\n    "q"\n  ]\n}',
        '{"a": "x", "b": []}',
        '{"b": ["q"], "a": "ü \\"quoted\\""}',
        '{"b": ["q"], "a": "\\u00fc"}',
        '{"urgent": true, "spam": false}',
        '{"urgent":true,"team":"x","n":3,"also":null}',
    ],
)
def test_objects_are_spelled_as_in_training(answer: str) -> None:
    value: dict[str, Any] = json.loads(answer)
    others = {key: not v if isinstance(v, bool) else v for key, v in value.items()}
    style = {"ensure_ascii": "\\u" in answer, "indent": 2 if "\n" in answer else None}
    separators = (",", ":") if '":"' in answer or '":t' in answer else None
    second = json.dumps(others, separators=separators, **style)  # type: ignore[arg-type]  # the options vary
    found = read_format([answer, second] * 5)
    assert isinstance(found, ObjectFormat)
    for each in (answer, second):
        written = rewritten(found, each)
        assert written.text == each == "".join(token.token for token in written.tokens)


def test_unrelated_members_are_decided_each_for_itself() -> None:
    rng = np.random.default_rng(0)
    answers = [
        json.dumps({"mood": str(rng.choice(["good", "bad"])), "topic": f"t{rng.integers(4)}"})
        for _ in range(200)
    ]
    found = read_format(answers)
    assert [len(head.labels) for head in found.heads] == [2, 4]


def test_pairs_that_chance_would_bring_but_training_lacks_are_no_labels() -> None:
    found = read_format(PATHS)
    (head,) = found.heads
    assert len(head.labels) == 5
    impossible = json.dumps({"category": "Account", "sub_category": "Cancel"})
    _, fits = found.targets([impossible])
    assert not fits.any()


def test_the_tokens_of_a_path_are_given_the_values_before() -> None:
    found = read_format(PATHS)
    answer = found.answer([Verdict(np.array([1]), np.array([0.1, 0.4, 0.1, 0.3, 0.1]))], 2)
    parent, child = (token for token in answer.tokens if token.logprob < 0)
    assert (parent.token, child.token) == ("Orders", "Change")
    assert np.exp(parent.logprob) == pytest.approx(0.6)
    assert np.exp(child.logprob) == pytest.approx(0.4 / 0.6)
    assert [token for token, _ in parent.top] == ["Orders", "Account"]


def test_the_last_token_of_a_list_has_its_end_and_the_probabilities_multiply() -> None:
    found = read_format([*LISTS, "", ""])
    p = np.array([0.9, 0.2, 0.6])
    answer = found.answer([Verdict(np.array([0, 2]), p)], 5)
    assert [token.token for token in answer.tokens] == ["toxic", ",insult"]
    assert sum(token.logprob for token in answer.tokens) == pytest.approx(np.log(0.9 * 0.8 * 0.6))
    first, last = answer.tokens
    assert sum(np.exp(logprob) for _, logprob in first.top) == pytest.approx(1)
    assert dict(last.top)[",insult"] == last.logprob


def test_flags_are_true_or_false() -> None:
    answers = ['{"toxic": true, "threat": false}', '{"toxic": false, "threat": false}'] * 6
    found = read_format(answers)
    assert [(head.kind, head.labels) for head in found.heads] == [("subset", ("toxic", "threat"))]
    answer = found.answer([Verdict(np.array([0]), np.array([0.7, 0.2]))], 2)
    assert answer.text == answers[0]
    decided = [token for token in answer.tokens if token.token in ("true", "false")]
    assert [np.exp(token.logprob) for token in decided] == pytest.approx([0.7, 0.8])
    assert [[word for word, _ in token.top] for token in decided] == [["true", "false"], ["false", "true"]]


DECLARED = ["toxic", "severe toxic", "very, very bad"]


def test_the_prompt_confirms_labels_and_separator() -> None:
    answers = ["toxic severe toxic", "toxic", "toxic very, very bad", "severe toxic"] * 3
    found = read_format(answers, [DECLARED])
    assert isinstance(found, LabelFormat), "parts of the names recur between single spaces: no evidence"
    found = read_format([a.replace("toxic ", "toxic; ", 1) for a in answers], [DECLARED])
    assert isinstance(found, ListFormat)
    assert found.separator == "; "
    single = read_format(["very, very bad", "toxic"] * 5, [DECLARED])
    assert isinstance(single, LabelFormat)
    assert single.heads[0].labels == ("toxic", "very, very bad")


@pytest.mark.parametrize(("none", "at_least_one"), [("", False), ("none", False), (None, True)])
def test_rows_without_a_label(none: str | None, at_least_one: bool) -> None:
    found = read_format(LISTS if none is None else [*LISTS, none, none])
    assert isinstance(found, ListFormat)
    assert found.heads[0].at_least_one == at_least_one
    assert found.heads[0].labels == ("toxic", "obscene", "insult")
    if none is not None:
        assert rewritten(found, none).text == none


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([], "no examples"),
        ([f"A reply of its own, number {n}." for n in range(20)], "different, so they are no labels"),
        ([json.dumps({"reply": f"text {n}"}) for n in range(20)], "'reply' are different"),
        ([json.dumps({"tags": [f"tag {n}"]}) for n in range(20)], "'tags'"),
    ],
)
def test_what_is_no_classification_is_refused(answers: list[str], reason: str) -> None:
    with pytest.raises(TrainingRefusedError, match=reason):
        read_format(answers)


@pytest.mark.parametrize("answers", [["a", "b"] * 5, LISTS, PATHS, ['{"x": true, "y": []}'] * 3])
def test_a_format_survives_being_saved(answers: list[str]) -> None:
    found = read_format(answers)
    again = format_from_json(json.loads(json.dumps(found.to_json())))
    assert again == found


def test_combinations_are_shown_as_paths_and_labels_as_they_are() -> None:
    assert plain_label('"Order Management" "Cancel it"') == "Order Management > Cancel it"
    assert plain_label('"a\\u00e9"') == "aé"
    for label in ("card", "", '"', '"a" b', '"a"b', "5", "true", '"a" "b'):
        assert plain_label(label) == label


@pytest.mark.parametrize(
    ("answers", "labels", "pairs"),
    [
        pytest.param(["b", "a"] * 5, ["b", "a"], [], id="label"),
        pytest.param(LISTS, ["toxic", "obscene", "insult"], [], id="list"),
        pytest.param(
            PATHS,
            ["Orders", "Account", "Cancel", "Change", "Other", "Login"],
            [
                "Orders > Cancel",
                "Orders > Change",
                "Orders > Other",
                "Account > Login",
                "Account > Other",
            ],
            id="two levels",
        ),
        pytest.param(
            [json.dumps({"a": n % 2 == 0, "b": n % 3 == 0}) for n in range(12)], ["a", "b"], [], id="flags"
        ),
        pytest.param(
            [json.dumps({"of": ["x", "y"][: n % 3], "one": "pq"[n % 2]}) for n in range(24)],
            ["x", "y", "p", "q"],
            [],
            id="array and value",
        ),
    ],
)
def test_labels_are_told_apart_from_their_combinations(
    answers: list[str], labels: list[str], pairs: list[str]
) -> None:
    assert labels_of(read_format(answers)) == (labels, pairs)
