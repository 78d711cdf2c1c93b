"""What the tests of the remote commands share: chat files, a local provider of their own, a runner."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import tasks
from labeltune.cli.app import app
from protocol.harness import stop_worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

LABELS = tasks.INTENT.labels


def run(*argv: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in argv], input=stdin)


def ran(*argv: object) -> Result:
    """Run a command that must succeed."""
    result = run(*argv)
    assert result.exit_code == 0, result.stderr
    return result


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    content = json.loads(result.stdout)
    assert content.pop("schema_version") == 1
    return content


def write_chat(path: Path, rows: int, *, label: str | None = None) -> Path:
    with path.open("w", encoding="utf-8") as handle:
        for row in range(rows):
            answer = label or LABELS[row % len(LABELS)]
            text = f"{path.stem} {row}: about my {LABELS[row % len(LABELS)]} please"
            messages = [
                {"role": "system", "content": "Name the intent."},
                {"role": "user", "content": text},
                {"role": "assistant", "content": answer},
            ]
            handle.write(json.dumps({"messages": messages}) + "\n")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a task, two chat files and the local provider as the default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    (tmp_path / "task.toml").write_text(tasks.INTENT_TOML)
    write_chat(tmp_path / "train.jsonl", 30)
    write_chat(tmp_path / "valid.jsonl", 12)
    yield tmp_path
    with contextlib.suppress(FileNotFoundError):
        home = tmp_path.__class__(os.environ["LABELTUNE_HOME"])
        stop_worker(home)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A home with a model that was trained on the intents, and its id."""
    base = tmp_path_factory.mktemp("trained")
    (base / "task.toml").write_text(tasks.INTENT_TOML)
    write_chat(base / "train.jsonl", 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("LABELTUNE_HOME", str(base / "home"))
        result = ran(
            "train", "train.jsonl", "--model", "linear", "--provider", "local", "--epochs", "3", "-q"
        )
    yield base / "home", result.stdout.strip()
    stop_worker(base / "home")


def move_to(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, with a task and the local provider of `home`."""
    monkeypatch.setenv("LABELTUNE_HOME", str(home))
    monkeypatch.setenv("LABELTUNE_PROVIDER", "local")
    monkeypatch.chdir(folder)
    (folder / "task.toml").write_text(tasks.INTENT_TOML)
