"""Sets of labels: how many hold is counted, and every figure is that of the same distribution over sets."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.local.engines.common.answers import Head, ListFormat, Verdict
from labeltune.local.engines.common.calibration import decisions
from labeltune.local.engines.common.deciding import Speaker
from labeltune.local.engines.common.formats import read_format
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.common.subsets import Counts, fit_subset
from labeltune.prediction.confidence import answer_confidence
from unit.local.engine_records import calibration_error

if TYPE_CHECKING:
    from labeltune.local.engines import Answer
    from labeltune.local.engines.common.answers import AnswerFormat

LABELS = tuple("abcd")
COUNTS = [Counts(), Counts(0.2, 5.0), Counts(3.0, 0.1), Counts(1e-4, 1.5)]


def listed(labels: tuple[str, ...] = LABELS, *, at_least_one: bool = False) -> ListFormat:
    return ListFormat.of(labels, separator=",", none="none", at_least_one=at_least_one)


def array() -> AnswerFormat:
    sets = [json.dumps({"labels": list(labels)}) for labels in (*LABELS, "abcd", "", "bd", "ac")]
    return read_format(sets * 5)


def sets_of(z: Any, counts: Counts) -> dict[tuple[int, ...], float]:
    """The probability of each set, by its definition."""
    p = 1 / (1 + np.exp(-z))
    weights = {}
    for size in range(len(z) + 1):
        for chosen in itertools.combinations(range(len(z)), size):
            held = np.isin(np.arange(len(z)), chosen)
            counted = (counts.none, counts.alone)[size] if size < 2 else 1.0
            weights[chosen] = counted * float(np.where(held, p, 1 - p).prod())
    total = sum(weights.values())
    return {chosen: weight / total for chosen, weight in weights.items()}


@pytest.mark.parametrize("counts", COUNTS)
def test_a_labels_probability_is_that_of_all_sets_with_it(counts: Counts) -> None:
    z = np.random.default_rng(0).normal(0, 2, (20, 4))
    independent, found = counts.probabilities(z)
    assert independent == pytest.approx(1 / (1 + np.exp(-z)))
    for row, of_row in zip(z, found, strict=True):
        sets = sets_of(row, counts)
        for label, p in enumerate(of_row):
            assert p == pytest.approx(sum(share for chosen, share in sets.items() if label in chosen))


def test_scores_without_end_have_probabilities() -> None:
    for counts in COUNTS:
        for z in (np.full((1, 4), 1e4), np.full((1, 4), -1e4), np.array([[1e4, -1e4, -1e4, 0.0]])):
            _, p = counts.probabilities(z)
            assert ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize(
    "made", [listed(), listed(at_least_one=True), array()], ids=["list", "some", "array"]
)
def test_the_tokens_of_a_list_multiply_to_the_probability_of_its_set(made: Any, counts: Counts) -> None:
    (head,) = made.heads
    assert head.labels == (LABELS if isinstance(made, ListFormat) else tuple(map(json.dumps, LABELS)))
    z = np.random.default_rng(1).normal(0, 2, (1, 4))
    independent, p = counts.probabilities(z)
    sets = sets_of(z[0], counts)
    if head.at_least_one:
        empty = sets.pop(())
        sets = {chosen: share / (1 - empty) for chosen, share in sets.items()}
    for chosen, share in sets.items():
        verdict = Verdict(np.array(chosen, dtype=np.intp), p[0], independent[0], counts)
        answer = made.answer([verdict], 9)
        assert np.exp(sum(token.logprob for token in answer.tokens)) == pytest.approx(share)
        assert answer_confidence(reply_with(answer)) == pytest.approx(share)
        # The last label of a list has its end, too, and what else follows that label is no alternative to it.
        for token in answer.tokens[: -1 if isinstance(made, ListFormat) and chosen else None]:
            assert sum(np.exp(logprob) for _, logprob in token.top) == pytest.approx(1)


def reply_with(answer: Answer) -> dict[str, Any]:
    """The choice of a reply of chat completions."""
    listed_tokens = [{"token": token.token, "logprob": token.logprob} for token in answer.tokens]
    return {"message": {"content": answer.text}, "logprobs": {"content": listed_tokens}}


def mostly_one(n: int, *, seed: int) -> tuple[Any, Any]:
    """Scores as a model of independent labels has them, and labels of which one holds, seldom two."""
    rng = np.random.default_rng(seed)
    labels = 6
    truth = rng.normal(0, 2, (n, labels))
    share = np.exp(truth) / np.exp(truth).sum(axis=1, keepdims=True)
    holds = (rng.random((n, 1)) < share.cumsum(axis=1)).cumsum(axis=1) == 1
    holds |= rng.random((n, labels)) < 0.02
    return np.log(share / (1 - share)) + rng.normal(0, 0.5, (n, labels)), holds


def test_where_mostly_one_label_holds_confidences_of_answers_can_be_believed() -> None:
    made = listed(tuple("abcdef"), at_least_one=True)
    z, y = mostly_one(6_000, seed=2)
    told = Layout(made.heads)

    def error(decided: Any) -> float:
        answers = Speaker(made, decided).answers(unseen, 0)
        named = [[label in answer.text.split(",") for label in "abcdef"] for answer in answers]
        right = (np.array(named) == truth).all(axis=1)
        sure = np.exp([sum(token.logprob for token in answer.tokens) for answer in answers])
        return calibration_error(sure, right)

    unseen, truth = mostly_one(6_000, seed=3)
    apart, together = (error(decisions(told, z, y, together=both)) for both in (False, True))
    assert together < 0.04
    assert together < apart / 2


def test_labels_that_are_independent_stay_so() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(-1, 1.5, (20_000, 5))
    y = rng.random(z.shape) < 1 / (1 + np.exp(-z))
    found = fit_subset(z, y)
    assert np.abs(np.log([found["none"], found["alone"]])).max() < 0.3
    _, p = Counts.of(found).probabilities(found["slope"] * z + found["offset"])
    assert np.abs(p - 1 / (1 + np.exp(-z))).max() < 0.03


def test_a_label_gets_a_slope_of_its_own_if_it_has_many_examples() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(-1, 1.5, (20_000, 5))
    steep = np.array([1.0, 1.0, 1.0, 1.0, 0.5])
    y = rng.random(z.shape) < 1 / (1 + np.exp(-steep * z))
    assert fit_subset(z, y)["slope"] == pytest.approx(steep, abs=0.12)
    few = fit_subset(z[:12], y[:12])["slope"]
    assert few == pytest.approx(np.ones(5), abs=0.3)


def test_an_answer_that_may_not_be_empty_has_the_label_that_gains_most() -> None:
    decision = {"slope": [1.0, 0.5, 1.0, 1.0], "offset": [0.0, 0.1, 0.0, 0.0], "thresholds": [0.9] * 4}
    speaker = Speaker(listed(at_least_one=True), [{**decision, "none": 0.01, "alone": 2.0}])
    [[verdict]] = speaker.verdicts(np.array([[-3.0, -2.0, -1.0, -4.0]]))
    assert verdict.chosen.tolist() == [1]
    assert verdict.probabilities[1] == verdict.probabilities.max() < 0.9


def test_one_yes_or_no_is_no_set_to_count() -> None:
    z = np.random.default_rng(6).normal(0, 1, (200, 1))
    [decision] = decisions(Layout([Head("subset", ("a",))]), z, z > 0)
    assert "alone" not in decision
