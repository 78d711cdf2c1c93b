"""Why a linear model decided: the words' parts add up, and stand where they are said to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.local.engines import Hyperparameters
from labeltune.local.engines.linear.engine import Linear
from labeltune.local.engines.linear.features import Vocabulary
from labeltune.local.engines.linear.reasons import word_shares
from unit.local.engine_records import flags, record, several, single, spelled

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Record

AUTO = Hyperparameters()
TEXTS = st.text(
    st.one_of(st.sampled_from("my card İstanbul ſ ß ΣΑΣ transfer, 転送 \n\t\x1c"), st.characters()),
    max_size=60,
)


def total(reason: Any) -> float:
    """All that a reason says, added up."""
    return float(reason.bias + reason.rest + sum(word.weight for word in reason.words))


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Linear]:
    found = {}
    for name, records in (("choice", single()), ("subset", several()), ("flags", spelled(several(), flags))):
        run = Linear.fit(records, [], AUTO, seed=1)
        list(run)
        folder = tmp_path_factory.mktemp("reasons") / name
        run.save(folder)
        found[name] = Linear.load(folder)
    return found


@given(text=TEXTS)
@settings(deadline=None, max_examples=150)
@pytest.mark.parametrize("kind", ["choice", "subset", "flags"])
def test_bias_and_words_make_up_the_score_of_any_text(
    linear: dict[str, Linear], kind: str, text: str
) -> None:
    messages = [{"role": "user", "content": f"Message: {text}\nTopic:"}]
    [found] = linear[kind].explain([messages])
    for reason in found.reasons:
        assert total(reason) == pytest.approx(reason.score, abs=1e-3)
        spans = [(word.start, word.end) for word in reason.words]
        assert spans == sorted(spans)
        assert all(0 <= start < end <= len(messages[0]["content"]) for start, end in spans)


@pytest.mark.parametrize("kind", ["choice", "subset", "flags"])
def test_it_explains_what_is_answered(linear: dict[str, Linear], kind: str) -> None:
    rows: list[Record] = {"choice": single, "subset": several, "flags": several}[kind](40, seed=3)
    conversations = [row[:-1] for row in rows]
    explanations = linear[kind].explain(conversations)
    answers = linear[kind].answer(conversations, top_logprobs=5)
    for answer, found in zip(answers, explanations, strict=True):
        chosen = [reason.label for reason in found.reasons if reason.chosen]
        if kind == "choice":
            assert chosen == [answer.text]
            shares = {label: np.exp(logprob) for label, logprob in answer.tokens[0].top}
            told = {label: max(share, 1e-9) for label, share in found.probabilities[0].items()}
            assert shares == pytest.approx(told, abs=1e-6)
        elif kind == "subset":
            assert sorted(chosen) == sorted(part for part in answer.text.split(",") if part)
        assert all((reason.against is None) == (kind != "choice") for reason in found.reasons)


def test_the_words_of_the_topic_count_most(linear: dict[str, Linear]) -> None:
    text = "Hello, what is the two-factor code for my LOGIN"
    [found] = linear["choice"].explain([record(text, "")[:-1]])
    [reason] = found.reasons
    assert reason.label == "login"
    content = record(text, "")[-2]["content"]
    ranked = sorted(reason.words, key=lambda word: -word.weight)
    assert {content[word.start : word.end] for word in ranked[:4]} <= {"two", "-", "factor", "code", "LOGIN"}


def test_where_no_label_holds_the_likeliest_is_explained(tmp_path: Path) -> None:
    records = several(none="none")
    run = Linear.fit(records, [], AUTO, seed=1)
    list(run)
    run.save(tmp_path / "model")
    model = Linear.load(tmp_path / "model")
    none = next(row for row in records if model.answer([row[:-1]])[0].text == "none")
    [found] = model.explain([none[:-1]])
    assert [reason.chosen for reason in found.reasons] == [False]
    likeliest = max(found.probabilities[0], key=lambda label: found.probabilities[0][label])
    assert (found.reasons[0].label, found.reasons[0].score < 0) == (likeliest, True)


def test_each_feature_is_divided_among_its_places() -> None:
    """A pair halves between its words; a piece goes to the characters it covers, the word twice to both."""
    vocabulary = Vocabulary(["red", "red car"], [" ca", "ar "])
    text = "Red car, red"
    numbers, _ = vocabulary.features(text)
    # "ar " is no piece of "car,": the token ends with the comma.
    assert numbers.tolist() == [0, 1, 2]
    shares = word_shares(vocabulary, text, numbers, np.array([[4.0], [1.0], [0.2]]))
    found = {span: float(share[0]) for span, share in shares.items() if abs(share[0]) > 1e-9}
    assert found == pytest.approx({(0, 3): 2.5, (4, 7): 0.7, (9, 12): 2.0})


def test_a_script_without_spaces_is_cut_where_its_characters_change_sides() -> None:
    vocabulary = Vocabulary([], ["退款", "快递"])
    text = "我要退款不要快递"
    numbers, _ = vocabulary.features(text)
    shares = word_shares(vocabulary, text, numbers, np.array([[2.0], [-1.0]]))
    found = {text[start:end]: float(share[0]) for (start, end), share in shares.items()}
    assert found == pytest.approx({"我要": 0.0, "退款": 2.0, "不要": 0.0, "快递": -1.0})


def test_lower_case_that_is_longer_moves_nothing(linear: dict[str, Linear]) -> None:
    text = "İİİ my transfer İ"
    [found] = linear["choice"].explain([[{"role": "user", "content": text}]])
    words = {text[word.start : word.end] for word in found.reasons[0].words}
    assert "transfer" in words
    assert words <= {"İ", "İİİ", "my", "transfer"} | set(text.split())


def test_messages_that_vary_are_told_apart(tmp_path: Path) -> None:
    records: list[Record] = [
        [
            {"role": "system", "content": f"Shop {number}"},
            {"role": "user", "content": f"{label} please"},
            {"role": "assistant", "content": label},
        ]
        for number, label in enumerate(["refund", "parcel"] * 30)
    ]
    run = Linear.fit(records, [], AUTO, seed=1)
    list(run)
    run.save(tmp_path / "model")
    [found] = Linear.load(tmp_path / "model").explain([records[0][:-1]])
    best = max(found.reasons[0].words, key=lambda word: word.weight)
    assert (best.message, best.start, best.end) == (1, 0, 6)
