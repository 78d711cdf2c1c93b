"""Predict over folders with a model of one's own: rows per CPU second, and memory that stays as it is.

    python benchmarks/parts.py [--rows 100000] [--more 1000000] [--large] [--per-part 20000] [--json FILE]

A `linear` model is trained on the comments of `comments.py`. Then a folder of CSV parts is predicted by one
process, once with `--rows` rows and once with `--more` (`--large`: ten times as many again), each run a
process of its own that does nothing else. Told are rows per CPU second (user and system time of all
threads, the loading of modules and model included), rows per second, and the process's peak memory: more
rows may take a tenth more at most, or the benchmark fails. The rows of the first run as one file, through
`predict` with its journal, stand beside them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comments import TASK, make_table, peak_mebibytes

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGE = 10_000_000
TRAINED_ON = 2_000
GROWTH = 1.1
"""How many times the memory of the smaller run the larger may have."""


def make_parts(source: Path, folder: Path, rows: int, per_part: int) -> int:
    """The rows of a table, again and again, as parts of so many; every text is its own. Returns the bytes."""
    with source.open(newline="", encoding="utf-8") as handle:
        header, *kept = csv.reader(handle)
    folder.mkdir()
    size = 0
    numbered = enumerate(_again(kept, rows))
    for number in range(-(-rows // per_part)):
        path = folder / f"part-{number:05}.csv"
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(header)
            for place, (name, text, *flags) in islice(numbered, per_part):
                writer.writerow([name, f"{place} {text}", *flags])
        size += path.stat().st_size
    return size


def _again(kept: list[list[str]], rows: int) -> Iterator[list[str]]:
    for number in range(rows):
        yield kept[number % len(kept)]


def train(folder: Path, home: Path) -> str:
    """Train the model in a local provider of its own; returns its name."""
    make_table(folder / "train.csv", TRAINED_ON)
    (folder / "task.toml").write_text(TASK, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "labeltune",
        "train",
        "train.csv",
        "--model",
        "linear",
        "--epochs",
        "2",
        "-q",
    ]
    done = subprocess.run(
        command, cwd=folder, env=_environment(home), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "LABELTUNE_HOME": str(home), "LABELTUNE_PROVIDER": "local", "OMP_NUM_THREADS": "1"}


def one_run(folder: Path, home: Path, model: str, data: str, out: str) -> dict[str, float]:
    """Predict in a fresh process, and what it took."""
    command = [sys.executable, __file__, "--run", model, data, out]
    done = subprocess.run(
        command, cwd=folder, env=_environment(home), check=True, stdout=subprocess.PIPE, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run_here(model: str, data: str, out: str) -> None:
    from labeltune.files.parts import names_parts
    from labeltune.prediction.parts import predict_parts
    from labeltune.prediction.predict import predict
    from labeltune.providers import resolve_provider
    from labeltune.task import read_task

    began, cpu = time.perf_counter(), time.process_time()
    call: Any = predict_parts if names_parts(data) else predict
    done = call(
        data, task=read_task("task.toml"), model=model, provider=resolve_provider("local"), output=out
    )
    figures = {"rows": done.rows, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(figures | {"peak": peak_mebibytes()}))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    home = folder / "home"
    model = train(folder, home)
    found: dict[str, dict[str, float]] = {}
    counts = [options.rows, options.more, *([LARGE] if options.large else [])]
    for rows in dict.fromkeys(counts):
        data = folder / f"in-{rows}"
        size = make_parts(folder / "train.csv", data, rows, options.per_part)
        print(f"{rows:,} rows, {size / 1e6:,.0f} MB, {len(list(data.iterdir())):,} parts", file=sys.stderr)
        found[f"a folder, {rows:,} rows"] = one_run(folder, home, model, data.name, f"out-{rows}")
        if rows == options.rows:
            make_parts(folder / "train.csv", folder / "whole", rows, rows)
            table = "whole/part-00000.csv"
            found[f"one file, {rows:,} rows"] = one_run(folder, home, model, table, "whole.csv")
    return found


def show(found: dict[str, dict[str, float]]) -> None:
    print("| what | rows per CPU second | rows per second | peak MiB |")
    print("|---|---|---|---|")
    for name, run in found.items():
        rates = [f"{run['rows'] / run[clock]:,.0f}" for clock in ("cpu", "seconds")]
        print(f"| {name} | {' | '.join(rates)} | {run['peak']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--more", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true", help=f"{LARGE:,} rows as well")
    parser.add_argument("--per-part", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(*options.run)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    peaks = [run["peak"] for name, run in found.items() if name.startswith("a folder")]
    if max(peaks) > GROWTH * peaks[0]:
        raise SystemExit(f"memory grows with the rows: {peaks[0]:.0f} MiB, then {max(peaks):.0f} MiB")


if __name__ == "__main__":
    main()
