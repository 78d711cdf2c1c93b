"""How fast check is against convert on the same table, in CPU seconds, and how far estimated tokens are off.

    python benchmarks/check.py [--rows 160000] [--repeat 3]
    python benchmarks/check.py --tokens

Each figure is the smallest of several runs, each in a process of its own, one after the other; memory is that
process's peak. The table is that of `convert.py`, but for one row in fifty: a copy of an earlier one,
as it is or in capitals. Target: a table and a chat file of 160,000 records are checked in at most twice the
time that convert takes. Ends with 1 if it is missed.

`--tokens` compares the estimate with exact counts, by the extra `[tokens]`, on the English sets beside the
checkout. Target: at most 10 % of each set's total.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from comments import TASK, make_table, peak_mebibytes

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
COPIES = 0.02
SETS = (
    ("banking77/train.csv", "text"),
    ("banking77/test.csv", "text"),
    ("goemotions/train.csv", "text"),
    ("goemotions/test.csv", "text"),
    ("jigsaw_sample/train.csv", "comment_text"),
)


def one(what: str, folder: Path) -> None:
    """One run, told as JSON."""
    from labeltune.prepare.check import CheckOptions, check
    from labeltune.prepare.convert import convert
    from labeltune.task import parse_task

    task = parse_task(TASK)
    started = time.process_time()
    if what == "convert":
        convert(task, folder / "data.csv", folder / "data.jsonl", on_error="skip")
    else:
        done = check([folder / f"data.{what}"], task, CheckOptions(tokens="estimate"))
        assert any(code == "duplicate" for _, code in done.counts), "the copies were not found"
    cpu = time.process_time() - started
    print(json.dumps({"cpu": cpu, "peak": peak_mebibytes()}))


def speed(rows: int, repeat: int) -> bool:
    """Whether a table and a chat file are checked in twice the time of convert."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_table(folder / "data.csv", rows, copies=COPIES)
        megabytes = (folder / "data.csv").stat().st_size / 1e6
        print(f"{rows:,} rows, {megabytes:.0f} MB")
        best: dict[str, tuple[float, float]] = {}
        for _ in range(repeat):
            for what in ("convert", "csv", "jsonl"):
                run = subprocess.run(
                    [sys.executable, __file__, "--one", what, name],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                figures = json.loads(run.stdout)
                cpu, peak = best.get(what, (float("inf"), 0.0))
                best[what] = min(cpu, figures["cpu"]), max(peak, figures["peak"])
    base = best["convert"][0]
    names = {"convert": "convert", "csv": "check, table", "jsonl": "check, chat file"}
    print(f"{'':18}{'CPU s':>8}{'ratio':>8}{'peak MiB':>9}")
    for what, (cpu, peak) in best.items():
        print(f"{names[what]:18}{cpu:>8.2f}{cpu / base:>8.2f}{peak:>9.0f}")
    return all(cpu <= 2 * base for cpu, _ in best.values())


def tokens() -> bool:
    """Whether the estimate is within a tenth of the exact count, on each set."""
    from labeltune.pricing.tokens import Estimator, token_counter

    exact, estimate = token_counter(mode="exact"), Estimator()
    good = True
    print(f"{'':26}{'texts':>8}{'tokens':>11}{'estimate':>11}{'error':>8}")
    for name, column in SETS:
        with (SHARED / name).open(encoding="utf-8", newline="") as handle:
            texts = [row[column] for row in csv.DictReader(handle)]
        counted, estimated = exact.total(texts), estimate.total(texts)
        error = estimated / counted - 1
        good = good and abs(error) <= 0.1
        print(f"{name:26}{len(texts):>8,}{counted:>11,.0f}{estimated:>11,.0f}{error:>+8.1%}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=160_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tokens", action="store_true", help="measure the estimate of tokens instead")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one[0], Path(arguments.one[1]))
        return 0
    good = tokens() if arguments.tokens else speed(arguments.rows, arguments.repeat)
    if not good:
        print("missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
