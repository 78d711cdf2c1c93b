"""`labeltune train` on this machine: the engine that nobody named, and class weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cli.remote import here, ran, run
from labeltune.errors import SettingsError
from labeltune.providers import resolve_provider
from labeltune.tuning.plan import Settings, plan_training
from unit.local.sentence_models import onnx_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["here"]

EMBED_EXTRA = "labeltune.local.engines.embed.extra.is_installed"


def asked_model(*argv: str) -> str:
    shown: dict[str, Any] = json.loads(ran("train", "train.jsonl", *argv, "--dry-run").stdout)
    return str(shown["body"]["model"])


def test_without_a_model_it_is_embed_where_the_extra_is_and_that_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ran("train", "train.jsonl", "--dry-run")
    assert json.loads(result.stdout)["body"]["model"] == "embed"
    assert "no --model given: embed is trained" in result.stderr
    monkeypatch.setattr(EMBED_EXTRA, lambda: False)
    result = ran("train", "train.jsonl", "--dry-run")
    assert json.loads(result.stdout)["body"]["model"] == "linear"
    assert "no --model given: linear is trained" in result.stderr
    assert 'pip install "labeltune[embed]"' in result.stderr


def test_what_is_named_or_stands_in_the_task_comes_first(here: Path) -> None:
    result = ran("train", "train.jsonl", "--model", "linear", "--dry-run")
    assert json.loads(result.stdout)["body"]["model"] == "linear"
    assert "no --model given" not in result.stderr
    task = here / "task.toml"
    task.write_text(task.read_text() + '\n[defaults]\nmodel = "linear"\n')
    assert asked_model() == "linear"


def test_class_weights_become_an_option_of_the_base(here: Path) -> None:
    assert asked_model("--model", "linear", "--class-weight", "balanced") == "linear#class_weight=balanced"
    assert asked_model("--model", "linear#class_weight=balanced", "--class-weight", "none") == "linear"
    assert asked_model("--model", "linear#class_weight=balanced") == "linear#class_weight=balanced"
    prefixed = asked_model("--model", "embed#prefix=q", "--class-weight", "balanced")
    assert prefixed == "embed#prefix=q&class_weight=balanced"


@pytest.mark.parametrize("word", ["heavy", "Balanced", ""])
def test_another_word_is_no_class_weight(here: Path, word: str) -> None:
    result = run("train", "train.jsonl", "--model", "linear", "--class-weight", word)
    assert result.exit_code == 2
    assert "expected balanced or none" in result.stderr


def test_where_there_are_no_class_weights_the_other_way_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    argv = ("train", "train.jsonl", "--provider", "openai", "--model", "gpt-4.1-mini", "--dry-run")
    result = run(*argv, "--class-weight", "balanced")
    assert result.exit_code == 2
    assert "openai has no class weights" in result.stderr
    assert "labeltune convert DATA --repeat-rare 5" in result.stderr
    # What changes nothing is refused nowhere.
    assert json.loads(ran(*argv, "--class-weight", "none").stdout)["body"]["model"] == "gpt-4.1-mini"


def test_in_python_it_is_a_setting(here: Path) -> None:
    settings = Settings(class_weight="balanced")
    plan = plan_training("train.jsonl", model="linear", provider=resolve_provider("local"), settings=settings)
    assert plan.model == "linear#class_weight=balanced"
    with pytest.raises(SettingsError, match="no class weights"):
        plan_training("train.jsonl", model="gpt", provider=resolve_provider("openai"), settings=settings)


def test_a_folder_that_is_no_model_is_refused_before_there_is_a_job(here: Path) -> None:
    (here / "empty").mkdir()
    result = run("train", "train.jsonl", "--model", "embed:empty")
    assert result.exit_code != 0
    assert "is no sentence model" in result.stderr
    assert ran("jobs", "list").stdout == ""


@pytest.mark.slow
def test_from_a_folder_to_predictions_and_a_job_that_cannot_open_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = onnx_folder(here / "vectors")
    trained = ran("train", "train.jsonl", "--model", "embed:vectors", "--class-weight", "balanced", "-q")
    model = trained.stdout.strip()
    assert model.startswith("ft:embed-vectors")
    (folder / "onnx" / "model.onnx").write_bytes(b"graph")
    again = run("train", "train.jsonl", "--model", "embed:vectors", "--epochs", "1")
    assert again.exit_code == 10
    assert "onnxruntime cannot open it" in again.stderr
    # The model that was made of it has its own copy.
    (here / "rows.csv").write_text("text,label\nwhere is my card,\n")
    assert ran("predict", "rows.csv", "--model", model, "--batch", "-q").exit_code == 0
    # Without the package that runs it, it says what is missing.
    monkeypatch.setattr("labeltune.local.engines.embed.extra.find_spec", lambda _: None)
    (here / "others.csv").write_text("text,label\nmy password,\n")
    refused = run("predict", "others.csv", "--model", model, "-o", "others.out.csv", "--resend", "0")
    assert refused.exit_code != 0
    assert 'pip install "labeltune[embed]"' in refused.stderr
