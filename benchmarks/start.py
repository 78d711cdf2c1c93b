"""What it costs to start, in CPU milliseconds and as ratios to importing Typer.

    python benchmarks/start.py [--runs 15]

Each figure is the smallest of several processes, the commands taking turns. Targets: help, version and usage
errors at most 2.5 times `import typer`; `convert` of ten rows at most 4 times. Ends with 1 if one is missed.
`empty` is a Typer program with one empty command: what Typer itself asks for as soon as it reads arguments.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from single_label import task_file

LABELTUNE = (sys.executable, "-m", "labeltune")
REFERENCE = "import typer"
HELP, CONVERT = 2.5, 4.0

EMPTY = """\
import typer
app = typer.Typer(rich_markup_mode=None)
@app.command()
def one(number: int = 1) -> None: ...
@app.command()
def two() -> None: ...
app()
"""

WAYS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "python -c pass": ((sys.executable, "-c", "pass"), None),
    REFERENCE: ((sys.executable, "-c", "import typer"), None),
    "empty, one": ((sys.executable, "-c", EMPTY, "one"), None),
    "empty, no such command": ((sys.executable, "-c", EMPTY, "three"), None),
    "--help": ((*LABELTUNE, "--help"), HELP),
    "--version": ((*LABELTUNE, "--version"), HELP),
    "train --help": ((*LABELTUNE, "train", "--help"), HELP),
    "no such command": ((*LABELTUNE, "no-such-command"), HELP),
    "a missing option": ((*LABELTUNE, "train", "train.jsonl"), HELP),
    "convert, ten rows": ((*LABELTUNE, "convert", "ten.csv"), CONVERT),
}
"""What is measured: the command, and how many times the reference it may cost."""


def cost(command: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of one process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    os.environ.pop("LABELTUNE_TASK", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "task.toml").write_text(task_file(["a", "b"]))
        (folder / "ten.csv").write_text("text,label\n" + "some words,a\nother words,b\n" * 5)
        # The first round compiles, and is not counted.
        rounds = [{way: cost(command, folder) for way, (command, _) in WAYS.items()} for _ in range(runs + 1)]
    best = {way: min(each[way] for each in rounds[1:]) for way in WAYS}
    missed = 0
    print(f"{'':<24} {'CPU ms':>7} {'wall ms':>8} {'ratio':>6}  target")
    for way, (_, target) in WAYS.items():
        ratio = best[way][0] / best[REFERENCE][0]
        missed += target is not None and ratio > target
        verdict = "" if target is None else f"≤ {target}{'' if ratio <= target else '  MISSED'}"
        print(f"{way:<24} {best[way][0] * 1e3:>7.0f} {best[way][1] * 1e3:>8.0f} {ratio:>6.2f}  {verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
