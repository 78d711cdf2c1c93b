"""What the fault tests of predict share, and the table of what they found."""

from __future__ import annotations

import re
import signal
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faults.clock import Clock
from faults.fault_folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = re.compile(r"test_rows?_(\d+)(?:_(to|and)_(\d+))?_")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    made = Folder(tmp_path)
    yield made
    made.end()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    before = signal.getsignal(signal.SIGUSR1)
    yield Clock(monkeypatch)
    signal.signal(signal.SIGUSR1, before)


def rows_of(name: str) -> Iterator[int]:
    """The rows of the table of faults that a test is named after."""
    found = _ROWS.search(name)
    if found is not None:
        first, joint, last = int(found[1]), found[2], int(found[3] or found[1])
        yield from (range(first, last + 1) if joint != "and" else (first, last))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With `-m` an expression on `soak`, as `make faults` has it: each row, its runs and their result."""
    if "soak" not in (config.getoption("markexpr") or "").replace("not soak", "", 1):
        return
    runs: dict[int, list[tuple[str, int]]] = defaultdict(list)
    measured: dict[int, list[str]] = defaultdict(list)
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.getreports(outcome):
            if report.when == "call" or outcome == "skipped":
                for row in rows_of(report.nodeid):
                    told = dict(report.user_properties)
                    runs[row].append((outcome, int(str(told.pop("runs", 1)))))
                    measured[row] += [f"{name} {value}" for name, value in told.items()]
    terminalreporter.section("rows of the table of faults")
    terminalreporter.write_line("| row | runs | result |")
    terminalreporter.write_line("|---|---|---|")
    for row, found in sorted(runs.items()):
        outcomes = sorted({outcome for outcome, _ in found}) + measured[row]
        total = sum(counted for outcome, counted in found if outcome != "skipped")
        terminalreporter.write_line(f"| {row} | {total:,} | {', '.join(outcomes)} |")
