"""Signals as a command finds them: `nohup` and a script's background job want some of them ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tasks import INTENT_TOML
from waiting import HANG_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")

IGNORING = 'trap "" "$0"; exec "$@"'
"""For `sh -c`: a program that is started with a signal ignored."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.toml").write_text(INTENT_TOML)
    return tmp_path


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (["nohup"], "HUP"),
        (["sh", "-c", IGNORING, "INT"], "INT"),
        (["sh", "-c", IGNORING, "TERM"], "TERM"),
    ],
    ids=["nohup", "SIGINT", "SIGTERM"],
)
def test_an_ignored_signal_stops_nothing(here: Path, start: list[str], name: str) -> None:
    os.mkfifo("pipe.csv")
    process = subprocess.Popen(
        [*start, sys.executable, "-m", "labeltune", "convert", "pipe.csv", "-o", "out.jsonl", "-q"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with Path("pipe.csv").open("wb") as pipe:  # opens when the command reads
        pipe.write(b"text,label\na,lost card\n")
        pipe.flush()
        process.send_signal(getattr(signal, f"SIG{name}"))
    _, told = process.communicate(timeout=HANG_S)
    assert process.returncode == 0, told
    assert Path("out.jsonl").exists()


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs /proc to know what a process ignores"
)
def test_a_server_goes_on_after_a_signal_that_it_ignores(here: Path) -> None:
    command = [sys.executable, "-m", "labeltune", "serve", "--port", "0", "--dir", "there"]
    with subprocess.Popen(
        ["sh", "-c", IGNORING, "INT", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            process.send_signal(signal.SIGINT)
            ignored = Path(f"/proc/{process.pid}/status").read_text().partition("SigIgn:")[2].split()[0]
            assert int(ignored, 16) & 1 << signal.SIGINT - 1
            assert httpx2.get(address.replace("/v1", "/healthz")).json() == {"status": "ok"}
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=HANG_S)
            assert process.returncode == 128 + signal.SIGTERM, told
        finally:
            process.kill()


IGNORED = """
import signal
of_python = {signal.SIGPIPE, signal.SIGXFSZ}
print(sorted(n for n in signal.valid_signals() - of_python if signal.getsignal(n) == signal.SIG_IGN))
"""


def test_children_of_tests_begin_with_default_signals() -> None:
    done = subprocess.run([sys.executable, "-c", IGNORED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["INT", "HUP"])
def test_and_do_so_where_these_tests_ignore_them(name: str) -> None:
    test = f"{__file__}::{test_children_of_tests_begin_with_default_signals.__name__}"
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        ["sh", "-c", IGNORING, name, *pytest_],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
