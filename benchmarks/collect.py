"""Rows a second of the commands that bring data in, as whole processes, against the least a script could do.

    python benchmarks/collect.py [--rows 100000] [--runs 3] [--only NAME…]

`import` reads each format and writes CSV, all checks on. The rival for a format reads the same file with
orjson (an array with `json.load`), takes text and label, and writes CSV with the csv module: no recognising,
no counting, one pass.

`clean` reads a folder of HTML pages, a twentieth as many as rows: main text, mojibake, space, language,
duplicates. The rival is trafilatura alone: the main text of each page, written as CSV.

Runs alternate; CPU is user and system time of the child; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LABELS = ("Refund", "Lost card", "Order status", "Cancellation")
HEADER = f"{'what':<24}{'rows/s':>10}{'rival':>10}{'CPU':>9}{'rival':>9}{'MiB':>7}{'rival':>7}"

# ----------------------------------------------------------------------------------------------- what is read


def text(number: int) -> str:
    return f'Where is parcel {number}? "It" should be here by now, I ordered it three weeks ago.\nThanks 😀'


def label(number: int) -> str:
    return LABELS[number % len(LABELS)]


def doccano(rows: int) -> Iterator[str]:
    for n in range(rows):
        yield json.dumps({"id": n, "text": text(n), "label": [label(n)], "Comments": []}) + "\n"


def prodigy(rows: int) -> Iterator[str]:
    for n in range(rows):
        record = {
            "text": text(n),
            "_input_hash": n,
            "_task_hash": n,
            "accept": [label(n)],
            "answer": "accept",
        }
        yield json.dumps({**record, "options": [{"id": one, "text": one} for one in LABELS]}) + "\n"


def label_studio(rows: int) -> Iterator[str]:
    yield "["
    for n in range(rows):
        result = {
            "from_name": "label",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [label(n)]},
        }
        task = {"id": n, "data": {"text": text(n)}, "annotations": [{"completed_by": 1, "result": [result]}]}
        yield ("," if n else "") + json.dumps(task)
    yield "]"


def fasttext(rows: int) -> Iterator[str]:
    for n in range(rows):
        yield f"__label__{label(n).replace(' ', '-')} {text(n)}".replace("\n", " ") + "\n"


_SCRIPT = """\
import csv, json, sys, orjson
source = open(sys.argv[1], encoding="utf-8")
with source, open(sys.argv[2], "w", newline="", encoding="utf-8") as target:
    write = csv.writer(target).writerow
    write(["text", "label"])
    {loop}
"""
SCRIPTS = {
    "doccano": 'for line in source: row = orjson.loads(line); write([row["text"], row["label"][0]])',
    "prodigy": 'for line in source: row = orjson.loads(line); write([row["text"], row["accept"][0]])',
    "label-studio": (
        "for row in json.load(source): write("
        '[row["data"]["text"], row["annotations"][0]["result"][0]["value"]["choices"][0]])'
    ),
    "fasttext": 'for line in source: name, _, rest = line.partition(" "); write([rest.rstrip(), name[9:]])',
}
MADE: dict[str, Callable[[int], Iterator[str]]] = {
    "doccano": doccano,
    "prodigy": prodigy,
    "label-studio": label_studio,
    "fasttext": fasttext,
}


@dataclass(frozen=True)
class Measured:
    """A command and its rival: what makes the input, and the arguments of each."""

    make: Callable[[Path, int], None]
    command: Callable[[Path, Path], list[str]]
    rival: Callable[[Path, Path], list[str]]
    every: int = 1
    """one input for so many rows"""


@cache
def vocabulary() -> list[str]:
    """30,000 made words; they are drawn so that the n-th comes about 1/n times as often as the first."""
    draw = random.Random(0)
    return ["".join(draw.choices("aeiounrstl", k=draw.randint(3, 9))) for _ in range(30_000)]


def page(number: int) -> str:
    """A page of some 6 kB: a menu, an article of words of a vocabulary, common and rare ones, a footer."""
    menu = "".join(f'<li><a href="/shelf-{shelf}">Shelf {shelf}</a></li>' for shelf in range(40))
    draw = random.Random(number)
    words = vocabulary()
    parts = [words[int(len(words) ** draw.random()) - 1] for _ in range(400)]
    text = "".join(
        f"<p>The letter {number} about my parcel says {' '.join(parts[at : at + 40])}, and nothing else.</p>"
        for at in range(0, len(parts), 40)
    )
    return (
        f"<!DOCTYPE html><html><head><title>{number}</title></head><body><nav><ul>{menu}</ul></nav>"
        f"<main><article><h1>Letter {number}</h1>{text}</article></main>"
        "<footer>All rights reserved</footer></body></html>"
    )


CLEAN_SCRIPT = """\
import csv, pathlib, sys, trafilatura
with open(sys.argv[2], "w", newline="", encoding="utf-8") as target:
    write = csv.writer(target).writerow
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.html")):
        write([path.name, trafilatura.extract(path.read_text(encoding="utf-8"), include_comments=False)])
"""


def cleaning() -> Measured:
    def make(folder: Path, pages: int) -> None:
        folder.mkdir()
        for number in range(pages):
            (folder / f"{number:07}.html").write_text(page(number), encoding="utf-8")

    ours = [sys.executable, "-m", "labeltune", "clean"]
    return Measured(
        make,
        lambda source, out: [*ours, str(source), "-o", str(out), "--language", "en", "-q"],
        lambda source, out: [sys.executable, "-c", CLEAN_SCRIPT, str(source), str(out)],
        every=20,
    )


def importing(name: str) -> Measured:
    def make(path: Path, rows: int) -> None:
        with path.open("w", encoding="utf-8") as handle:
            handle.writelines(MADE[name](rows))

    script = _SCRIPT.format(loop=SCRIPTS[name])
    return Measured(
        make,
        lambda source, out: [sys.executable, "-m", "labeltune", "import", str(source), "-o", str(out), "-q"],
        lambda source, out: [sys.executable, "-c", script, str(source), str(out)],
    )


COMMANDS: dict[str, Measured] = {f"import {name}": importing(name) for name in MADE} | {"clean": cleaning()}
"""What is measured: a command that brings data in is a line here."""

# ------------------------------------------------------------------------------------------------- the runs


def run(command: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MiB of a child."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command[:5])}: exit code {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(name: str, rows: int, runs: int) -> None:
    measured = COMMANDS[name]
    rows //= measured.every
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        measured.make(source, rows)
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(run(measured.command(source, Path(folder) / "ours.csv")))
            theirs.append(run(measured.rival(source, Path(folder) / "theirs.csv")))
    (seconds, cpu, memory), (other_seconds, other_cpu, other_memory) = (
        tuple(map(statistics.median, zip(*each, strict=True))) for each in (ours, theirs)
    )
    print(
        f"{name:<24}{rows / seconds:>10,.0f}{rows / other_seconds:>10,.0f}{cpu:>8.2f}s{other_cpu:>8.2f}s"
        f"{memory:>7.0f}{other_memory:>7.0f}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[*COMMANDS], default=[*COMMANDS])
    arguments = parser.parse_args()
    print(f"{arguments.rows:,} rows, medians of {arguments.runs}\n{HEADER}")
    for name in arguments.only:
        measure(name, arguments.rows, arguments.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
