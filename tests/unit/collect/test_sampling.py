"""The sheet for people is a plain random sample, in the order of the table."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from labeltune.collect.sampling import Sample
from tasks import INQUIRY, INTENT


def drawn(path: Path, size: int, rows: int, seed: int) -> list[str]:
    sample = Sample(INTENT, ["text", "label"], size, seed=seed)
    for number in range(rows):
        sample.offer([str(number), "card_arrival"])
    if sample.write(str(path)) is None:
        return []
    with path.open(newline="") as handle:
        return [row["text"] for row in csv.DictReader(handle)]


def test_every_row_is_as_likely_as_any_other(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(2000):
        found = drawn(tmp_path / "s.csv", 3, 10, seed)
        assert len(set(found)) == 3
        assert found == sorted(found)
        counts.update(found)
    # 600 of each are expected, and six standard deviations are 123.
    assert all(abs(counts[str(number)] - 600) < 123 for number in range(10)), counts


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.csv", 5, 100, 7) == drawn(tmp_path / "b.csv", 5, 100, 7)


def test_fewer_rows_than_asked_for_are_all_and_none_is_no_sheet(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.csv", 5, 3, 7) == ["0", "1", "2"]
    assert drawn(tmp_path / "b.csv", 5, 0, 7) == []
    assert not (tmp_path / "b.csv").exists()
    assert drawn(tmp_path / "c.csv", 0, 9, 7) == []


def test_several_fields_have_a_column_each(tmp_path: Path) -> None:
    sample = Sample(INQUIRY, ["inquiry", "category", "sub_category"], 1, seed=1)
    sample.offer(["where is it", "Order Management", "Tracking"])
    sample.write(str(tmp_path / "s.csv"))
    assert (
        tmp_path / "s.csv"
    ).read_text() == "inquiry,correct_category,correct_sub_category\nwhere is it,,\n"
