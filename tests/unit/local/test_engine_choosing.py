"""Hyperparameters that are left to the engine are found by cross-validation."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from labeltune.local.engines import Hyperparameters
from labeltune.local.engines.common.answers import Head
from labeltune.local.engines.common.calibration import calibrated_loss
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.linear.choosing import EPOCHS, choose
from labeltune.local.engines.linear.engine import Linear
from labeltune.local.engines.linear.fitting import Examples, Fitting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.local.engines import Record

LABELS = ("fruit", "tool", "beast")
WORDS = {"fruit": ("apple", "pear", "plum"), "tool": ("saw", "rasp", "awl"), "beast": ("ox", "hen", "elk")}
SUBSET, CHOICE = Layout([Head("subset", LABELS)]), Layout([Head("choice", LABELS)])


def examples(n: int, *, noise: float = 0.0, seed: int = 0) -> Examples:
    """Texts of one to three words, each label holding if one of its words is there, or by chance."""
    rng = random.Random(seed)
    texts, targets = [], []
    for _ in range(n):
        named = [label for label in LABELS if rng.random() < 0.4]
        words = [rng.choice(WORDS[label]) for label in named] + [f"filler{rng.randrange(400)}"]
        rng.shuffle(words)
        texts.append(" ".join(words))
        targets.append([(label in named) != (rng.random() < noise) for label in LABELS])
    return Examples(texts, np.array(targets))


def chosen(data: Examples, layout: Layout = SUBSET, **given: Any) -> tuple[int, float]:
    asked = {"epochs": None, "multiplier": None, **given}
    return choose(layout, data, hints=None, balanced=False, size=16, seed=1, **asked)


def test_clear_labels_are_learnt_more_strongly_than_noisy_ones() -> None:
    clear, noisy = examples(300), examples(300, noise=0.3)
    assert chosen(clear)[1] > 1 > chosen(noisy)[1]


def loss_of(data: Examples, multiplier: float) -> float:
    fitting = Fitting(SUBSET, data, hints=None, balanced=False, folds=3, size=16, seed=5)
    optimiser = fitting.optimiser(multiplier)
    for epoch in range(5):
        for number in fitting.order(epoch).tolist():
            optimiser.step(fitting.batches[number])
    scores = fitting.held_out(optimiser).astype(np.float64)
    return calibrated_loss(SUBSET, scores, fitting.targets[: fitting.n])


@pytest.mark.parametrize("noise", [0.0, 0.3], ids=["clear", "noisy"])
def test_what_is_chosen_serves_other_examples_better_than_the_usual(noise: float) -> None:
    _, multiplier = chosen(examples(300, noise=noise))
    other = examples(600, noise=noise, seed=9)
    assert loss_of(other, multiplier) < loss_of(other, 1.0)


def test_what_is_given_is_kept_and_the_choice_is_the_same_every_time() -> None:
    data = examples(200)
    assert chosen(data, epochs=4, multiplier=0.7) == (4, 0.7)
    assert chosen(data, epochs=4)[0] == 4
    assert chosen(data, multiplier=0.7)[1] == 0.7
    assert chosen(data) == chosen(data)
    assert 1 <= chosen(data)[0] <= EPOCHS


def test_of_few_examples_nothing_is_concluded() -> None:
    assert chosen(examples(59)) == (EPOCHS, 1.0)


def records(data: Examples) -> Sequence[Record]:
    answers = [
        ",".join(label for label, holds in zip(LABELS, row, strict=True) if holds) for row in data.targets
    ]
    return [
        [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        for text, answer in zip(data.texts, answers, strict=True)
    ]


def test_a_training_that_goes_on_keeps_its_choice(tmp_path: Path) -> None:
    """What was chosen is read from the folder, not found anew, and the bytes are as if it had never stopped."""
    data = records(examples(120))
    first = Linear.fit(data, [], Hyperparameters(), seed=1)
    list(islice(iter(first), 3))
    first.save(tmp_path / "half")
    second = Linear.fit(data, [], Hyperparameters(), seed=1, resume=tmp_path / "half")
    assert second.hyperparameters == first.hyperparameters
    for number, run in enumerate((first, second)):
        list(run)
        run.save(tmp_path / str(number))
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("0", "1")]
    assert contents[0] == contents[1]
