"""`labeltune jobs …`: argv to result, messages and exit code, on a job that really ran."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli.remote import document, here, ran, run
from protocol.harness import Provider as Harness
from protocol.harness import stop_worker
from waiting import HANG_S

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["here"]


@pytest.fixture
def job(here: Path) -> str:
    argv = ("train", "train.jsonl", "--model", "linear", "--epochs", "2", "--no-wait", "-q")
    return ran(*argv).stdout.strip()


def test_the_life_of_a_job(job: str) -> None:
    watched = ran("jobs", "watch", job)
    model = watched.stdout.strip()
    assert model.startswith("ft:linear:local:")
    assert watched.stderr.count("Fine-tuning job started") == 1
    again = document(ran("jobs", "watch", job, "--json", "-q"))
    assert again["model"] == model
    assert again["job"]["status"] == "succeeded"

    listed = ran("jobs", "list").stdout
    assert listed.split()[:2] == [job, "succeeded"]
    assert listed.split()[-1] == model
    (entry,) = document(ran("jobs", "list", "--limit", "1", "--json"))["jobs"]
    assert entry["id"] == job

    shown = ran("jobs", "show", job).stdout
    assert f"fine_tuned_model: {model}" in shown
    assert "status: succeeded" in shown

    events = ran("jobs", "events", job).stdout.splitlines()
    assert "Created fine-tuning job" in events[0]
    assert "successfully completed" in events[-1]
    last = document(ran("jobs", "events", job, "--limit", "2", "--json"))["events"]
    assert len(last) == 2
    assert last[-1]["message"] in events[-1]

    models = ran("jobs", "checkpoints", job).stdout.splitlines()
    assert models
    assert all(name.startswith(f"{model}:ckpt-step-") for name in models)
    kept = document(ran("jobs", "checkpoints", job, "--json"))["checkpoints"]
    assert [checkpoint["fine_tuned_model_checkpoint"] for checkpoint in kept] == models

    for action in ("cancel", "pause", "resume"):
        result = run("jobs", action, job)
        assert result.exit_code == 10
        assert "status is 'succeeded'" in result.stderr
        assert result.stdout == ""


def test_a_training_on_a_terminal_is_a_bar_with_loss_and_accuracy(here: Path) -> None:
    """Elsewhere it is plain lines, as the other tests see."""
    master, slave = pty.openpty()
    argv = ("train", "train.jsonl", "valid.jsonl", "--model", "linear", "--epochs", "2")
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", "labeltune", *argv], stdout=subprocess.PIPE, stderr=slave, env=environment
    )
    os.close(slave)
    shown = b""
    # At the end of a terminal, Linux says EIO.
    with contextlib.suppress(OSError):
        while data := os.read(master, 4096):
            shown += data
    os.close(master)
    stdout, _ = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, shown.decode()
    assert stdout.decode().startswith("ft:linear:local:")
    assert stdout.count(b"\n") == 1
    assert b"\x1b[" not in stdout
    for part in ("\x1b[", "training", "steps", "loss", "valid_accuracy"):
        assert part in shown.decode()


def test_pause_resume_cancel(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here.__class__(os.environ["LABELTUNE_HOME"])
    provider = Harness(home)
    with provider.without_worker():
        argv = ("train", "train.jsonl", "--model", "linear", "--no-wait", "-q")
        job = ran(*argv).stdout.strip()
        assert ran("jobs", "pause", job).stdout.strip() == job
        assert document(ran("jobs", "show", job, "--json"))["job"]["status"] == "paused"
        waiting = run("jobs", "watch", job, "--wait-timeout", "0")
        assert waiting.exit_code == 5
        assert "status 'paused' (not final)" in waiting.stderr
        assert f"labeltune jobs resume {job} --provider local" in waiting.stderr
        assert ran("jobs", "resume", job).exit_code == 0
        assert document(ran("jobs", "cancel", job, "--json"))["job"]["status"] == "cancelled"
        assert ran("jobs", "cancel", job).exit_code == 0
    result = run("jobs", "watch", job)
    assert result.exit_code == 10
    assert f"{job} was cancelled on " in result.stderr
    result = run(*argv[:-2])
    assert result.exit_code == 10
    assert "--new-job" in result.stderr
    stop_worker(home)


@pytest.mark.parametrize("command", ["show", "watch", "events", "checkpoints", "cancel", "pause", "resume"])
def test_an_unknown_id(here: Path, command: str) -> None:
    result = run("jobs", command, "ftjob-missing")
    assert result.exit_code == 10
    assert "ftjob-missing" in result.stderr
    assert result.stdout == ""


def test_nothing_to_list(here: Path) -> None:
    result = ran("jobs", "list")
    assert result.stdout == ""
    assert document(ran("jobs", "list", "--json")) == {"jobs": []}


def test_no_key(here: Path) -> None:
    assert run("jobs", "list", "--provider", "openai").exit_code == 4
    assert run("jobs", "list", "--provider", "http://127.0.0.1:9/v1").exit_code == 5


@pytest.mark.parametrize("action", ["show", "watch", "events", "checkpoints", "cancel", "pause", "resume"])
@pytest.mark.parametrize("name", ["..", "."])
def test_a_name_that_is_none(action: str, name: str, here: Path) -> None:
    result = run("jobs", action, name)
    assert (result.exit_code, result.stdout) == (10, "")
    assert "nothing of that name" in result.stderr
