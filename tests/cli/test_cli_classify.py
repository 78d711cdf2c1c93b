"""`labeltune classify`: texts to labels, one line each."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from cli.remote import LABELS, document, here, ran, run
from labeltune.task import format_task
from waiting import HANG_S

__all__ = ["here"]


@pytest.fixture
def model(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    lines = [f"{row}: about my {LABELS[row % 3]} please,{LABELS[row % 3]}" for row in range(45)]
    Path("train.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    ran("convert", "train.csv", "-q")
    return ran("train", "train.jsonl", "--model", "linear", "-q").stdout.strip()


def test_a_line_for_each_text(model: str) -> None:
    texts = [f"about my {label}" for label in LABELS[:3]]
    lines = ran("classify", *texts, "-m", model).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(LABELS[:3])
    assert all(0.4 < float(line.split("\t")[1]) <= 1 for line in lines)


def test_it_says_what_predict_says(model: str) -> None:
    Path("rows.csv").write_text(f"text\nabout my {LABELS[1]}\n", encoding="utf-8")
    ran("predict", "rows.csv", "-m", model, "-o", "p.jsonl", "-q")
    predicted = json.loads(Path("p.jsonl").read_text(encoding="utf-8"))
    [answer] = document(ran("classify", f"about my {LABELS[1]}", "-m", model, "--json"))["answers"]
    assert answer["confidence"] == predicted["confidence"]
    assert answer["labels"] == [predicted["predicted_intent"]]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_each_line_of_standard_input_is_a_text(model: str) -> None:
    given = f"\ufeffabout my {LABELS[0]}\r\n{LABELS[2]} with \u2028 a break\n\nlast".encode()
    result = run("classify", "-m", model, stdin=given)
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines][:3] == [LABELS[0], LABELS[2], ""]
    assert len(lines) == 4
    assert "1 of 4 texts has no valid answer: empty" in result.stderr
    assert run("classify", "-m", model, stdin=b"").stdout == ""
    bad = run("classify", "-m", model, stdin=b"fine\n\xff\n")
    assert bad.exit_code == 7
    assert "standard input:2: is not UTF-8" in bad.stderr
    # As an argument such bytes arrive as surrogates.
    bad = run("classify", "fine", "a\udcffb", "-m", model)
    assert bad.exit_code == 7
    assert "text 2: has bytes that are no UTF-8" in bad.stderr


def test_candidates_with_their_probabilities(model: str) -> None:
    cells = ran("classify", f"about my {LABELS[0]}", "-m", model, "--top", "3").stdout.strip().split("\t")
    assert cells[0] == LABELS[0]
    shares = [float(cell) for cell in cells[1::2]]
    assert shares == sorted(shares, reverse=True)
    assert len(set(cells[0::2])) == 3
    [answer] = document(ran("classify", "x", "-m", model, "--top", "2", "--json"))["answers"]
    assert len(answer["candidates"]) == 2
    assert answer["candidates"][0]["labels"] in LABELS


def test_nothing_is_kept(model: str) -> None:
    before = sorted(Path(".labeltune").iterdir())
    ran("classify", "about that", "-m", model)
    assert sorted(Path(".labeltune").iterdir()) == before


def test_paths_are_candidates_with_the_probability_of_the_path(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    pairs = [("Orders", "Cancel"), ("Orders", "Change"), ("Money", "Refund")]
    lines = [f"{row} {lower} it for me,{upper},{lower}" for row in range(20) for upper, lower in pairs]
    Path("data.csv").write_text("\n".join(["text,category,kind", *lines]) + "\n", encoding="utf-8")
    ran("init", "data.csv", "--force", "-q", "--label", "category", "--label", "kind")
    ran("convert", "data.csv", "-q")
    model = ran("train", "data.jsonl", "--model", "linear", "-q").stdout.strip()
    result = ran("classify", "cancel it", "-m", model, "--top", "2")
    first, share, second, _ = result.stdout.strip().split("\t")
    assert (first, second) == ("Orders > Cancel", "Orders > Change")
    [answer] = document(ran("classify", "cancel it", "-m", model, "--json"))["answers"]
    assert answer["labels"] == ["Orders", "Cancel"]
    assert float(share) == pytest.approx(answer["confidence"], rel=1e-3)
    assert ran("classify", "cancel it", "-m", model).stdout.startswith("Orders > Cancel\t")


def test_what_cannot_be(here: Path) -> None:
    Path("task.toml").write_text(format_task(tasks.TOXIC), encoding="utf-8")
    result = run("classify", "x", "-m", "m", "--top", "2", "--provider", "local")
    assert result.exit_code == 2
    assert "--top: an answer that is a list tells nothing of the labels that it leaves out" in result.stderr
    assert run("classify", "x", "--provider", "local").exit_code == 2


def test_a_terminal_is_told_what_it_is_waited_for(model: str) -> None:
    master, slave = pty.openpty()
    os.write(master, f"about my {LABELS[1]}\n\x04".encode())
    asked = [sys.executable, "-m", "labeltune", "classify", "-m", model]
    done = subprocess.run(asked, stdin=slave, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert "a text on each line; Ctrl-D" in done.stderr
    assert done.stdout.startswith(f"{LABELS[1]}\t")
    os.close(master)
    os.close(slave)
