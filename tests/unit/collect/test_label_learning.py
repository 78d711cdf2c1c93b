"""What is learnt from answers: margins, suggestions, and figures on rows that were not learnt from."""

from __future__ import annotations

import random

import numpy as np
import pytest

from label_server import MULTI, NESTED, SINGLE
from labeltune.collect.label.learning import LEAST_RANDOM, encoded, learnt_task, measure, rank, train
from labeltune.collect.label.ranking import margin_of
from labeltune.errors import TrainingRefusedError
from labeltune.local.engines import Base
from labeltune.task import Task, parse_task

LINEAR = Base("linear")
HINTS = {"joy": "happy glad", "anger": "furious cross", "fear": "scared afraid", "sadness": "lonely sad"}


def texts(count: int, *, noise: float = 0.0, seed: int = 1) -> tuple[list[list[dict[str, str]]], list[str]]:
    """Conversations, and the labels that their words tell; `noise` of them another one."""
    source = random.Random(seed)
    conversations, labels = [], []
    for number in range(count):
        label = source.choice(list(HINTS))
        words = source.choice(HINTS[label].split())
        filler = " ".join(source.choices(["we", "went", "home", "today", "and", "then", "again"], k=6))
        conversations.append([{"role": "user", "content": f"{filler} {words} {number}"}])
        labels.append(source.choice(list(HINTS)) if source.random() < noise else label)
    return conversations, labels


def test_suggestions_and_margins_of_unseen_rows() -> None:
    task = learnt_task(parse_task(SINGLE))
    conversations, labels = texts(200)
    model = train(LINEAR, conversations, labels)
    unseen, truth = texts(100, seed=2)
    unseen.append([{"role": "user", "content": "happy furious"}])
    judged = list(rank(task, model, unseen))
    assert [found for found, _ in judged[:100]] == [((label,),) for label in truth]
    margins = [margin for _, margin in judged]
    assert all(0 <= margin <= 1 for margin in margins)
    assert margins[100] < np.median(margins[:100])


def test_every_probability_is_told_of_several_labels_and_of_paths() -> None:
    for text, labels in (
        (MULTI, [(("tax",),), ((),), (("health", "sport"),)]),
        (NESTED, [(("card",), ("lost",)), (("card",), ("late",)), (("loan",), ("rate",))]),
    ):
        task = learnt_task(parse_task(text))
        chosen = [labels[n % 3] for n in range(90)]
        words = {found: f"word{n} sign{n}" for n, found in enumerate(labels)}
        conversations = [
            [{"role": "user", "content": f"{words[found]} {n}"}] for n, found in enumerate(chosen)
        ]
        model = train(LINEAR, conversations, [encoded(task, found) for found in chosen])
        judged = list(rank(task, model, conversations))
        assert [found for found, _ in judged] == chosen
        assert not any(np.isnan(margin) for _, margin in judged)


def test_what_is_easy_is_measured_as_right_and_noise_as_wrong() -> None:
    conversations, labels = texts(200)
    easy = measure(LINEAR, conversations, labels, [False] * 200)
    assert (easy.labels, easy.rows, easy.random) == (200, 200, False)
    assert easy.right > 190
    source = random.Random(3)
    noise = measure(LINEAR, conversations, [source.choice(list(HINTS)) for _ in labels], [False] * 200)
    assert noise.low < 0.25 < noise.high


def test_it_is_measured_on_the_random_rows_once_there_are_enough() -> None:
    """Those that are not random are all mislabelled here: they count in nothing but the gain."""
    conversations, labels = texts(150)
    drawn = [number < LEAST_RANDOM for number in range(150)]
    few = measure(LINEAR, conversations, labels, [False, *drawn[1:]])
    many = measure(LINEAR, conversations, labels, drawn)
    assert (few.random, few.rows) == (False, 150)
    assert (many.random, many.rows) == (True, LEAST_RANDOM)
    assert many.low < many.right / many.rows <= many.high


def test_more_rows_pay_until_they_do_not() -> None:
    few, many = texts(40), texts(600)
    assert measure(LINEAR, *few, [True] * 40).pays
    at_the_end = measure(LINEAR, *many, [True] * 600)
    assert not at_the_end.pays
    assert at_the_end.gain <= at_the_end.most < 0.02


def test_nothing_to_learn_from_is_told() -> None:
    conversations, _ = texts(20)
    with pytest.raises(TrainingRefusedError, match="all 20 examples have the same answer"):
        train(LINEAR, conversations, ["joy"] * 20)
    # A fold without another label has nothing to learn from either: what it says is the commonest answer.
    measured = measure(LINEAR, conversations, ["joy"] * 20, [True] * 20)
    assert measured.right == 20


@pytest.fixture
def single() -> Task:
    return parse_task(SINGLE)


def test_margin_of_a_single_field(single: Task) -> None:
    assert margin_of(single, [0.5, 0.3, 0.2, 0.0], None) == pytest.approx(0.2)
    assert margin_of(single, [None] * 4, 0.9) == pytest.approx(0.8)
    assert np.isnan(margin_of(single, [None] * 4, None))


def test_margin_of_several_labels_and_fields() -> None:
    assert margin_of(parse_task(MULTI), [0.9, 0.45, 0.0], None) == pytest.approx(0.1)
    assert margin_of(parse_task(NESTED), [0.9, 0.1, 0.4, 0.35, 0.25], None) == pytest.approx(0.05)
