"""A kill at any moment leaves all files of a split or none: row 2 of the faults."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labeltune.files.staging import finish_staged
from tasks import intent_toml
from waiting import HANG_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

PARTS = ("train.csv", "validation.csv", "test.csv")
SIZES = "train=0.8,validation=0.1,test=0.1"
TASK = intent_toml("alpha", "beta")

KILLED_AT = """
import os, signal, sys
from pathlib import Path

place, left = sys.argv[1], int(sys.argv[2])
watched = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "open")


def hook(event, arguments):
    global left
    if event not in watched:
        return
    if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")):
        return
    if place in str(arguments[0]) or "labeltune-staged" in str(arguments[0]):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)


from labeltune.prepare.split import SplitOptions, parse_sizes, split
from labeltune.task import read_task

task = read_task("task.toml")
options = SplitOptions(sizes=parse_sizes(sys.argv[3]), seed=int(sys.argv[4]))
sys.addaudithook(hook)
split("data.csv", task, options, folder=place)
"""
"""Splits in a process that is killed before its n-th change of the file system."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.toml").write_text(TASK)
    rows = [f"text {'x' * (n % 97)} {n},{'alpha' if n % 3 else 'beta'}" for n in range(2000)]
    Path("data.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def run(*arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", KILLED_AT, *arguments], check=False, capture_output=True, timeout=HANG_S
    ).returncode


def state(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*") if path.is_file()}


@pytest.mark.parametrize("before", ["nothing", "old parts"])
def test_killed_before_each_change_of_the_file_system(before: str) -> None:
    assert run("whole", "0", SIZES, "1") == 0
    new = state("whole")
    assert set(new) == set(PARTS)
    old: dict[str, bytes] = {}
    if before == "old parts":
        assert run("old", "0", SIZES, "2") == 0
        old = state("old")
        assert all(old[name] != new[name] for name in PARTS)
    decided, partial = False, 0
    for number in range(1, 40):
        folder = Path(f"work-{number}")
        if old:
            folder.mkdir()
            for name, content in old.items():
                (folder / name).write_bytes(content)
        code = run(str(folder), str(number), SIZES, "1")
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if folder.exists():
            # Before anything is mended, each file is the old one or the new one, never a piece.
            found = state(str(folder))
            assert all(content in (old.get(name), new[name]) for name, content in found.items())
            partial += found not in (old, new)
            # What the next command that writes here does first.
            finish_staged(folder)
            found = state(str(folder))
            assert found in (old, new), (number, sorted(found))
            assert {path.name for path in folder.iterdir()} <= set(PARTS)
            # Once it is decided, there is no way back.
            assert found == new or not decided
            decided = found == new
    else:
        pytest.fail("the split never came to its end")
    assert state(str(folder)) == new
    # Of all moments only those between two of the renames that follow the decision need mending.
    assert partial == len(PARTS) - 1


def test_killed_at_random_moments() -> None:
    """The command itself, in a process of its own, killed whenever; the next run ends well."""
    command = [sys.executable, "-m", "labeltune", "split", "data.csv", "-q", "-o", "work", "--sizes", SIZES]
    started = time.monotonic()
    assert subprocess.run(command, check=False, capture_output=True, timeout=HANG_S).returncode == 0
    duration = time.monotonic() - started
    whole = state("work")
    rng = random.Random(2)
    for number in range(4):
        folder = f"killed-{number}"
        command[command.index("-o") + 1] = folder
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(duration * rng.uniform(0.7, 1.0))
        process.kill()
        process.wait(HANG_S)
        if Path(folder).exists():
            finish_staged(Path(folder))
            assert state(folder) in ({}, whole)
        assert subprocess.run(command, check=False, capture_output=True, timeout=HANG_S).returncode == 0
        assert state(folder) == whole
        assert len(list(Path(folder).iterdir())) == len(PARTS)


def end(process: subprocess.Popen[bytes], signum: int) -> None:
    """Send a signal until it is heard: one that comes just before the process waits is heard after the wait."""
    for _ in range(4):
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(HANG_S / 4)
            return


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_stopped_by_a_signal(name: str, code: int) -> None:
    """Stopped while it waits for its input: nothing is left."""
    os.mkfifo("pipe.csv")
    command = [sys.executable, "-m", "labeltune", "split", "pipe.csv", "-q", "-o", "work"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with Path("pipe.csv").open("wb") as pipe:  # opens when the command reads
        pipe.write(b"text,label\na,alpha\n")
        pipe.flush()
        end(process, getattr(signal, name))
    assert process.returncode == code
    assert not Path("work").exists()
    process.communicate()
