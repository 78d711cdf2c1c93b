"""Every engine of the local provider on the same data, from the command line: quality, time and memory.

    python benchmarks/engines.py [--engines linear embed encoder:FOLDER llm:FOLDER …]
                                 [--data banking77_10 banking77 goemotions messages_hi messages_zh_CN]
                                 [--folder ../shared/data]
                                 [--vectors FOLDER] [--rows N] [--seed 42]

A row for each engine and data set: `labeltune train` with `--model` as the row says, then `predict --batch`
of the official test part, then `evaluate`, in a folder of its own: no vector is known beforehand. Rows
a second count the whole command, its start with it; rows a CPU second count the worker alone, the reading of
the model with it. `--vectors` adds `embed:FOLDER` to the engines. Another engine is another name after
`--engines`; `encoder` and `llm` want a model's folder and the extra `[torch]`. `--rows` asks for so many rows
of the test part only, drawn by the seed: an `llm` on a processor takes long for each. Below the rows of a
data set stand figures that others have published for all of its test part, to see the size of things by.

`messages_hi` and `messages_zh_CN` are made of what this machine's programs say in Hindi and Chinese (see
`messages.py`), and left out where it has too few: vectors of a model for English must not make `embed` worse
than `linear` there.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.local.engines import Base
from messages import write_parts
from quality import DATA_SETS, ROOT, DataSet, labeltune
from worker_cost import WorkerCost

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINES = ("linear", "embed")
SETS = ("banking77_10", "banking77", "goemotions", "messages_hi", "messages_zh_CN")
_MESSAGES = "messages_"
_FEWEST = 4
"""With messages of fewer programs a language is left out."""

SHOWN = {
    "rows": "test rows",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
    "train_cpu_s": "training, CPU s",
    "train_mib": "peak MiB",
    "rows_per_s": "batch, rows/s",
    "rows_per_cpu_s": "batch, rows/CPU s",
    "invalid": "invalid",
}

PUBLISHED = {
    "banking77_10": {"RoBERTa-base": "0.843"},
    "banking77": {
        "BERT-base": "0.931 to 0.937",
        "DistilBERT": "0.925",
        "ModernBERT-base": "0.940",
        "Llama-3.2-1B with LoRA": "0.902",
    },
}
"""Accuracies on the whole official test part that others have published, as read in 2026-11."""


def measure(engine: str, data_set: DataSet, data: Path, *, rows: int | None, seed: int) -> dict[str, Any]:
    """One engine on one data set, in a folder that is removed again."""
    folder = Path(tempfile.mkdtemp(prefix="labeltune-engines-"))
    try:
        labeltune(folder, "init", str(data / data_set.train), *data_set.init, "-q")
        parts = {"train": data_set.train, "validation": data_set.validation}
        files = [
            labeltune(folder, "convert", str(data / path), "-o", f"{part}.jsonl", "-q")
            for part, path in parts.items()
            if path is not None
        ]
        test = data / (data_set.test or "")
        asked = test if rows is None else drawn(test, folder / "test.csv", rows=rows, seed=seed)
        with WorkerCost(folder / "home") as training:
            model = labeltune(folder, "train", *files, "--model", engine, "--seed", "42", "-q")
        began = time.perf_counter()
        with WorkerCost(folder / "home") as answering:
            labeltune(folder, "predict", str(asked), "--model", model, "--batch", "-q", ok=(0, 3))
        seconds = time.perf_counter() - began
        report = json.loads(labeltune(folder, "evaluate", "predictions.csv", "--json", "-q"))
        return {
            **report["metrics"],
            "rows": report["rows"],
            "invalid": report["invalid"],
            "calibration_error": (report["calibration"] or {}).get("expected_error"),
            "train_cpu_s": training.cpu_s,
            "train_mib": training.peak_mib,
            "rows_per_s": _rate(report["rows"], seconds),
            "rows_per_cpu_s": _rate(report["rows"], answering.cpu_s),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def parts_of(name: str, folder: Path) -> Iterator[tuple[DataSet | None, Path]]:
    """A data set and the folder that it lies in; None where this machine has none of that name."""
    if not name.startswith(_MESSAGES):
        yield DATA_SETS[name], folder
        return
    with tempfile.TemporaryDirectory(prefix="labeltune-messages-") as made:
        programs = write_parts(Path(made), name.removeprefix(_MESSAGES))
        found = DataSet("train.csv", "test.csv", init=("--text", "text", "--label", "label"))
        yield found if programs >= _FEWEST else None, Path(made)


def drawn(table: Path, out: Path, *, rows: int, seed: int) -> Path:
    """So many rows of a CSV table, all if it has fewer, in an order that the seed sets; `out`."""
    with table.open(encoding="utf-8", newline="") as lines:
        header, *found = csv.reader(lines)
    random.Random(seed).shuffle(found)
    with out.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *found[:rows]])
    return out


def _rate(rows: int, seconds: float | None) -> float | None:
    if not seconds:
        return None
    rate = rows / seconds
    return round(rate) if rate >= 10 else round(rate, 2)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), metavar="BASE")
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--vectors", type=Path, help="a sentence model's folder")
    parser.add_argument("--rows", type=int, metavar="N", help="so many rows of the test part; all")
    parser.add_argument("--seed", type=int, default=42, help="draws the rows of the test part")
    asked = parser.parse_args()
    engines = list(asked.engines)
    if asked.vectors is not None:
        engines.append(f"embed:{asked.vectors}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(f"| data | engine | {' | '.join(SHOWN.values())} |\n|---|---|{'---:|' * len(SHOWN)}", flush=True)
    for name in asked.data:
        with parts_of(name, asked.folder.resolve()) as (data_set, folder):
            if data_set is None:
                print(f"{name} is left out: this machine's programs say too little", file=sys.stderr)
                continue
            for engine in engines:
                # Commands run in folders of their own: the base's is named from the root on.
                base = str(Base.parse(engine).located())
                found = measure(base, data_set, folder, rows=asked.rows, seed=asked.seed)
                values = [_shown(found.get(key)) for key in SHOWN]
                print(f"| {name} | `{short(engine)}` | {' | '.join(values)} |", flush=True)
        for model, accuracy in PUBLISHED.get(name, {}).items():
            empty = " | " * (len(SHOWN) - 2)
            print(f"| {name} | {model}, published |  | {accuracy}{empty} |", flush=True)


def short(engine: str) -> str:
    """The name of a base with the last part of its folder alone."""
    base = Base.parse(engine)
    return str(Base(base.engine, Path(base.source).name, base.options))


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) and value <= 1 else f"{value:,}"


if __name__ == "__main__":
    main()
