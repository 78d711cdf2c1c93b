"""The estimator, held to scikit-learn's conventions as far as texts allow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from labeltune.sklearn import TextClassifier
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ("refund", "delivery", "login")
TEXTS = [f"{row}: a question about the {WORDS[row % 3]}" for row in range(48)]
LABELS = np.array([WORDS[row % 3].upper() for row in range(48)])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    stop_worker(Path(os.environ["LABELTUNE_HOME"]))


def test_labels_in_labels_out() -> None:
    model = TextClassifier()
    assert model.fit(TEXTS, LABELS) is model
    assert model.classes_.tolist() == ["DELIVERY", "LOGIN", "REFUND"]
    assert model.predict(["about the refund", "the login"]).tolist() == ["REFUND", "LOGIN"]
    shares = model.predict_proba(["about the refund", "", "the login"])
    assert shares.shape == (3, 3)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0].argmax() == 2
    assert shares[1] == pytest.approx(1 / 3)
    assert model.score(TEXTS, LABELS) == 1.0


@pytest.mark.parametrize(
    "labels", [np.arange(48) % 3 == 0, np.arange(48) % 3 - 7, [WORDS[n % 2] for n in range(48)]]
)
def test_a_class_may_be_any_value(labels: Any) -> None:
    texts = [
        f"{n}: about {'abc'[n % 3]}{'xy'[n % 2]} {'abc'[n % 3] * 4} {'xy'[n % 2] * 4}" for n in range(48)
    ]
    model = TextClassifier().fit(texts, labels)
    found = model.predict(texts)
    assert found.dtype == np.asarray(labels).dtype
    assert (found == np.asarray(labels)).mean() == 1.0


def test_an_indicator_matrix() -> None:
    holds = np.array([[row % 3 == 0, row % 2 == 0] for row in range(60)])
    texts = [f"{n}: {'money back ' * a}{'very slow ' * b}hello" for n, (a, b) in enumerate(holds.tolist())]
    model = TextClassifier().fit(texts, holds.astype(int))
    assert model.classes_.tolist() == [0, 1]
    assert (model.predict(texts) == holds).mean() > 0.95
    shares = model.predict_proba(["money back hello", ""])
    assert shares.shape == (2, 2)
    assert shares[0, 0] > 0.5 > shares[0, 1]
    assert model.predict([""]).tolist() == [[0, 0]]


def test_it_is_cloned_searched_and_cross_validated() -> None:
    model = TextClassifier(epochs=3)
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(model, TEXTS, LABELS, cv=2).mean() == 1.0
    search = GridSearchCV(TextClassifier(), {"epochs": [1, 2]}, cv=2).fit(TEXTS, LABELS)
    assert search.best_estimator_.predict(["the login"]).tolist() == ["LOGIN"]
    lower = make_pipeline(
        FunctionTransformer(lambda texts: [text.lower() for text in texts]), TextClassifier()
    )
    assert lower.fit(TEXTS, LABELS).predict(["THE LOGIN"]).tolist() == ["LOGIN"]


def test_the_same_again_is_the_same_model() -> None:
    assert TextClassifier().fit(TEXTS, LABELS).model_ == TextClassifier().fit(TEXTS, LABELS).model_
    assert TextClassifier(seed=1).fit(TEXTS, LABELS).model_ != TextClassifier().fit(TEXTS, LABELS).model_


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ("one text", ["a"], "not one text"),
        ([1.5] * 12, ["a", "b"] * 6, "element 0 is float"),
        ([["a", "b"]] * 12, ["a", "b"] * 6, "shape"),
        ([], [], "0 sample"),
        (["x"] * 12, ["a", "b"] * 5, "inconsistent numbers of samples"),
        ([f"x{n}" for n in range(12)], ["a"] * 12, "one class only"),
        ([f"x{n}" for n in range(12)], np.linspace(0, 1, 12), "Unknown label type"),
    ],
)
def test_what_cannot_be_learnt_from(texts: object, labels: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TextClassifier().fit(texts, labels)  # type: ignore[arg-type]


def test_it_has_to_be_fitted() -> None:
    with pytest.raises(NotFittedError):
        TextClassifier().predict(["x"])


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_mixin_order,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_s_own_checks_that_need_no_numbers(check: object) -> None:
    check("TextClassifier", TextClassifier())  # type: ignore[operator]
