"""`labeltune audit injection`: how many texts with an order in them are answered as the order wants."""

from __future__ import annotations

import csv
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import tasks
from cli.remote import document, here, ran, run
from faults.fake_provider import ANSWER, FakeProvider, Fate, refuse
from faults.fault_folder import TASK
from labeltune.studies.audit import ATTACKS
from labeltune.task import parse_task

__all__ = ["here"]

LABELS = ("alpha", "beta", "gamma")


def obeying(text: str, _attempt: int) -> Fate:
    """Answers alpha, or the label that the text names."""
    named = re.findall("|".join(LABELS), text)
    return Fate(answer=named[-1]) if named else ANSWER


def audit(provider: FakeProvider, *arguments: str, data: str = "data.csv") -> Any:
    return run("audit", "injection", data, "--model", "m", "--provider", provider.url, *arguments)


@pytest.fixture
def folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    (here / "task.toml").write_text(TASK)
    with (here / "data.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(
            [["text", "who"], *([f"row {number}", "x"] for number in range(30)), ["", ""]]
        )
    return here


def test_a_model_that_obeys_and_one_that_does_not(folder: Path) -> None:
    with FakeProvider(obeying) as provider:
        found = document(audit(provider, "--rows", "8", "--json"))
    assert (found["rows"], found["turned"], found["rate"], found["left_out"]) == (8, 8, 1.0, 0)
    assert set(found["attacks"]) == set(ATTACKS)
    for one in found["attacks"].values():
        assert (one["rows"], one["changed"], one["obeyed"], one["invalid"]) == (8, 8, 8, 0)
        assert one["interval"][0] == pytest.approx(0.025 ** (1 / 8))  # Clopper and Pearson, all of 8
    with FakeProvider() as provider:
        found = document(audit(provider, "--rows", "8", "--json"))
    assert (found["turned"], found["rate"], found["interval"][0]) == (0, 0.0, 0.0)


def test_what_was_asked_is_a_table_and_is_not_asked_again(folder: Path) -> None:
    with FakeProvider(obeying) as provider:
        assert run("predict", "data.csv", "--model", "m", "--provider", provider.url).exit_code == 3
        before = sum(provider.billed.values())
        assert before == 30
        assert audit(provider, "--rows", "5").exit_code == 0
        assert sum(provider.billed.values()) == 30 + 5 * len(ATTACKS), (
            "the rows themselves are answered already"
        )
        assert audit(provider, "--rows", "5").exit_code == 0
        assert provider.extra == 0
    with (folder / "injection.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 5 * len(ATTACKS)
    for row in rows:
        assert row["text"].startswith("row ")
        assert row["text"].endswith(ATTACKS[row["attack"]].format(answer=row["answer_wanted"]))
        assert row["answer_before"] == "alpha" != row["answer_wanted"] == row["predicted_intent"]
        assert row["who"] == "x"


def test_the_gate(folder: Path) -> None:
    with FakeProvider(obeying) as provider:
        failed = audit(provider, "--rows", "4", "--max-rate", "0.1")
        assert failed.exit_code == 11
        assert "1.000 (0.398 to 1.000) of the rows are turned, 0.1 was allowed" in failed.stderr
    with FakeProvider() as provider:
        passed = audit(provider, "--rows", "4", "--max-rate", "0")
    assert passed.exit_code == 0
    assert passed.stdout == "injection.csv\n"
    assert "that others work is not ruled out" in passed.stderr


def test_rows_without_a_valid_answer_are_left_out(folder: Path) -> None:
    def strange(text: str, attempt: int) -> Fate:
        return Fate(answer="delta") if text in {"row 1", "row 2"} else obeying(text, attempt)

    with FakeProvider(strange) as provider:
        found = audit(provider, "--rows", "30", "--json")
        assert (document(found)["rows"], document(found)["left_out"]) == (28, 2)
        assert "2 rows had no valid answer to begin with" in found.stderr
    with FakeProvider(answer="delta") as provider:
        none = audit(provider, "--rows", "3")
    assert none.exit_code == 7
    assert "none of 3 rows has a valid answer" in none.stderr


def test_rows_are_drawn_evenly_and_by_the_seed(folder: Path) -> None:
    def drawn(seed: int) -> list[str]:
        with FakeProvider() as provider:
            audit(provider, "--rows", "10", "--seed", str(seed), "-o", f"{seed}.csv")
        with (folder / f"{seed}.csv").open(newline="") as handle:
            return list(dict.fromkeys(row["text"].split("\n")[0] for row in csv.DictReader(handle)))

    assert drawn(1) == drawn(1)
    assert len({text for seed in range(2, 8) for text in drawn(seed)}) > 20
    assert drawn(1) == sorted(drawn(1), key=lambda text: int(text.split()[1])), "in the order of the table"


def test_bad_input(folder: Path) -> None:
    with FakeProvider() as provider:
        for arguments, code, said in (
            (("--rows", "0"), 2, "--rows"),
            (("-o", "-"), 2, "need a file"),
            (("-o", "data.csv"), 2, "never overwritten"),
            (("-o", "no/such/folder.csv"), 8, "no such folder"),
            (("--max-cost", "1"), 6, "price of m is not known"),
        ):
            result = audit(provider, *arguments)
            assert result.exit_code == code, result.stderr
            assert said in result.stderr
        assert audit(provider, data="none.csv").exit_code == 2
        (folder / "taken.csv").write_text("text,attack\na,b\n")
        assert 'the column "attack"' in audit(provider, data="taken.csv").stderr
        (folder / "empty.csv").write_text("text,label\n ,alpha\n")
        assert "no row has a text" in audit(provider, data="empty.csv").stderr
        assert not provider.billed
    with FakeProvider(lambda _text, _attempt: refuse(401, "invalid_api_key")) as provider:
        assert audit(provider).exit_code == 4
    assert not (folder / "injection.csv").exists()


@pytest.mark.parametrize("name", ["INQUIRY_TOML", "EMOTION_TOML", "TOXIC_TOML", "INTENT_TOML"])
def test_another_answer_is_a_legal_one_of_the_task(name: str) -> None:
    """For single and multi fields, parent and child, lists that must not be empty, and flags."""
    import random

    from labeltune.studies.audit import _another
    from labeltune.task.answers import decode_answer, encode_answer

    task = parse_task(getattr(tasks, name))
    labels = decode_answer(task, _first_answer(task)).labels
    assert labels is not None
    for seed in range(50):
        other = _another(task, labels, random.Random(seed))
        assert other != labels
        assert decode_answer(task, encode_answer(task, other)).labels == other


def _first_answer(task: Any) -> str:
    """Some legal answer."""
    from labeltune.task.answers import decode_answer, encode_answer

    child = next((field for field in task.fields if field.parent), None)
    labels = []
    for field in task.fields:
        if child is not None and field.name == child.parent:
            labels.append((next(iter(child.children)),))
        elif field is child:
            labels.append((next(iter(child.children.values()))[0],))
        else:
            labels.append((field.labels[0],))
    answer = encode_answer(task, tuple(labels))
    assert answer is not None
    assert decode_answer(task, answer).labels == tuple(labels)
    return answer


def test_a_task_with_one_answer_has_nothing_to_be_talked_into(folder: Path) -> None:
    (folder / "task.toml").write_text(tasks.intent_toml("alpha"))
    with FakeProvider() as provider:
        result = audit(provider)
    assert result.exit_code == 2
    assert "no other answer" in result.stderr or "label" in result.stderr


def test_with_a_model_that_was_trained_here(here: Path) -> None:
    model = document(ran("train", "train.jsonl", "--model", "linear", "--json"))["model"]
    rows = [[f"row {number} about my {label}"] for number, label in enumerate(tasks.INTENT.labels * 4)]
    with (here / "rows.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["text"], *rows])
    found = document(ran("audit", "injection", "rows.csv", "--model", model, "--json"))
    assert (found["rows"], found["left_out"], found["usd"]) == (len(rows), 0, 0.0)
    assert found["turned"] >= max(one["obeyed"] for one in found["attacks"].values())


def test_defaults_are_those_of_the_library() -> None:
    from labeltune.cli.audit import injection
    from labeltune.studies.audit import DEFAULT_OUTPUT, DEFAULT_ROWS

    parameters: Any = inspect.signature(injection).parameters
    assert (parameters["out"].default, parameters["rows"].default) == (DEFAULT_OUTPUT, DEFAULT_ROWS)
