"""Quality of the local provider's models through the whole pipeline, from the command line.

    python benchmarks/quality.py [--data ../shared/data] [--only banking77 banking77_10 goemotions]

For each data set: init, convert, upload, train, predict, evaluate, as a user would type them, in a folder of
its own. Prints accuracy and F1 of the test set, and the seconds of training and of predicting.
The data sets are not part of the project: banking77 (PolyAI, CC BY 4.0) and goemotions (Google, CC BY 4.0) as
CSV with the columns text, label or text, labels, id.
"""

from __future__ import annotations

import argparse
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

ROOT = Path(__file__).resolve().parent.parent
LABELTUNE = (sys.executable, "-m", "labeltune")


@dataclass(frozen=True)
class DataSet:
    """Where the rows are, and what to tell `init`."""

    train: str
    test: str
    validation: str | None = None
    init: tuple[str, ...] = ()


DATA_SETS = {
    "banking77": DataSet("banking77/train.csv", "banking77/test.csv"),
    "banking77_10": DataSet("banking77/train_10.csv", "banking77/test.csv"),
    "goemotions": DataSet(
        "goemotions/train.csv",
        "goemotions/test.csv",
        "goemotions/dev.csv",
        ("--label", "labels", "--delimiter", "|"),
    ),
}
"""Official train and test parts; goemotions tunes its thresholds on dev."""


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
        labeltune(folder, "init", str(data / data_set.train), *data_set.init, "-q")
        files = []
        for name, source in (("train", data_set.train), ("validation", data_set.validation)):
            if source:
                files.append(labeltune(folder, "convert", str(data / source), "-o", f"{name}.jsonl", "-q"))
        ids = labeltune(folder, "upload", *files, "-q").split()
        started = time.perf_counter()
        model = labeltune(folder, "train", *ids, "--model", "linear", "-q")
        trained = time.perf_counter()
        labeltune(folder, "predict", str(data / data_set.test), "--model", model, "-q", ok=(0, 3))
        predicted = time.perf_counter()
        report = json.loads(labeltune(folder, "evaluate", "predictions.csv", "--json", "-q"))
        return {
            "rows": report["rows"],
            "invalid": report["invalid"],
            **report["metrics"],
            "train_seconds": round(trained - started, 1),
            "predict_seconds": round(predicted - trained, 1),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


SHOWN = (
    "rows",
    "invalid",
    "accuracy",
    "macro_f1",
    "micro_f1",
    "exact_match",
    "train_seconds",
    "predict_seconds",
)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    arguments = parser.parse_args()
    print(f"| data | {' | '.join(SHOWN)} |\n|---|{'---:|' * len(SHOWN)}")
    for name in arguments.only:
        result = measure(DATA_SETS[name], arguments.data.resolve())
        cells = (result.get(key, "") for key in SHOWN)
        shown = (f"{cell:.4f}" if isinstance(cell, float) and cell <= 1 else str(cell) for cell in cells)
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
