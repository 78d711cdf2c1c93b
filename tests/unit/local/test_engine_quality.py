"""What `linear` reaches on real data, where it is at hand."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from labeltune.local.engines import Hyperparameters
from labeltune.local.engines.linear.engine import Linear

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Record

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def _read(path: Path) -> list[Record]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [
            [
                {"role": "system", "content": "Classify the text."},
                {"role": "user", "content": row["text"]},
                {"role": "assistant", "content": row["label"]},
            ]
            for row in csv.DictReader(lines)
        ]


def test_ten_examples_per_class_of_banking77(shared_data: Path, tmp_path: Path) -> None:
    """Better than the best plain baseline, 0.760; and its probabilities can be believed."""
    folder = shared_data / "banking77"
    run = Linear.fit(_read(folder / "train_10.csv"), [], Hyperparameters(), seed=42)
    list(run)
    run.save(tmp_path)
    test = _read(folder / "test.csv")
    answers = Linear.load(tmp_path).answer([record[:-1] for record in test])
    right = np.array([a.text == row[-1]["content"] for a, row in zip(answers, test, strict=True)])
    assert right.mean() >= 0.765
    sure = np.exp([answer.tokens[0].logprob for answer in answers])
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = np.bincount(bins, sure - right, minlength=15)
    assert np.abs(gaps).sum() / len(right) <= 0.03
