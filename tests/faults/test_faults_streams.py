"""Streams that are closed or full, and a current folder that is gone: no traceback, no lost exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import HANG_S

COMMAND = f'"{sys.executable}" -m labeltune'
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("labeltune", COMMAND, 1)],
        cwd=folder,
        env={**os.environ, "LABELTUNE_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = "".join(f"text number {number},{'AB'[number % 2]}\n" for number in range(12))
    (tmp_path / "t.csv").write_text(f"text,label\n{rows}")
    return tmp_path


@needs_full
@pytest.mark.parametrize("line", ["labeltune init t.csv > /dev/full", "labeltune --help > /dev/full"])
def test_a_full_standard_output_is_told(folder: Path, line: str) -> None:
    done = shell(line, folder)
    assert done.returncode == 8
    assert "error: standard output: cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@needs_full
def test_a_full_standard_error_is_no_reason_to_stop(folder: Path) -> None:
    done = shell("labeltune init t.csv 2> /dev/full", folder)
    assert (done.returncode, done.stdout) == (0, "task.toml\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("labeltune init t.csv >&-", 0),
        ("labeltune init t.csv 2>&-", 0),
        ("labeltune init t.csv <&- >&- 2>&-", 0),
        ("labeltune init - <&-", 7),
    ],
)
def test_closed_streams(folder: Path, line: str, code: int) -> None:
    done = shell(line, folder)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    # The number of a closed stream is given to no file of ours.
    assert (folder / "task.toml").exists() == (code == 0)
    if code == 0:
        assert (folder / "task.toml").read_text().startswith("version = 1\n")


def test_a_current_folder_that_is_gone(folder: Path) -> None:
    done = shell(f"mkdir gone && cd gone && rmdir ../gone && labeltune init {folder}/t.csv", folder)
    assert done.returncode == 8
    assert "error: the current folder is gone" in done.stderr
