"""Class weights: scikit-learn's formula, the optimum that it describes, and probabilities that stay honest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from labeltune.errors import SettingsError
from labeltune.local.engines import Base, Hyperparameters, Record, get_engine
from labeltune.local.engines.common.answers import Head as Question
from labeltune.local.engines.common.class_weight import ClassWeights
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.embed.head import ROUNDS, Head
from unit.local.engine_records import calibration_error, record, sure_and_right, trained

if TYPE_CHECKING:
    from pathlib import Path

CHOICE = Layout([Question("choice", ("a", "b", "c"))])
SUBSET = Layout([Question("subset", ("a", "b", "c"))])


def targets(layout: Layout, n: int = 300) -> Any:
    rng = np.random.default_rng(0)
    if layout is CHOICE:
        return np.eye(3, dtype=bool)[rng.choice(3, size=n, p=[0.8, 0.15, 0.05])]
    return rng.random((n, 3)) < [0.6, 0.2, 0.04]


def test_weights_are_those_of_scikit_learn() -> None:
    y = targets(CHOICE)
    found = ClassWeights.balanced(CHOICE, y)
    expected = compute_sample_weight("balanced", y.argmax(axis=1))
    np.testing.assert_allclose(found.weights, np.repeat(expected[:, None], 3, axis=1), rtol=1e-6)
    y = targets(SUBSET)
    found = ClassWeights.balanced(SUBSET, y)
    for label in range(3):
        expected = compute_sample_weight("balanced", y[:, label])
        np.testing.assert_allclose(found.weights[:, label], expected, rtol=1e-6)
        holds, lacks = expected[y[:, label]][0], expected[~y[:, label]][0]
        assert found.tilt[label] == pytest.approx(np.log(holds / lacks), rel=1e-5)


def test_a_label_that_never_occurs_or_always_does_changes_nothing() -> None:
    y = np.zeros((10, 3), dtype=bool)
    y[:, 0] = True
    for layout in (CHOICE, SUBSET):
        found = ClassWeights.balanced(layout, y)
        np.testing.assert_array_equal(found.weights, np.ones((10, 3)))
        np.testing.assert_array_equal(found.tilt, np.zeros(3))


@pytest.mark.parametrize("weight", [None, "balanced"])
@pytest.mark.parametrize("layout", [CHOICE, SUBSET], ids=["choice", "subset"])
def test_the_head_is_the_logistic_regression_of_scikit_learn(layout: Layout, weight: str | None) -> None:
    rng = np.random.default_rng(1)
    y = targets(layout)
    x = (rng.standard_normal((300, 5)) + 2 * y @ rng.standard_normal((3, 5))).astype(np.float32)
    weights = None if weight is None else ClassWeights.balanced(layout, y)
    seen = np.ones((300, 1), dtype=bool)
    head = Head(layout, x, targets=y, seen=seen, class_weights=weights, strength=1.0)
    for _ in range(3 * ROUNDS):
        head.improve(0)
    scores = head.of_vectors(x) + (0 if weights is None else weights.tilt)
    inside = (x - x.mean(axis=0)) / np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    other = LogisticRegression(C=1.0, class_weight=weight, tol=1e-8, max_iter=10_000)
    if layout is CHOICE:
        expected = other.fit(inside, y.argmax(axis=1)).predict_proba(inside)
        np.testing.assert_allclose(layout.probabilities(scores), expected, atol=2e-3)
    else:
        for label in range(3):
            expected = other.fit(inside, y[:, label]).predict_proba(inside)[:, 1]
            np.testing.assert_allclose(layout.probabilities(scores)[:, label], expected, atol=2e-3)


WORDS = {"usual": "parcel", "seldom": "broken", "rare": "stolen"}


def lopsided(n: int, seed: int, *, several: bool) -> list[Record]:
    """Three labels, two of them rare, whose words stand in other texts, too."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    for number in range(n):
        label = str(rng.choice(list(WORDS), p=[0.86, 0.1, 0.04]))
        words = [WORDS[label] if rng.random() < 0.6 else str(rng.choice(list(WORDS.values())))]
        words += [f"filler{rng.integers(40)}" for _ in range(3)]
        answer = label if not several else ",".join(sorted({"usual", label}) if number % 7 else [label])
        records.append(record(" ".join(rng.permutation(words)), answer))
    return records


@pytest.mark.parametrize("several", [False, True], ids=["choice", "subset"])
@pytest.mark.parametrize("engine", ["linear", "embed"])
def test_rare_labels_are_found_more_often_and_probabilities_stay_honest(
    engine: str, several: bool, tmp_path: Path
) -> None:
    training = lopsided(1_200, 0, several=several)
    test = lopsided(3_000, 1, several=several)
    kind = get_engine(engine)
    rare = np.array(["rare" in row[-1]["content"].split(",") for row in test])
    recall, error = {}, {}
    for word in ("none", "balanced"):
        base = Base(engine, options={"class_weight": word})
        run = kind.fit(training, [], Hyperparameters(), base=base, seed=1)
        model, _ = trained(kind, run, tmp_path / word)
        answers = model.answer([row[:-1] for row in test])
        named = np.array(["rare" in answer.text.split(",") for answer in answers])
        recall[word] = named[rare].mean()
        error[word] = calibration_error(*sure_and_right(model, test))
    # Thresholds tuned for F1 find much of what is rare without them.
    assert recall["balanced"] > recall["none"] + (0.0 if several else 0.05)
    # No more than what chance alone makes of 3,000 rows: twice a standard error.
    assert error["balanced"] <= error["none"] + 0.02


@pytest.mark.parametrize("engine", ["linear", "embed"])
def test_another_word_is_refused(engine: str) -> None:
    with pytest.raises(SettingsError, match="class_weight=heavy: expected balanced or none"):
        get_engine(engine).check(Base(engine, options={"class_weight": "heavy"}))
