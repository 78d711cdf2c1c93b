"""A folder with a task and a table, and the command line run there against a provider."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from faults.fake_provider import FakeProvider
from tasks import intent_toml
from waiting import HANG_S

KILLS = int(os.environ.get("FAULT_KILLS", "200"))
"""How often the long tests kill a command."""

TASK = intent_toml("alpha", "beta", "gamma")


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Folder:
    """A working folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started: list[subprocess.Popen[str]] = []
        (path / "task.toml").write_text(TASK)

    def table(
        self, count: int, *, name: str = "data.csv", text: Callable[[int], str] = "row {}".format
    ) -> None:
        self.rows((text(number) for number in range(count)), name=name)

    def rows(self, texts: Iterable[str], *, name: str = "data.csv") -> None:
        with (self.path / name).open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["text", "label"])
            writer.writerows([text, "alpha"] for text in texts)

    @property
    def output(self) -> Path:
        return self.path / "predictions.csv"

    def predictions(self) -> list[dict[str, str]]:
        with self.output.open(newline="") as handle:
            return list(csv.DictReader(handle))

    def predict(
        self,
        provider: FakeProvider | str,
        *arguments: str,
        data: str = "data.csv",
        stdin: bytes | None = None,
    ) -> Outcome:
        """Run the command in this process."""
        from labeltune.cli.app import app

        result = CliRunner().invoke(app, self.arguments(provider, *arguments, data=data), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def arguments(self, provider: FakeProvider | str, *arguments: str, data: str = "data.csv") -> list[str]:
        url = provider if isinstance(provider, str) else provider.url
        return ["predict", data, "--model", "m", "--provider", url, *arguments]

    def start(
        self, provider: FakeProvider, *arguments: str, program: Sequence[str] = ("-m", "labeltune")
    ) -> subprocess.Popen[str]:
        """Start the command as a process of its own."""
        return self.launch(*program, *self.arguments(provider, *arguments))

    def launch(self, *words: str) -> subprocess.Popen[str]:
        """Start Python with these words as a process that the folder ends with itself."""
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed has left running: it would disturb those after it."""
        for process in self.started:
            if process.returncode is None:
                kill(process)


def finish(process: subprocess.Popen[str]) -> Outcome:
    stdout, stderr = process.communicate(timeout=HANG_S)
    return Outcome(process.returncode, stdout, stderr)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
