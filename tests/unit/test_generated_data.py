"""The example data: made by its script to the byte, shaped as promised, learnable but not trivially so."""

from __future__ import annotations

import csv
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[2] / "data"
LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture(scope="module")
def inquiries() -> list[dict[str, str]]:
    return rows("customer_inquiries.csv")


@pytest.fixture(scope="module")
def comments() -> list[dict[str, str]]:
    return rows("comments.csv")


def generate(folder: Path, *args: str, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(folder / "generate.py"), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA, tmp_path / "data", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize("hash_seed", [0, 1])
def test_the_files_are_what_the_script_makes(hash_seed: int) -> None:
    run = generate(DATA, "--check", hash_seed=hash_seed)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_check_names_the_file_that_differs_and_a_plain_run_restores_it(copy: Path) -> None:
    file = copy / "comments.csv"
    file.write_bytes(file.read_bytes().replace(b",0,0,0,0,0,0\n", b",1,0,0,0,0,0\n", 1))
    (copy / "customer_inquiries.csv").unlink()
    run = generate(copy, "--check")
    assert run.returncode == 1
    assert str(file) in run.stderr
    assert "customer_inquiries.csv" in run.stderr
    assert generate(copy).returncode == 0
    for name in ("comments.csv", "customer_inquiries.csv"):
        assert (copy / name).read_bytes() == (DATA / name).read_bytes()


def test_inquiries_are_spread_evenly(inquiries: list[dict[str, str]]) -> None:
    assert list(inquiries[0]) == ["inquiry", "category", "sub_category"]
    assert len(inquiries) == 500
    children = defaultdict(set)
    for row in inquiries:
        children[row["category"]].add(row["sub_category"])
    assert len(children) >= 5
    assert all(len(subs) >= 3 for subs in children.values())
    assert len(set().union(*children.values())) == sum(map(len, children.values())), (
        "a sub-category has one parent"
    )
    assert set(Counter(row["category"] for row in inquiries).values()) == {500 // len(children)}
    assert set(Counter(row["sub_category"] for row in inquiries).values()) == {25}


def test_neighbouring_inquiries_are_about_different_things(inquiries: list[dict[str, str]]) -> None:
    same = sum(a["category"] == b["category"] for a, b in pairwise(inquiries))
    assert same < 150, "the file is shuffled: one in five by chance"


def test_comments_have_the_columns_and_overlaps_of_the_tutorial(comments: list[dict[str, str]]) -> None:
    assert list(comments[0]) == ["id", "comment_text", *LABELS]
    assert len(comments) == 3000
    assert all(row[label] in {"0", "1"} for row in comments for label in LABELS)
    count = Counter(label for row in comments for label in LABELS if row[label] == "1")
    assert min(count.values()) >= 60
    assert max(count, key=lambda label: count[label]) == "toxic"
    clean = sum(all(row[label] == "0" for label in LABELS) for row in comments)
    assert 0.80 <= clean / len(comments) <= 0.88
    assert all(row["toxic"] == "1" for row in comments if row["severe_toxic"] == "1")
    both = sum(row["obscene"] == row["insult"] == "1" for row in comments)
    assert 50 < both < min(count["obscene"], count["insult"])


def test_comment_ids_are_unique_16_digit_hex(comments: list[dict[str, str]]) -> None:
    ids = [row["id"] for row in comments]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{16}", name) for name in ids)


@pytest.mark.parametrize(
    ("name", "column"), [("customer_inquiries.csv", "inquiry"), ("comments.csv", "comment_text")]
)
def test_texts_are_unique_clean_and_free_of_addresses(name: str, column: str) -> None:
    texts = [row[column] for row in rows(name)]
    assert len({re.sub(r"[\W_]+", " ", text.casefold()).strip() for text in texts}) == len(texts)
    for text in texts:
        assert text == text.strip()
        assert not re.search(r"\w@\w|https?:|www\.", text), text
        assert not re.search(r"[{}\[\]~¶]", text), f"left over from the grammar: {text}"


def test_comments_exercise_the_csv_reader(comments: list[dict[str, str]]) -> None:
    texts = [row["comment_text"] for row in comments]
    for wanted in (r"\n", r"\n\n", '"', ",", "[é-ü]", "[\U0001f300-\U0001faff]"):
        assert sum(bool(re.search(wanted, text)) for text in texts) > 30, wanted


@pytest.fixture(scope="module")
def difficulty() -> dict[str, Any]:
    return runpy.run_path(str(DATA / "difficulty.py"))


def test_inquiries_are_learnable_but_not_trivial(difficulty: dict[str, Any]) -> None:
    accuracy = [difficulty["inquiries_accuracy"](seed) for seed in range(3)]
    assert 0.78 < sum(accuracy) / 3 < 0.94
    assert max(accuracy) < 1


@pytest.mark.slow
def test_comments_are_learnable_but_not_trivial(difficulty: dict[str, Any]) -> None:
    scores = difficulty["comments_f1"](0)
    assert 0.6 < scores["macro_f1"] < 0.87
    assert all(0.4 < score < 0.97 for score in scores.values()), scores
