"""The confidence from which answers are promised to be right: how often the promise is kept on new rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from labeltune.evaluation.metrics.promise import choose_promise, fewest_rows

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

PROCESSES: dict[str, tuple[Draw, Callable[[Floats], Floats]]] = {
    "calibrated": (lambda source, n: source.beta(4, 0.8, n), lambda sure: sure),
    "overconfident": (lambda source, n: source.beta(8, 0.5, n), lambda sure: sure**3),
    "says nothing, falls just short": (lambda source, n: source.random(n), lambda sure: 0 * sure + 0.949),
    "better where unsure": (lambda source, n: source.random(n), lambda sure: 0.98 - 0.1 * sure),
    "four values": (lambda source, n: source.choice([0.5, 0.7, 0.9, 0.99], n), lambda sure: sure),
}
SETS = 200
MOST_BROKEN = 21
"""Of 200 sets 5 % are 10; more than these are one chance in a thousand (binomial)."""


@cache
def many_rows(process: str) -> tuple[Floats, Floats]:
    """Confidences, the highest first, and the accuracy of the rows down to each."""
    draw, accuracy = PROCESSES[process]
    sure = np.sort(draw(np.random.default_rng(9), 200_000))[::-1]
    return sure, np.cumsum(accuracy(sure)) / np.arange(1, len(sure) + 1)


def true_accuracy(process: str, below: float) -> float:
    sure, accuracy = many_rows(process)
    kept = int((sure >= below).sum())
    return float(accuracy[kept - 1]) if kept else 1.0


@pytest.mark.parametrize(
    ("process", "rows"),
    [*((name, 150) for name in PROCESSES), *((name, 600) for name in list(PROCESSES)[:4])],
)
def test_the_promise_is_kept_as_often_as_is_said(process: str, rows: int) -> None:
    draw, accuracy = PROCESSES[process]
    source = np.random.default_rng(3)
    broken = 0
    for _ in range(SETS):
        sure = draw(source, rows)
        promise = choose_promise(sure, source.random(rows) < accuracy(sure), accuracy=0.95)
        broken += promise is not None and true_accuracy(process, promise.below) < 0.95
    assert broken <= MOST_BROKEN


def test_the_measured_share_alone_would_break_it() -> None:
    """What the test above is for: taking the lowest limit whose rows are right often enough does not do."""
    draw, accuracy = PROCESSES["overconfident"]
    source = np.random.default_rng(3)
    broken = 0
    for _ in range(SETS):
        sure = np.sort(draw(source, 300))[::-1]
        shares = np.cumsum(source.random(300) < accuracy(sure)) / np.arange(1, 301)
        good = np.flatnonzero(shares >= 0.95)
        broken += good.size > 0 and true_accuracy("overconfident", float(sure[good[-1]])) < 0.95
    assert broken > SETS / 3


def test_it_finds_most_of_what_there_is() -> None:
    """Overconfident answers of which 66 % could be kept with 95 % right, if the process were known."""
    draw, accuracy = PROCESSES["overconfident"]
    source = np.random.default_rng(5)
    kept = []
    for _ in range(50):
        sure = draw(source, 1000)
        promise = choose_promise(sure, source.random(1000) < accuracy(sure), accuracy=0.95)
        kept.append(0.0 if promise is None else promise.coverage)
    assert np.mean(kept) > 0.45


def test_the_limit_stands_between_rows() -> None:
    sure = np.append(np.full(200, 0.9), np.full(100, 0.4))
    right = np.append(np.ones(200, dtype=np.bool_), np.zeros(100, dtype=np.bool_))
    promise = choose_promise(sure, right, accuracy=0.95)
    assert promise is not None
    assert (promise.below, promise.sure, promise.right, promise.rows) == (0.65, 200, 200, 300)
    assert promise.coverage == pytest.approx(2 / 3)
    assert promise.interval.high == 1.0


def test_rows_without_a_confidence_are_never_sure() -> None:
    sure = np.append(np.full(200, 0.9), np.full(50, np.nan))
    promise = choose_promise(sure, np.append(np.ones(200), np.zeros(50)) > 0, accuracy=0.95)
    assert promise is not None
    assert (promise.sure, promise.rows) == (200, 250)


@pytest.mark.parametrize(("accuracy", "rows"), [(0.95, 59), (0.9, 29), (0.99, 299)])
def test_few_rows_promise_nothing(accuracy: float, rows: int) -> None:
    """0.95 to the 59th is the first power below 0.05."""
    assert fewest_rows(accuracy) == rows
    assert accuracy**rows <= 0.05 < accuracy ** (rows - 1)
    sure = np.linspace(0.5, 1, rows - 1)
    assert choose_promise(sure, np.ones(rows - 1, dtype=np.bool_), accuracy=accuracy) is None
    assert choose_promise(np.append(sure, 1), np.ones(rows, dtype=np.bool_), accuracy=accuracy) is not None


def test_the_order_of_rows_changes_nothing() -> None:
    source = np.random.default_rng(1)
    sure = source.beta(8, 0.5, 500)
    right = source.random(500) < sure
    order = source.permutation(500)
    assert choose_promise(sure, right, accuracy=0.9) == choose_promise(
        sure[order], right[order], accuracy=0.9
    )


@pytest.mark.parametrize("rows", [59, 62, 80, 93])
def test_few_rows_get_no_more_false_promises_than_many(rows: int) -> None:
    """There many files have the very same chance: taken as passing together, they were one in ten."""
    generator, files = np.random.default_rng(5), 1_000
    confidence = np.linspace(1.0, 0.1, rows)
    kept = sum(
        choose_promise(confidence, generator.random(rows) < 0.95, accuracy=0.95) is not None
        for _ in range(files)
    )
    # Three standard deviations of a count of so many with the probability 0.05.
    assert kept <= 0.05 * files + 3 * (files * 0.05 * 0.95) ** 0.5
