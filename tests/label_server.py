"""A `labeltune label` as a process of its own, with a table and a task beside it."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waiting import HANG_S, wait_until

SINGLE = """version = 1
text = ["text"]
id = "id"
[[field]]
name = "emotion"
type = "single"
column = "emotion"
labels = ["joy", "anger", "fear", "sadness"]
[answer]
format = "label"
"""

MULTI = """version = 1
text = ["text"]
[[field]]
name = "topics"
type = "multi"
columns = ["tax", "health", "sport"]
labels = ["tax", "health", "sport"]
[answer]
format = "flags"
"""

NESTED = """version = 1
text = ["text"]
[[field]]
name = "area"
type = "single"
column = "area"
labels = ["card", "loan"]
[[field]]
name = "detail"
type = "single"
column = "detail"
labels = ["lost", "late", "rate"]
parent = "area"
[field.children]
card = ["lost", "late"]
loan = ["rate"]
[answer]
format = "json"
"""

WORDS = {"joy": "happy", "anger": "furious", "fear": "scared", "sadness": "lonely"}


def write_table(folder: Path, rows: int, task: str = SINGLE) -> list[str]:
    """`in.csv` of ids and texts, and `task.toml`; returns the texts. Each tells the label that fits it."""
    texts = [f"{list(WORDS.values())[n % 4]} day number {n}" for n in range(rows)]
    with (folder / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "note"])
        writer.writerows([f"r{n}", text, "kept, as it is"] for n, text in enumerate(texts))
    (folder / "task.toml").write_text(task)
    return texts


@dataclass
class Labelling:
    """A running command and its address."""

    process: subprocess.Popen[str]
    url: str
    token: str
    page: str = field(default_factory=lambda: uuid.uuid4().hex)
    annotator: str = "ann"

    def ask(self, path: str, **values: Any) -> dict[str, Any]:
        """What the page asks."""
        status, found = self.status(path, **values)
        assert status == 200, found
        return found

    def status(self, path: str, **values: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps({"page": self.page, "annotator": self.annotator, **values}).encode()
        headers = {"Content-Type": "application/json", "X-Labeltune-Token": self.token}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, body, headers), timeout=HANG_S
            ) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def rows(self, held: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The next rows."""
        found: list[dict[str, Any]] = self.ask("/rows", held=list(held))["rows"]
        return found

    def answer(self, row: dict[str, Any], *labels: list[str], **values: Any) -> dict[str, Any]:
        """Answer a row; the reply."""
        named = {"request": uuid.uuid4().hex, "seconds": 1.25, "held": []} | values
        return self.ask("/do", kind="answer", row=row["key"], labels=list(labels), **named)

    def end(self, number: int = signal.SIGINT) -> tuple[str, str]:
        """End it by a signal; what it wrote on standard output and error."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=HANG_S)


def start(folder: Path, *options: str, data: str = "in.csv", **environment: str) -> Labelling:
    """The command, once it accepts connections."""
    log = folder / f"stderr-{uuid.uuid4().hex}"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "labeltune", "label", data, "--port", "0", "--base", "linear", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment,
        )
    try:
        address = re.compile(r"label at (http://\S+)/ ;")
        wait_until(lambda: address.search(log.read_text()) or process.poll() is not None, log.read_text)
        found = address.search(log.read_text())
        assert found is not None, log.read_text()
        url = found[1].replace("0.0.0.0", "127.0.0.1")
        with urllib.request.urlopen(url, timeout=HANG_S) as page:
            token = re.search(r'"token": ?"([^"]+)"', page.read().decode())
        assert token is not None
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Labelling(process, url, token[1])


def written(path: Path) -> list[dict[str, str]]:
    """The rows of the table that was written."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
