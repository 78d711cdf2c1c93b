"""Commands that hand out parts over Ray, and the processes below them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeltune.distributed.processes import descendants
from labeltune.files.writing import is_running
from waiting import HANG_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NEEDS_RAY", "RAY_S", "Command", "title", "two_nodes", "wait_for_end"]

MUST_RUN = bool(os.environ.get("LABELTUNE_TEST_ALL"))
"""Set where what the tests need was installed for them: then they do not skip."""
NEEDS_RAY = [
    pytest.mark.slow,
    pytest.mark.skipif(not (find_spec("ray") or MUST_RUN), reason="needs Ray: the extra [ray]"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]


RAY_S = 2 * HANG_S
"""What has not happened after so long will not: a cluster is a dozen processes that all start at once."""


class Command:
    """A command that runs, and the processes below it, each by its id and when it started."""

    def __init__(self, argv: list[str], cwd: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "labeltune", *argv],
            cwd=cwd, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def below(self, name: str = "") -> set[tuple[int, str]]:
        return {one for one in descendants(self.process.pid) if name in title(one[0])}

    def workers(self, count: int) -> list[int]:
        """The processes of so many workers, as soon as they are there."""
        found: list[int] = []

        def looked() -> bool:
            found[:] = sorted(pid for pid, _ in self.below("PartActor"))
            return len(found) >= count or self.process.poll() is not None

        wait_until(looked, lambda: found, seconds=RAY_S)
        return found

    def end(self) -> tuple[str, str]:
        try:
            return self.process.communicate(timeout=RAY_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def wait_for_end(processes: set[tuple[int, str]]) -> None:
    """Those that do not end by themselves are killed last of all: what is killed takes a moment to go."""
    wait_until(lambda: gone(processes), lambda: [title(pid) for pid, _ in processes], seconds=RAY_S)


def gone(processes: set[tuple[int, str]]) -> bool:
    return not [pid for pid, start in processes if is_running(pid) and started(pid) == start]


def started(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@contextmanager
def two_nodes() -> Iterator[tuple[str, list[int], dict[str, str]]]:
    """The address, the processes that manage the nodes, and what clients must be told."""
    with tempfile.TemporaryDirectory(prefix="lt-", dir="/tmp") as short:
        token = Path(short) / "token"
        token.write_text(secrets.token_hex(32))
        (Path(short) / "ray").mkdir()
        told = {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_TMPDIR": short,
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        }  # fmt: skip
        nodes = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("ray_nodes.py")], env={**os.environ, **told, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert nodes.stdin is not None
        assert nodes.stdout is not None
        try:
            cluster = json.loads(nodes.stdout.readline())
            yield cluster["address"], cluster["nodes"], told
        finally:
            below = {*descendants(nodes.pid)}
            nodes.stdin.close()
            try:
                nodes.wait(RAY_S)
            finally:
                nodes.kill()
                nodes.stdout.close()
                for pid, start in below:
                    if started(pid) == start:
                        os.kill(pid, signal.SIGKILL)
