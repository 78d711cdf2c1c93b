"""Writing texts when things go wrong: what is paid for is kept, and what is written is whole."""

from __future__ import annotations

import csv
import errno
import itertools
import os
import sqlite3
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.teacher import rows, teacher
from faults.fake_provider import FakeProvider, Fate
from faults.fault_folder import Folder, finish, kill
from faults.test_faults_predict import has_begun
from tasks import intent_toml
from waiting import wait_until

OUTPUTS = ("synthetic.csv", "synthetic.review.csv")


@pytest.fixture
def seeds(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Folder:
    (folder.path / "task.toml").write_text(intent_toml("delivery", "refund", "bug"))
    with (folder.path / "train.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows(3, seed=1)])
    monkeypatch.setenv("LABELTUNE_HOME", str(folder.path / "home"))
    return folder


def command(provider: FakeProvider) -> list[str]:
    return [
        "generate", "train.csv", "--to", "33", "--model", "m", "--provider", provider.url,
        "--verify-with", "judge", "--concurrency", "3",
    ]  # fmt: skip


def start(folder: Folder, provider: FakeProvider) -> subprocess.Popen[str]:
    return folder.launch("-m", "labeltune", *command(provider))


def test_killed_again_and_again_nothing_is_paid_twice_beyond_what_was_in_flight(seeds: Folder) -> None:
    """Killed while the plan is proposed, while texts are written, and while another model looks at them."""
    answer = teacher()
    with FakeProvider(answer, delay=0.002) as provider:
        for until in (1, 8, 30, 70):
            provider.script = lambda text, attempt, until=until: (  # type: ignore[misc]
                answer(text, attempt) if provider.billed.total() < until else Fate(delay=3600)
            )
            before = provider.billed.total()
            process = start(seeds, provider)
            wait_until(partial(has_begun, provider, process, before))
            kill(process)
            assert not any((seeds.path / name).exists() for name in OUTPUTS)
        provider.script = answer
        outcome = finish(start(seeds, provider))
        assert outcome.code == 0, outcome.stderr
        assert provider.extra <= 4 * 3
        with (seeds.path / "synthetic.csv").open(newline="") as handle:
            assert len(list(csv.DictReader(handle))) == 3 * 30


@pytest.mark.parametrize("name", [*OUTPUTS, "plan.toml"])
def test_a_disk_that_is_full_when_a_file_is_written(
    seeds: Folder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Every answer is kept, and the same command ends well when there is room."""
    from typer.testing import CliRunner

    from labeltune.cli.app import app

    replace = Path.replace

    def full(self: Path, target: Any) -> Path:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    with FakeProvider(teacher()) as provider:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", full)
            result = CliRunner().invoke(app, command(provider))
        assert result.exit_code == 8, result.output
        assert f"{name}: cannot be written" in result.stderr
        assert not (seeds.path / name).exists()
        result = CliRunner().invoke(app, command(provider))
        assert result.exit_code == 0, result.output
        assert provider.extra == 0
        assert all((seeds.path / one).exists() for one in OUTPUTS)
    assert list(seeds.path.glob(".labeltune-*")) == []


def test_a_disk_that_is_full_while_texts_are_written(seeds: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal takes no more in the middle: the run stops, and goes on where it was."""
    from typer.testing import CliRunner

    from labeltune.cli.app import app
    from labeltune.prediction.journal.commits import GroupCommit

    apply = GroupCommit._apply
    calls = itertools.count()

    def fails(self: GroupCommit, *given: Any) -> Any:
        if next(calls) == 6:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return apply(self, *given)

    with FakeProvider(teacher()) as provider:
        with monkeypatch.context() as patch:
            patch.setattr(GroupCommit, "_apply", fails)
            result = CliRunner().invoke(app, command(provider))
        assert result.exit_code == 8, result.output
        assert "answers are saved" in result.stderr
        assert provider.billed.total() > 1
        assert not any((seeds.path / name).exists() for name in OUTPUTS)
        result = CliRunner().invoke(app, command(provider))
        assert result.exit_code == 0, result.output
        assert provider.extra == 0
        with (seeds.path / "synthetic.csv").open(newline="") as handle:
            assert len(list(csv.DictReader(handle))) == 3 * 30
