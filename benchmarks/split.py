"""How alike the parts of a split are, and how soon they are found, against iterative-stratification.

    python benchmarks/split.py [--small] [--large] [--runs 5] [--file]

CPU seconds, the largest deviation of a label's share of a part from its share of the whole and the same for
pairs of labels, in millionths, and by how many rows a part misses its size: medians over tables drawn anew.
`--large` adds 1,600,000 rows, `--small` leaves it at a tenth of the rows. `--file` measures the command
itself on a CSV.

Targets: deviations never larger, sizes exact, at least 10 times as fast at 160,000 x 28, and no slower with
40,000 combinations. Ends with 1 if one is missed.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.prepare.stratify import Combinations, stratify

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

SHARES = (0.8, 0.1, 0.1)
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
"""A small process that runs a command: the children of a large one begin as large. CPU seconds and MB."""


def comments(rows: int, rng: np.random.Generator) -> Bools:
    """Six overlapping labels, most of them under one that nine rows in ten lack."""
    toxic = rng.random(rows) < 0.096
    shares = np.array([0.1, 0.53, 0.031, 0.49, 0.09])
    others = rng.random((rows, 5)) < np.where(toxic[:, None], shares, shares / 100)
    return np.column_stack([toxic, others])


def emotions(rows: int, rng: np.random.Generator) -> Bools:
    """One of 28 labels for most rows, up to three for some; common and rare ones."""
    share = 1 / (np.arange(28) + 1.5)
    drawn = rng.choice(28, (rows, 3), p=share / share.sum())
    single = rng.random(rows) < 0.84
    drawn[single, 1:] = drawn[single, :1]
    vectors = np.zeros((rows, 28), np.bool_)
    vectors[np.arange(rows)[:, None], drawn] = True
    return vectors


def independent(rows: int, rng: np.random.Generator) -> Bools:
    """28 labels that know nothing of each other: about 40,000 combinations in 160,000 rows."""
    return rng.random((rows, 28)) < np.linspace(0.02, 0.2, 28)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One split: CPU seconds, deviations of labels and pairs as shares, and rows beside the size."""

    seconds: float
    label: float
    pair: float
    missed: int


def measure(vectors: Bools, make: Callable[[], Ints]) -> Outcome:
    """Split once, and compare the parts with the whole the long way."""
    started = time.process_time()
    parts = make()
    seconds = time.process_time() - started
    every = vectors.astype(np.float32)
    whole = every.T @ every / len(every)
    off = np.zeros_like(whole)
    missed = 0
    for part, size in enumerate(sizes_of(len(vectors))):
        rows = every[parts == part]
        off = np.maximum(off, np.abs(rows.T @ rows / len(rows) - whole))
        missed = max(missed, abs(len(rows) - size))
    label = float(off.diagonal().max())
    np.fill_diagonal(off, 0)
    return Outcome(seconds, label, float(off.max()), missed)


def sizes_of(rows: int) -> list[int]:
    """The rows of each part."""
    return [round(rows * share) for share in SHARES]


def theirs(vectors: Bools, seed: int) -> Ints:
    from iterstrat.ml_stratifiers import IterativeStratification

    state = np.random.RandomState(seed)  # what it takes
    parts: Ints = IterativeStratification(labels=vectors, r=np.array(SHARES), random_state=state)
    return parts


def ours(vectors: Bools, seed: int) -> Ints:
    return stratify(Combinations.of_vectors(vectors), sizes_of(len(vectors)), seed=seed)


def median(outcomes: list[Outcome]) -> Outcome:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(outcome, name) for outcome in outcomes))

    return Outcome(middle("seconds"), middle("label"), middle("pair"), round(middle("missed")))


def compare(name: str, draw: Any, rows: int, *, runs: int, faster: float) -> bool:
    """Both ways on the same tables, and whether the targets are met."""
    own, other, combinations = [], [], []
    for seed in range(runs):
        vectors = draw(rows, np.random.default_rng(seed))
        combinations.append(len(Combinations.of_vectors(vectors).starts) - 1)
        own.append(measure(vectors, lambda: ours(vectors, seed)))  # noqa: B023  # called at once
        other.append(measure(vectors, lambda: theirs(vectors, seed)))  # noqa: B023
    one, two = median(own), median(other)
    found = f"{rows:,} x {vectors.shape[1]} {name}, {statistics.median(combinations):,} combinations"
    for who, outcome in (("labeltune", one), ("iterative-stratification", two)):
        off = f"{outcome.label * 1e6:,.0f} | {outcome.pair * 1e6:,.0f}"
        print(f"| {found} | {who} | {outcome.seconds:.3f} | {off} | {outcome.missed:,} |")
        found = f"ratio {two.seconds / one.seconds:.1f}"
    return (
        one.label <= two.label
        and one.pair <= two.pair
        and max(outcome.missed for outcome in own) == 0
        and two.seconds / one.seconds >= faster
    )


def command(rows: int) -> None:
    """The command on a CSV of so many rows: read, split and written; with and without duplicates."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(30_000)])
    share = 1 / (np.arange(len(words)) + 2)
    share /= share.sum()
    labels = [f"label{number}" for number in range(28)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.csv"
        vectors = emotions(rows, rng)
        with data.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["text", "labels"])
            for row in vectors:
                text = " ".join(rng.choice(words, int(rng.lognormal(3.5, 0.6)) + 3, p=share))
                writer.writerow([text, "|".join(labels[place] for place in np.flatnonzero(row))])
        labeltune = [sys.executable, "-m", "labeltune"]
        task = ["-t", f"{folder}/task.toml"]
        subprocess.run(
            [*labeltune, "init", str(data), "-q", "-o", task[1], "--label", "labels", "--delimiter", "|"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        size = data.stat().st_size
        for option in ("--no-keep-duplicates-together", "--keep-duplicates-together"):
            found = subprocess.run(
                [sys.executable, "-c", MEASURED, *labeltune, "split", str(data), *task, "-o", folder, option],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            seconds, peak = map(float, found.split())
            print(
                f"split of {rows:,} rows ({size / 1e6:.0f} MB), {option}: {seconds:.2f} s of CPU, "
                f"{peak:.0f} MB at most"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--file", action="store_true")
    chosen = parser.parse_args()
    rows = 16_000 if chosen.small else 160_000
    # A small table takes so little time that a ratio says nothing.
    fast = 0.0 if chosen.small else 10.0
    cases = [
        ("comments", comments, rows, fast),
        ("emotions", emotions, rows, fast),
        ("independent", independent, rows, min(fast, 1.0)),
    ]
    if chosen.large:
        cases.append(("emotions", emotions, 1_600_000, fast))
    print("| table | way | CPU s | label, ppm | pair, ppm | rows beside the size |")
    print("|---|---|---|---|---|---|")
    met = [compare(name, draw, n, runs=chosen.runs, faster=faster) for name, draw, n, faster in cases]
    if chosen.file:
        command(rows)
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
