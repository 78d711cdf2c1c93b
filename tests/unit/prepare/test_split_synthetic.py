from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeltune.errors import DataError
from labeltune.prepare.split import SplitOptions, parse_sizes, split, split_rows
from labeltune.prepare.split.synthetic import fold_parts, is_measured, parts_apart
from labeltune.prepare.stratify import Combinations
from labeltune.task import parse_task
from tasks import intent_toml

LABELS = ("a", "b", "c")
PLAIN = parse_task(intent_toml(*LABELS))
WITH_ID = parse_task(intent_toml(*LABELS).replace('text = ["text"]', 'text = ["text"]\nid = "id"'))
SIZES = parse_sizes("train=0.7,validation=0.1,test=0.2")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*, by_line: bool = False) -> list[dict[str, str]]:
    """200 rows that people wrote and 40 that a model wrote after two of the first 60 each."""
    chance = random.Random(3)
    rows = []
    for n in range(240):
        synthetic = n >= 200
        seeds = [chance.randrange(60) for _ in range(2)] if synthetic else []
        rows.append(
            {
                "id": f"r{n}",
                "text": f"{chance.random()} {chance.random()} {n}",
                "label": chance.choice(LABELS),
                "source": "synthetic" if synthetic else "human",
                "seeds": " ".join(str(seed + 2) if by_line else f"r{seed}" for seed in seeds),
            }
        )
    with Path("t.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def part_of(parts: dict[str, list[int]]) -> dict[int, str]:
    return {row: name for name, rows in parts.items() for row in rows}


@pytest.mark.parametrize("by_line", [False, True])
def test_synthetic_rows_are_trained_on_with_their_seeds(by_line: bool) -> None:
    rows = write(by_line=by_line)
    parts = split_rows("t.csv", PLAIN if by_line else WITH_ID, SplitOptions(sizes=SIZES))
    assert {name: len(own) for name, own in parts.items()} == {"train": 168, "validation": 24, "test": 48}
    where = part_of(parts)
    for n, row in enumerate(rows[200:], 200):
        seeds = [int(seed) - 2 if by_line else int(seed[1:]) for seed in row["seeds"].split()]
        assert {where[n], *(where[seed] for seed in seeds)} == {"train"}


def test_of_several_parts_that_measure_nothing_each_has_its_share() -> None:
    rows = write()
    parts = split_rows("t.csv", WITH_ID, SplitOptions(sizes=parse_sizes("one=0.4,two=0.4,test=0.2")))
    synthetic = [sum(rows[row]["source"] == "synthetic" for row in own) for own in parts.values()]
    assert synthetic[2] == 0
    assert min(synthetic[:2]) >= 12
    where = part_of(parts)
    for n, row in enumerate(rows[200:], 200):
        assert {where[n]} == {where[int(seed[1:])] for seed in row["seeds"].split()}


def test_they_may_go_anywhere_if_that_is_said() -> None:
    rows = write()
    done = split("t.csv", WITH_ID, SplitOptions(sizes=SIZES, synthetic_anywhere=True), folder="any")
    assert done.synthetic == 40
    with Path("any/test.csv").open() as handle:
        assert any(row["source"] == "synthetic" for row in csv.DictReader(handle))
    parts = part_of(split_rows("t.csv", WITH_ID, SplitOptions(sizes=SIZES, synthetic_anywhere=True)))
    for n, row in enumerate(rows[200:], 200):  # with their seeds all the same
        assert {parts[n]} == {parts[int(seed[1:])] for seed in row["seeds"].split()}


def test_no_fold_is_measured_by_them() -> None:
    rows = write()
    parts = split_rows("t.csv", WITH_ID, SplitOptions(folds=4))
    human = {n for n, row in enumerate(rows) if row["source"] == "human"}
    measured = [set(parts[f"fold-{number}/validation"]) for number in range(1, 5)]
    assert set.union(*measured) == human
    assert sum(map(len, measured)) == 200
    for number, validation in enumerate(measured, 1):
        train = set(parts[f"fold-{number}/train"])
        assert human - validation <= train
        for n, row in enumerate(rows[200:], 200):
            seeds = {int(seed[1:]) for seed in row["seeds"].split()}
            assert (n in train) == (not seeds & validation)


def test_where_they_do_not_fit_it_is_said() -> None:
    write()
    with pytest.raises(DataError, match=r'go into "train", where 48 rows have room') as caught:
        split_rows("t.csv", WITH_ID, SplitOptions(sizes=parse_sizes("train=0.2,test=0.8")))
    assert "--synthetic-anywhere" in (caught.value.hint or "")
    with pytest.raises(DataError, match="go into none of the parts, where 0 rows have room"):
        split_rows("t.csv", WITH_ID, SplitOptions(sizes=parse_sizes("test=0.5,dev=0.5")))


def test_seeds_that_are_not_there_are_told() -> None:
    write()
    text = Path("t.csv").read_text().replace("r5,", "r5x,", 1)
    Path("t.csv").write_text(text)
    done = split("t.csv", WITH_ID, SplitOptions(sizes=SIZES), folder="out")
    lost = text.count(",r5 ") + text.count(" r5\n")
    assert lost
    assert f"{lost} seeds of synthetic rows are no rows of t.csv" in done.warnings


def test_a_source_that_says_something_else_changes_nothing() -> None:
    write()
    text = Path("t.csv").read_text().replace("synthetic", "twitter")
    Path("t.csv").write_text(text)
    options = SplitOptions(sizes=SIZES)
    first = split_rows("t.csv", WITH_ID, options)
    Path("t.csv").write_text(text.replace("source", "sauce"))
    assert split_rows("t.csv", WITH_ID, options) == first


@pytest.mark.parametrize(
    ("name", "measured"),
    [("test", True), ("Validation", True), ("dev", True), ("train", False), ("tests", False)],
)
def test_which_parts_measure(name: str, measured: bool) -> None:
    assert is_measured(name) is measured


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(8, 60),
    groups=st.integers(1, 40),
    share=st.floats(0, 0.4),
    seed=st.integers(0, 1000),
)
def test_whatever_the_groups_no_measured_part_has_one(n: int, groups: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    together = np.unique(rng.integers(0, groups, n), return_inverse=True)[1].astype(np.int64)
    synthetic = rng.random(n) < share
    synthetic[0] = True
    combinations = Combinations.of_classes(rng.integers(0, 3, n))
    sizes = {"train": n // 2, "other": n // 4, "test": n // 4}
    try:
        parts = parts_apart(combinations, sizes, synthetic, together, seed=seed, source="t")
    except DataError:
        bound = np.isin(together, together[synthetic]).sum()
        assert bound > sizes["train"] + sizes["other"]
    else:
        assert not (parts[synthetic] == 2).any()
        assert all(len(set(parts[together == group])) == 1 for group in set(together.tolist()))
    if n - synthetic.sum() >= 3:
        folds = fold_parts(combinations, 3, synthetic, together, seed=seed)
        assert ((folds >= 3) == synthetic).all()
        assert all(len(set(folds[together == group] % 3)) == 1 for group in set(together.tolist()))
