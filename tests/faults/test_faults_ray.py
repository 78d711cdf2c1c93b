"""A folder predicted by the workers of a Ray cluster: whatever dies, nothing is lost and nothing doubled."""

from __future__ import annotations

import csv
import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import labeltune as lt
import tasks
from faults.ray_commands import NEEDS_RAY, RAY_S, Command, title, two_nodes, wait_for_end
from labeltune.files.writing import is_running
from waiting import wait_until

pytestmark = NEEDS_RAY
HERE = Path(__file__).parent
PARTS, ROWS = 10, 300
WORDS = {"alpha": ["apple", "arrow"], "beta": ["bear", "ball"], "gamma": ["goat", "gate"]}


def write(path: Path, rows: int, seed: int) -> None:
    chance = random.Random(seed)
    with path.open("w", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["text", "label"])
        for number in range(rows):
            label = chance.choice([*WORDS])
            other = chance.choice([*WORDS])
            words = (chance.choice(WORDS[chance.choice([label, label, other])]) for _ in range(8))
            out.writerow([f"{' '.join(words)} {number}", label])


class Folder:
    """A folder with a model, parts to predict, and what becomes of them in one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "task.toml").write_text(tasks.intent_toml(*WORDS))
        write(path / "train.csv", 120, 1)
        self.environment = {**os.environ, "LABELTUNE_HOME": str(path / "home"), "OMP_NUM_THREADS": "1"}
        self.model = self.run("train", "train.csv", "--model", "linear", "--provider", "local").stdout.strip()
        (path / "in").mkdir()
        for number in range(PARTS):
            write(path / "in" / f"part-{number:03}.csv", ROWS, 10 + number)
        self.run(*self.predict("here"))
        self.digest = self.digest_of("here")

    def predict(self, out: str, *more: str) -> list[str]:
        return ["predict", "in", "-o", out, "--model", self.model, "--provider", "local", *more]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            [sys.executable, "-m", "labeltune", *argv],
            cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=RAY_S, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr
        return found

    def start(self, argv: list[str], **environment: str) -> Command:
        return Command(argv, self.path, {**self.environment, **environment})

    def wait_for_parts(self, command: Command, out: str, count: int) -> None:
        wait_until(
            lambda: self.made(out) >= count or command.process.poll() is not None,
            lambda: [title(pid) for pid, _ in command.below()],
            seconds=RAY_S,
        )
        assert command.process.poll() is None, command.process.communicate()

    def digest_of(self, out: str) -> str:
        digest = hashlib.sha256()
        parts = sorted((self.path / out).glob("part-*"))
        assert [part.name for part in parts] == [f"part-{number:03}.csv" for number in range(PARTS)]
        for part in parts:
            digest.update(part.read_bytes())
        assert (self.path / out / "_SUCCESS").exists()
        return digest.hexdigest()

    def made(self, out: str) -> int:
        return len([*(self.path / out).glob("part-*")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("ray"))


def listeners(processes: set[tuple[int, str]]) -> set[str]:
    """The addresses that these processes listen on, as /proc writes them."""
    sockets = set()
    for pid, _ in processes:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].rpartition(":")[0])
    return found


def test_a_folder_is_what_one_process_makes_of_it(folder: Folder) -> None:
    command = folder.start(folder.predict("ray", "--distributed", "ray", "--workers", "2"))
    assert len(command.workers(2)) >= 2
    folder.wait_for_parts(command, "ray", 1)
    below = command.below()
    # 127.0.0.1, and the same in IPv6.
    heard = listeners(below | {(command.process.pid, "")})
    assert heard
    assert heard <= {"0100007F", "0000000000000000FFFF00000100007F"}
    out, told = command.end()
    assert command.process.returncode == 0, told
    assert folder.digest_of("ray") == folder.digest
    # Nothing of Ray's own, and nobody of it.
    assert out == "ray\n"
    assert "raylet" not in told
    assert "WARNING" not in told
    wait_for_end(below)
    again = folder.run(*folder.predict("ray", "--distributed", "ray"))
    assert f"{PARTS} of {PARTS} parts are there already" in again.stderr


def test_a_worker_that_is_killed_costs_its_part_at_most(folder: Folder) -> None:
    command = folder.start(folder.predict("worker", "--distributed", "ray", "--workers", "2"))
    # Looked for before, so that there are parts left when one is killed.
    pid, *_ = command.workers(2)
    folder.wait_for_parts(command, "worker", 1)
    os.kill(pid, signal.SIGKILL)
    below = command.below()
    out, told = command.end()
    assert command.process.returncode == 0, told
    assert out == "worker\n"
    assert "raylet" not in told
    assert folder.digest_of("worker") == folder.digest
    wait_for_end(below)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda one: one.name)
def test_a_command_that_ends_leaves_no_process_and_is_gone_on_with(
    folder: Folder, number: signal.Signals
) -> None:
    out = f"driver-{number.name}"
    command = folder.start(folder.predict(out, "--distributed", "ray", "--workers", "2"))
    workers = command.workers(2)
    folder.wait_for_parts(command, out, 2)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)  # so that parts are left, and the command waits for them
    below = command.below()
    assert command.below("raylet")
    command.process.send_signal(number)
    _, said = command.end()
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
    assert command.process.returncode == expected[number], said
    assert "Traceback" not in said
    wait_for_end(below)
    kept = folder.made(out)
    assert 2 <= kept < PARTS
    wait_until(lambda: not [*Path("/tmp").glob(f"lt-{command.process.pid}-*")])
    again = folder.run(*folder.predict(out))
    assert f"of {PARTS} parts are there already" in again.stderr
    assert folder.digest_of(out) == folder.digest


def test_a_machine_that_is_lost_costs_its_parts_at_most(folder: Folder) -> None:
    with two_nodes() as (address, nodes, told):
        argv = folder.predict("nodes", "--distributed", f"ray:{address}")
        command = folder.start(argv, **told)
        folder.wait_for_parts(command, "nodes", 2)
        os.kill(nodes[1], signal.SIGKILL)
        out, said = command.end()
        assert command.process.returncode == 0, said
        assert out == "nodes\n"
        assert "raylet" not in said
        assert folder.digest_of("nodes") == folder.digest
        # The cluster was there before, and stays.
        assert is_running(nodes[0])


def test_what_becomes_of_bad_parts_and_other_versions() -> None:
    run = subprocess.run(
        [sys.executable, HERE / "ray_work.py"],
        capture_output=True,
        text=True,
        timeout=RAY_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    one, deadly, version, again = run.stdout.splitlines()
    assert one == "[(1, 1), (2, 4), (3, 'in/3.csv:1: is bad'), (4, 16), (5, 25)]"
    assert deadly.startswith("RemoteError: 7: 3 workers ended over it, the last one: ")
    assert version == f"SettingsError: a worker has labeltune {lt.__version__}, and this is 0.0"
    assert again == "[(6, 36)]"
    assert run.stderr == ""


def test_a_cluster_that_is_not_there_is_said(folder: Folder) -> None:
    command = folder.start(folder.predict("none", "--distributed", "ray:127.0.0.1:9"))
    out, told = command.end()
    assert (command.process.returncode, out) == (5, "")
    assert "Ray at 127.0.0.1:9 cannot be reached" in told
