"""tokens: exact where a vocabulary is at hand, estimated within a tenth elsewhere, and always said which."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from labeltune.errors import SettingsError
from labeltune.pricing import tokens
from labeltune.pricing.tokens import (
    Estimator,
    Tokenizer,
    auto_epochs,
    base_model,
    count_record,
    example_limit,
    token_counter,
)

SETS = [
    ("banking77/train.csv", "text", 134_504),
    ("banking77/test.csv", "text", 38_062),
    ("goemotions/train.csv", "text", 701_371),
    ("goemotions/test.csv", "text", 87_039),
    ("jigsaw_sample/train.csv", "comment_text", 26_432),
]
"""English sets with their tokens in o200k_base, as tiktoken counts them."""


def texts_of(path: Path, column: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as handle:
        return [row[column] for row in csv.DictReader(handle)]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "column", "counted"), SETS)
def test_the_estimate_is_within_a_tenth(name: str, column: str, counted: int, shared_data: Path) -> None:
    assert Estimator().total(texts_of(shared_data / name, column)) == pytest.approx(counted, rel=0.1)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "column", "counted"), [SETS[1], SETS[4]])
def test_the_counts_it_is_compared_with(name: str, column: str, counted: int, shared_data: Path) -> None:
    pytest.importorskip("toktok")
    exact = token_counter(mode="exact")
    assert isinstance(exact, Tokenizer)
    assert exact.total(texts_of(shared_data / name, column)) == counted


ENGLISH = (
    "I ordered a new card two weeks ago, and it still has not arrived. Can you tell me where it is?",
    "That's SO not fair!!! You deleted my comment in 2009 for no reason (again).",
)
COUNTED = (24, 19)
"""Their tokens in o200k_base, as tiktoken 0.14 counts them."""


def test_counts_that_were_written_down() -> None:
    assert Estimator().total(ENGLISH) == pytest.approx(sum(COUNTED), rel=0.1)


def test_the_exact_counts() -> None:
    pytest.importorskip("toktok")
    exact = token_counter(mode="exact")
    assert tuple(exact.count(text) for text in ENGLISH) == COUNTED
    assert not exact.estimated
    # Special tokens are text like any other, and long texts are counted in pieces.
    assert exact.count("<|endoftext|>") > 1
    assert exact.count(" " * 300_000) > 1
    # A lone surrogate counts as U+FFFD, a pair as its character.
    assert exact.count("a\ud800b") == exact.count("a\ufffdb")
    assert exact.count("\ud83d\ude00") == exact.count("😀")


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("word", 0.5, 2),
        ("Wo ist meine neue Karte? Ich warte seit zwei Wochen darauf.", 9, 24),
        ("Где моя новая карта? Я жду её уже две недели.", 8, 24),
        ("我的新卡在哪里?我已经等了两个星期了。", 9, 28),
        ("😀🎉", 1, 6),
        ("\ud800", 0, 10),
    ],
)
def test_estimates_of_any_text(text: str, least: float, most: float) -> None:
    assert least <= Estimator().count(text) <= most


def test_an_estimate_is_a_sum() -> None:
    parts = ["one two", "Three, four!", "5 6\n"]
    estimator = Estimator()
    assert estimator.total(parts) == pytest.approx(sum(map(estimator.count, parts)))
    long = ["many words, and more " * 5000] * 3
    assert estimator.total(long) == pytest.approx(3 * estimator.count(long[0]))


def test_a_record_has_a_frame() -> None:
    messages = [
        {"role": "user", "content": "one two"},
        {"role": "assistant", "content": "three", "name": "a"},
    ]
    estimator = Estimator()
    texts = sum(map(estimator.count, ("one two", "three", "a")))
    assert count_record(estimator, messages) == pytest.approx(3 + 2 * 4 + texts + 1)


# ------------------------------------------------------------------------------------------ which counter it is


def test_without_the_extra_it_is_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toktok", None)
    assert token_counter().estimated
    with pytest.raises(SettingsError, match="toktok-rs is not installed") as caught:
        token_counter(mode="exact")
    assert caught.value.hint is not None
    assert "pip install toktok-rs" in caught.value.hint


@pytest.mark.parametrize("model", ["mistral-7b", "linear", "Qwen/Qwen3-8B"])
def test_models_of_other_makers_are_estimated(model: str) -> None:
    assert token_counter(model).estimated
    with pytest.raises(SettingsError, match=f"the vocabulary of {model} is not known"):
        token_counter(model, mode="exact")


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        (None, "o200k_base"),
        ("gpt-4.1-mini-2025-04-14", "o200k_base"),
        ("ft:gpt-4o-mini-2024-07-18:me::abc", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("mistral", None),
    ],
)
def test_the_vocabulary_of_a_model(model: str | None, encoding: str | None) -> None:
    assert tokens._encoding_name(model) == encoding


def test_names_and_limits() -> None:
    assert base_model("ft:gpt-4.1-2025-04-14:org::id") == "gpt-4.1"
    assert base_model("gpt-4o") == "gpt-4o"
    assert example_limit("ft:gpt-3.5-turbo-0125:org::id") == 16_385
    assert example_limit("gpt-4.1") == example_limit(None) == 65_536
    assert example_limit("linear") is example_limit("llm:small#rank=8") is None


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [
        (1, 25),
        (4, 25),
        (10, 10),
        (33, 3),
        (34, 3),
        (100, 3),
        (8333, 3),
        (8334, 2),
        (12_500, 2),
        (25_001, 1),
        (10**6, 1),
    ],
)
def test_epochs_by_the_rule(examples: int, epochs: int) -> None:
    assert auto_epochs(examples) == epochs
