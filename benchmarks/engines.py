"""Every engine of the local provider on the same data, from the command line: quality, time and memory.

    python benchmarks/engines.py [--engines linear embed …] [--data banking77_10 banking77 goemotions]
                                 [--folder ../shared/data] [--vectors FOLDER]

A row for each engine and data set: `labeltune train` with `--model` as the row says, then `predict --batch`
of the official test part, then `evaluate`, in a folder of its own: no vector is known beforehand. Rows
a second count the whole command, its start with it. `--vectors` adds `embed:FOLDER` to the engines. Another
engine is another name after `--engines`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from labeltune.local.store import Store
from quality import DATA_SETS, ROOT, labeltune, worker_cpu

ENGINES = ("linear", "embed")
SETS = ("banking77_10", "banking77", "goemotions")

SHOWN = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
    "train_cpu_s": "training, CPU s",
    "train_mib": "peak MiB",
    "rows_per_s": "batch, rows/s",
    "invalid": "invalid",
}


def measure(engine: str, name: str, data: Path) -> dict[str, Any]:
    """One engine on one data set, in a folder that is removed again."""
    data_set = DATA_SETS[name]
    folder = Path(tempfile.mkdtemp(prefix="labeltune-engines-"))
    try:
        labeltune(folder, "init", str(data / data_set.train), *data_set.init, "-q")
        parts = {"train": data_set.train, "validation": data_set.validation}
        files = [
            labeltune(folder, "convert", str(data / path), "-o", f"{part}.jsonl", "-q")
            for part, path in parts.items()
            if path is not None
        ]
        model = labeltune(folder, "train", *files, "--model", engine, "--seed", "42", "-q")
        cost = {"train_cpu_s": worker_cpu(folder / "home"), "train_mib": worker_peak(folder / "home")}
        began = time.perf_counter()
        labeltune(
            folder, "predict", str(data / (data_set.test or "")), "--model", model, "--batch", "-q", ok=(0, 3)
        )
        seconds = time.perf_counter() - began
        report = json.loads(labeltune(folder, "evaluate", "predictions.csv", "--json", "-q"))
        return {
            **report["metrics"],
            "invalid": report["invalid"],
            "calibration_error": (report["calibration"] or {}).get("expected_error"),
            "rows_per_s": round(report["rows"] / seconds),
            **cost,
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worker_peak(home: Path) -> int | None:
    """The most memory that the process which trained has had, in MiB; None where the system does not tell."""
    row = Store(home, check=False).row("SELECT pid FROM worker")
    try:
        assert row is not None
        status = Path(f"/proc/{row['pid']}/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), metavar="BASE")
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--vectors", type=Path, help="a sentence model's folder")
    arguments = parser.parse_args()
    engines = list(arguments.engines)
    if arguments.vectors is not None:
        engines.append(f"embed:{arguments.vectors.resolve()}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(f"| data | engine | {' | '.join(SHOWN.values())} |\n|---|---|{'---:|' * len(SHOWN)}", flush=True)
    for name in arguments.data:
        for engine in engines:
            found = measure(engine, name, arguments.folder.resolve())
            values = (_shown(found.get(key)) for key in SHOWN)
            kind, _, where = engine.partition(":")
            shown = f"{kind}:{Path(where).name}" if where else kind
            print(f"| {name} | `{shown}` | {' | '.join(values)} |", flush=True)


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) and value <= 1 else f"{value:,}"


if __name__ == "__main__":
    main()
