"""Labelling by a model when things go wrong: what is paid for is kept, and what is written is whole."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from faults.fake_provider import FakeProvider, Fate
from faults.fault_folder import Folder, finish, kill
from faults.test_faults_predict import has_begun
from waiting import wait_until

ANSWER = Fate(answer=json.dumps({"intent": "alpha"}))


def inbox(folder: Folder, count: int) -> None:
    with (folder.path / "inbox.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["text"], *([f"row {number}"] for number in range(count))])


def command(provider: FakeProvider, *more: str) -> list[str]:
    return ["annotate", "inbox.csv", "--model", "m", "--provider", provider.url, *more]


def start(folder: Folder, provider: FakeProvider, *more: str) -> subprocess.Popen[str]:
    return folder.launch("-m", "labeltune", *command(provider, *more))


def test_killed_again_and_again_nothing_is_paid_twice_beyond_what_was_in_flight(folder: Folder) -> None:
    inbox(folder, 200)
    with FakeProvider(delay=0.005) as provider:
        for number in range(1, 4):
            until = number * 50
            provider.script = lambda _text, _attempt, until=until: (  # type: ignore[misc]
                ANSWER if provider.billed.total() < until else Fate(delay=3600)
            )
            before = provider.billed.total()
            process = start(folder, provider, "--concurrency", "4")
            wait_until(partial(has_begun, provider, process, before))
            kill(process)
            assert not (folder.path / "annotated.csv").exists()
        provider.script = lambda _text, _attempt: ANSWER
        outcome = finish(start(folder, provider, "--concurrency", "4"))
        assert outcome.code == 0, outcome.stderr
        assert provider.extra <= 3 * 4
        with (folder.path / "annotated.csv").open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert [row["text"] for row in rows] == [f"row {number}" for number in range(200)]
        assert {row["label"] for row in rows} == {"alpha"}


@pytest.mark.parametrize("name", ["annotated.csv", "annotated.review.csv", "annotated.sample.csv"])
def test_a_disk_that_is_full_when_a_file_is_written(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every answer is kept, and the same command ends well when there is room."""
    from typer.testing import CliRunner

    from labeltune.cli.app import app

    inbox(folder, 30)
    replace = Path.replace

    def full(self: Path, target: Any) -> Path:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    with FakeProvider(lambda _text, _attempt: ANSWER) as provider:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            result = CliRunner().invoke(app, command(provider, "--sample", "5"))
        assert result.exit_code == 8, result.output
        assert f"{name}: cannot be written" in result.stderr
        assert not (folder.path / name).exists()
        asked = provider.asked.total()
        result = CliRunner().invoke(app, command(provider, "--sample", "5"))
        assert result.exit_code == 0, result.output
        assert provider.asked.total() == asked == 30
        assert all((folder.path / one).exists() for one in ("annotated.csv", "annotated.sample.csv", name))
    assert list(folder.path.glob(".labeltune-*")) == []
