"""`labeltune predict --distributed`, and `evaluate`: what is refused before anything is started."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tasks
from labeltune.cli.app import app

MINE = "http://127.0.0.1:9/v1#self-hosted=yes"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(tasks.INTENT_TOML)
    Path("in").mkdir()
    Path("in/a.csv").write_text("text,label\nwhere is it,lost card\n")


def refused(data: str, *more: str) -> str:
    """What is said; nothing may have been made."""
    before = {path.name for path in Path().iterdir()}
    found = CliRunner().invoke(app, ["predict", data, "-o", "out", "--model", "m", *more])
    assert (found.exit_code, found.stdout) == (2, ""), found.stderr
    assert {path.name for path in Path().iterdir()} == before
    return found.stderr


@pytest.mark.parametrize("provider", ["openai", "https://api.example.com/v1", "http://127.0.0.1:9/v1"])
def test_paid_calls_are_never_handed_out(provider: str) -> None:
    said = refused("in", "--distributed", "ray", "--provider", provider)
    assert "may bill are not handed out to workers: a part whose worker dies is asked again" in said
    assert "#self-hosted=yes" in said


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ("in/a.csv", ["--distributed", "ray"], "--distributed is for folders of tables"),
        ("in/a.csv", ["--workers", "2"], "--workers is for folders of tables"),
        ("in", ["--workers", "2"], "--workers is for --distributed"),
        ("in", ["--distributed", "dask"], "--distributed dask: expected ray, or ray:HOST:PORT"),
        ("in", ["--distributed", "ray:"], "--distributed ray:: expected ray, or ray:HOST:PORT"),
        ("in", ["--distributed", "ray:host"], "--distributed ray:host: expected ray, or ray:HOST:PORT"),
        ("in", ["--distributed", "ray:host:70000"], "expected ray, or ray:HOST:PORT"),
        ("in", ["--distributed", "ray", "--batch"], "--batch has one sender for all parts"),
        ("in", ["--distributed", "ray", "--limit", "3"], "--limit counts rows from the first part on"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said(data: str, more: list[str], said: str) -> None:
    assert said in refused(data, "--provider", MINE, *more)


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ("in/a.csv", ["--distributed", "ray"], "--distributed is for folders of tables"),
        ("in", ["--workers", "2"], "--workers is for --distributed"),
        ("in", ["--distributed", "dask"], "--distributed dask: expected ray, or ray:HOST:PORT"),
        ("in", ["--distributed", "ray", "--compare", "b.csv"], "--compare needs all rows side by side"),
        ("in", ["--distributed", "ray", "--fail-if-worse", "b.csv"], "--fail-if-worse needs all rows"),
        ("in", ["--distributed", "ray", "--thresholds", "t.json"], "--thresholds needs all rows"),
        ("in", ["--distributed", "ray", "--review-below", "0"], "--review-below needs all rows"),
        ("in", ["--distributed", "ray", "--why", "--html", "x.html"], "--why needs all rows side by side"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_measured_apart_is_said(data: str, more: list[str], said: str) -> None:
    found = CliRunner().invoke(app, ["evaluate", data, *more])
    assert (found.exit_code, found.stdout) == (2, ""), found.stderr
    assert said in found.stderr


def test_what_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def find_spec(name: str, *more: Any) -> Any:
        return None if name == "ray" else find(name, *more)

    monkeypatch.setattr("labeltune.distributed.cluster.find_spec", find_spec)
    argv = ["predict", "in", "-o", "out", "--model", "m", "--provider", MINE, "--distributed", "ray"]
    found = CliRunner().invoke(app, argv)
    assert found.exit_code == 2
    assert "--distributed ray needs Ray, which is not installed" in found.stderr
    assert "pip install 'labeltune[ray]'" in found.stderr
