"""Quality of the local provider's models through the whole pipeline, from the command line.

    python benchmarks/quality.py [--data ../shared/data] [--only banking77 goemotions] [--small]

For each data set: init, convert, upload, train, predict, evaluate, as a user would type them, in a folder of
its own. Prints what the test set says, beside what is to be reached; ends with 1 if something is not.
`--small` takes only the data sets of this repository. Seconds of CPU are judged, others only told.
The larger data sets are not part of the project: banking77 (PolyAI, CC BY 4.0) and goemotions (Google, CC BY
4.0) as CSV with the columns text, label or text, labels, id.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeltune.local.store import Store

ROOT = Path(__file__).resolve().parent.parent
LABELTUNE = (sys.executable, "-m", "labeltune")


@dataclass(frozen=True)
class DataSet:
    """Where the rows are, what to tell `init`, and what is to be reached: `>=` or `<=` a number."""

    train: str
    test: str | None = None
    validation: str | None = None
    init: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


DATA_SETS = {
    "inquiries": DataSet("customer_inquiries.csv", targets=("illegal_pairs <= 0", "invalid <= 0")),
    "comments": DataSet("comments.csv", init=("--answer", "flags"), targets=("invalid <= 0",)),
    "banking77": DataSet(
        "banking77/train.csv",
        "banking77/test.csv",
        targets=("accuracy >= 0.915", "calibration_error <= 0.03", "train_cpu_s <= 20"),
    ),
    "banking77_10": DataSet(
        "banking77/train_10.csv",
        "banking77/test.csv",
        targets=("accuracy >= 0.765", "calibration_error <= 0.03"),
    ),
    "goemotions": DataSet(
        "goemotions/train.csv",
        "goemotions/test.csv",
        "goemotions/dev.csv",
        ("--label", "labels", "--delimiter", "|"),
        targets=("macro_f1 >= 0.49", "micro_f1 >= 0.56", "train_cpu_s <= 60"),
    ),
}
"""Official parts; goemotions tunes its thresholds on dev. What has no test part is split."""

SMALL = ("inquiries", "comments")


def labeltune(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """Run one command in a folder; its standard output, stripped."""
    env = {**os.environ, "LABELTUNE_PROVIDER": "local", "LABELTUNE_HOME": str(folder / "home")}
    run = subprocess.run(
        [*LABELTUNE, *arguments], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    if run.returncode not in ok:
        raise SystemExit(f"labeltune {' '.join(arguments)} ended with {run.returncode}")
    return run.stdout.strip()


def measure(data_set: DataSet, data: Path) -> dict[str, Any]:
    """The pipeline on one data set: metrics and seconds."""
    folder = Path(tempfile.mkdtemp(prefix="labeltune-quality-"))
    try:
        train = str(data / data_set.train)
        labeltune(folder, "init", train, *data_set.init, "-q")
        if data_set.test is None:
            train, test = labeltune(folder, "split", train, "--sizes", "train=0.8,test=0.2", "-q").split("\n")
        else:
            test = str(data / data_set.test)
        files = [labeltune(folder, "convert", train, "-o", "train.jsonl", "-q")]
        if data_set.validation:
            rows = str(data / data_set.validation)
            files.append(labeltune(folder, "convert", rows, "-o", "validation.jsonl", "-q"))
        ids = labeltune(folder, "upload", *files, "-q").split()
        started = time.perf_counter()
        model = labeltune(folder, "train", *ids, "--model", "linear", "-q")
        trained = time.perf_counter()
        cpu = worker_cpu(folder / "home")
        labeltune(folder, "predict", test, "--model", model, "-q", ok=(0, 3))
        predicted = time.perf_counter()
        report = json.loads(labeltune(folder, "evaluate", "predictions.csv", "--json", "-q"))
        with (folder / "predictions.csv").open(encoding="utf-8", newline="") as lines:
            problems = [row["problem"] for row in csv.DictReader(lines)]
        return {
            "rows": report["rows"],
            "invalid": report["invalid"],
            "illegal_pairs": problems.count("illegal_pair"),
            **report["metrics"],
            "calibration_error": (report["calibration"] or {}).get("expected_error"),
            "train_cpu_s": cpu,
            "train_s": round(trained - started, 1),
            "predict_s": round(predicted - trained, 1),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worker_cpu(home: Path) -> float | None:
    """CPU seconds of the process that trained, its start with it; None where the system does not tell."""
    row = Store(home, check=False).row("SELECT pid FROM worker")
    try:
        assert row is not None
        fields = Path(f"/proc/{row['pid']}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 1)


def is_met(target: str, result: dict[str, Any]) -> bool | None:
    """Whether a target such as `accuracy >= 0.9` is met; None if it was not measured."""
    name, sign, number = target.split()
    value = result.get(name)
    if value is None:
        return None
    return bool(value >= float(number) if sign == ">=" else value <= float(number))


SHOWN = (
    "rows",
    "invalid",
    "accuracy",
    "macro_f1",
    "micro_f1",
    "exact_match",
    "calibration_error",
    "train_cpu_s",
    "train_s",
    "predict_s",
)


def main() -> int:
    """Measure and print a Markdown table; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", choices=DATA_SETS)
    parser.add_argument("--small", action="store_true", help="only the data sets of this repository")
    arguments = parser.parse_args()
    print(f"| data | {' | '.join(SHOWN)} |\n|---|{'---:|' * len(SHOWN)}", flush=True)
    lines, missed = [], 0
    for name in arguments.only or (SMALL if arguments.small else DATA_SETS):
        folder = ROOT / "data" if name in SMALL else arguments.data.resolve()
        result = measure(DATA_SETS[name], folder)
        print(f"| {name} | {' | '.join(_shown(result.get(key)) for key in SHOWN)} |", flush=True)
        for target in DATA_SETS[name].targets:
            met = is_met(target, result)
            missed += met is False
            verdict = {True: "pass", False: "FAIL", None: "not measured"}[met]
            lines.append(f"| {name} | {target} | {_shown(result.get(target.split()[0]))} | {verdict} |")
    print("\n| data | to reach | reached | |\n|---|---|---:|---|", *lines, sep="\n")
    return 1 if missed else 0


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) and value <= 1 else str(value)


if __name__ == "__main__":
    sys.exit(main())
