"""`labeltune classify --why`: the words that spoke for and against."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from starlette.applications import Starlette

from cli.remote import LABELS, document, here, ran, run
from faults.fake_jobs import serving
from labeltune.local import create_app
from labeltune.local.guard import Allowed

__all__ = ["here"]


@pytest.fixture
def model(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    # Every fifth label is wrong: odds that are not beyond all measure.
    lines = [
        f"{row}: about my {LABELS[row % 3]} please,{LABELS[(row + (row % 5 == 0)) % 3]}" for row in range(90)
    ]
    Path("train.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return ran("train", "train.csv", "--model", "linear", "-q").stdout.strip()


def test_a_line_below_each_text_names_the_words(model: str) -> None:
    first, why, second, because = ran(
        "classify", f"About my {LABELS[0]}", f"{LABELS[1]}, please", "-m", model, "--why"
    ).stdout.splitlines()
    assert (first.split("\t")[0], second.split("\t")[0]) == (LABELS[0], LABELS[1])
    assert why.startswith(f"  {LABELS[0]} rather than ")
    assert because.startswith(f"  {LABELS[1]} rather than ")
    word, weight = why.partition(": ")[2].split(", ")[0].rsplit(" ", 1)
    assert word in LABELS[0]
    assert weight.startswith("+")


def test_the_document_adds_up_to_the_odds_and_says_where_each_word_stands(model: str) -> None:
    text = f"  \N{GRINNING FACE} about my {LABELS[0]}, please "
    [answer] = document(ran("classify", text, "-m", model, "--why", "--json"))["answers"]
    [reason] = answer["why"]
    shares = answer["probabilities"]
    assert (reason["label"], reason["chosen"]) == (answer["labels"][0], True)
    assert reason["against"] == sorted(shares, key=lambda label: -shares[label])[1]
    odds = math.log(shares[reason["label"]] / shares[reason["against"]])
    assert 0 < reason["score"] < 10
    assert reason["score"] == pytest.approx(odds, abs=0.01)
    told = reason["bias"] + reason["rest"] + sum(word["weight"] for word in reason["words"])
    assert told == pytest.approx(reason["score"], abs=1e-3)
    assert reason["words"]
    for word in reason["words"]:
        assert text[word["start"] : word["end"]] == word["text"]
    assert "why" not in document(ran("classify", text, "-m", model, "--json"))["answers"][0]


def test_an_empty_text_has_no_reasons(model: str) -> None:
    result = run("classify", "", f"my {LABELS[0]}", "-m", model, "--why", "--json")
    assert result.exit_code == 3
    assert [len(answer["why"]) for answer in json.loads(result.stdout)["answers"]] == [0, 1]


def test_over_a_port_it_is_the_same(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from labeltune.local import default_directory

    here_ = ran("classify", f"my {LABELS[0]}", "-m", model, "--why", "--json").stdout
    app = create_app(default_directory(), allowed=Allowed.at("127.0.0.1"))
    with serving(app) as port:
        url = f"http://127.0.0.1:{port}/v1"
        there = ran("classify", f"my {LABELS[0]}", "-m", model, "--why", "--json", "--provider", url).stdout
    assert json.loads(there)["answers"] == json.loads(here_)["answers"]


def test_other_providers_are_refused_with_the_reason(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-none")
    said = "does not say why a label is chosen: only labeltune's own provider does"
    hosted = run("classify", "x", "-m", "m", "--why", "--provider", "openai")
    assert (hosted.exit_code, f"api.openai.com {said}" in hosted.stderr) == (2, True)
    with serving(Starlette()) as port:
        other = run("classify", "x", "-m", "m", "--why", "--provider", f"http://127.0.0.1:{port}/v1")
    assert (other.exit_code, f"127.0.0.1:{port} {said}" in other.stderr) == (2, True)
    assert "--provider local" in other.stderr


def test_an_unknown_model_is_told_as_ever(here: Path) -> None:
    result = run("classify", "x", "-m", "ft:linear:local::nothing", "--why", "--provider", "local")
    assert result.exit_code == 4
    assert "does not exist" in result.stderr
