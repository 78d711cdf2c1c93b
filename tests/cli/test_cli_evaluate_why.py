"""`labeltune evaluate --why`: the words that decided in wrong rows."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from cli.remote import LABELS, here, ran, run
from labeltune.studies.whole_way import DEFAULT_SIZES, Way

__all__ = ["here"]


@pytest.fixture
def predicted(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Predictions of a model that was trained on some labels that are wrong; returns the model."""
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    lines = [f"{row}: about my {LABELS[row % 3]} please,{LABELS[row % 3]}" for row in range(45)]
    Path("train.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    odd = [f"{row}: about my {LABELS[row % 3]} please,{LABELS[(row + row % 2) % 3]}" for row in range(12)]
    Path("test.csv").write_text("\n".join(["text,label", *odd]) + "\n", encoding="utf-8")
    model = ran("train", "train.csv", "--model", "linear", "-q").stdout.strip()
    ran("predict", "test.csv", "-m", model, "-o", "p.csv", "-q")
    return model


def rows_of(page: str) -> list[Any]:
    content = Path(page).read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', content, re.DOTALL)
    assert found is not None
    rows: list[Any] = json.loads(found[1])["rows"]
    return rows


def test_wrong_rows_tell_the_words_that_decided(predicted: str) -> None:
    ran("evaluate", "p.csv", "--html", "r.html", "--why", "-q")
    rows = rows_of("r.html")
    assert len(rows) == 6
    for row in rows:
        words = row[8]
        assert 0 < len(words) <= 8
        word, weight = words[0]
        assert word in row[2].lower()
        assert weight > 0
        assert [abs(each[1]) for each in words] == sorted((abs(each[1]) for each in words), reverse=True)
    first = Path("r.html").read_bytes()
    ran("evaluate", "p.csv", "--html", "r.html", "--why", "-q")
    assert Path("r.html").read_bytes() == first
    ran("evaluate", "p.csv", "--html", "r.html", "-q")
    assert {len(row) for row in rows_of("r.html")} == {8}


def test_without_the_model_the_report_is_made_and_says_what_it_lacks(predicted: str) -> None:
    ran("models", "delete", predicted, "--yes", "-q")
    result = ran("evaluate", "p.csv", "--html", "r.html", "--why")
    assert "no row tells the words that decided: " in result.stderr
    assert "does not exist" in result.stderr
    assert len(rows_of("r.html")) == 6


def test_predictions_from_elsewhere_tell_nothing(predicted: str) -> None:
    shutil.rmtree(".labeltune")
    result = ran("evaluate", "p.csv", "--html", "r.html", "--why")
    assert "which model made p.csv is not known here" in result.stderr


@pytest.mark.parametrize("options", [(), ("--html", "r.html", "--no-texts")], ids=["no-page", "no-texts"])
def test_words_need_a_page_with_texts(here: Path, options: tuple[str, ...]) -> None:
    result = run("evaluate", "p.csv", "--why", *options)
    assert result.exit_code == 2
    assert "the words stand in the page" in result.stderr


@pytest.mark.parametrize(
    ("model", "shown", "asked"),
    [
        ("ft:linear:local::1a2b3c4d", (), True),
        ("ft:embed-minilm:local::1a2b3c4d", (), True),
        ("ft:linear:local::1a2b3c4d", ("--no-texts",), False),
        ("ft:encoder-small:local::1a2b3c4d", (), False),
        ("ft:gpt-4.1-mini:acme::9z", (), False),
    ],
)
def test_run_asks_for_the_words_where_the_model_knows_them(
    model: str, shown: tuple[str, ...], asked: bool
) -> None:
    way = Way("data.csv", Path("run"), Path("task.toml"), DEFAULT_SIZES, shown=shown)
    assert ("--why" in way.evaluate(model).words) == asked
