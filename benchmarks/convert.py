"""Speed and memory of convert, against the published loops and the fast libraries, with the same bytes out.

    python benchmarks/convert.py [--rows 160000] [--runs 5] [--large] [--only NAME…] [--json FILE]

Compared: the tutorial loop (`csv.DictReader`, an f-string, `json.dumps`), the other tutorial (pandas
`iterrows`), pandas in chunks with orjson, polars, and `labeltune convert` with all its checks on. Each run is
a process of its own, and the runs of all ways alternate, so that other work on the machine meets each of
them. Seconds are those of the conversion, all modules loaded (a table of ten rows is converted first); CPU is
user and system time of all threads; memory is the process's peak. The table is made here: quotes, commas,
line ends and emoji in comments of varying length, six 0/1 columns.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from comments import AFTER, BEFORE, LABELS, NONE, SYSTEM, TASK, make_table, peak_mebibytes

LARGE = 1_600_000

# -------------------------------------------------------------------------------------------------- the ways


def record(text: str, labels: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{BEFORE}{text}{AFTER}"},
            {"role": "assistant", "content": labels},
        ]
    }


def the_loop(data: str, out: str) -> None:
    with open(data, newline="", encoding="utf-8") as source, open(out, "w", encoding="utf-8") as target:  # noqa: PTH123  # as published
        for row in csv.DictReader(source):
            labels = ",".join(label for label in LABELS if row[label] == "1") or NONE
            made = record(row["comment_text"].strip(), labels)
            target.write(json.dumps(made, ensure_ascii=False) + "\n")


def pandas_iterrows(data: str, out: str) -> None:
    import pandas as pd

    with Path(out).open("w", encoding="utf-8") as target:
        for _, row in pd.read_csv(data).iterrows():
            labels = ",".join(label for label in LABELS if row[label] == 1) or NONE
            made = record(row["comment_text"].strip(), labels)
            target.write(json.dumps(made, ensure_ascii=False) + "\n")


def spaced(line: bytes) -> bytes:
    """Our records have the separators of json.dumps, orjson's have no space: only the frame differs."""
    start = b'{"messages": [{"role": "system", "content": "'
    line = line.replace(start.replace(b": ", b":").replace(b", ", b","), start, 1)
    line = line.replace(b'"},{"role":"user","content":"', b'"}, {"role": "user", "content": "', 1)
    head, middle, tail = line.rpartition(b'"},{"role":"assistant","content":"')
    return head + middle.replace(b",", b", ").replace(b":", b": ") + tail


def pandas_orjson(data: str, out: str) -> None:
    import orjson
    import pandas as pd

    with Path(out).open("wb") as target:
        for chunk in pd.read_csv(data, chunksize=20_000, keep_default_na=False):
            texts = chunk["comment_text"].str.strip()
            flags = chunk[LABELS].to_numpy() == 1
            sets: dict[bytes, str] = {}
            for text, row in zip(texts, flags, strict=True):
                key = row.tobytes()
                labels = sets.get(key)
                if labels is None:
                    applying = [label for label, on in zip(LABELS, row, strict=True) if on]
                    labels = sets[key] = ",".join(applying) or NONE
                target.write(spaced(orjson.dumps(record(text, labels))) + b"\n")


def polars_sink(data: str, out: str) -> None:
    import polars as pl

    def literal(text: str) -> Any:
        return pl.lit(json.dumps(text, ensure_ascii=False)[1:-1])

    frame = pl.scan_csv(data, schema_overrides={"comment_text": pl.String})
    # In polars a text is escaped by making it a structure, and that JSON: {"t":"…"}.
    structure = pl.struct(t=pl.col("comment_text").str.strip_chars())
    text = structure.struct.json_encode().str.slice(6).str.head(-2)
    flags = [pl.when(pl.col(label) == 1).then(pl.lit(label)) for label in LABELS]
    labels = pl.concat_str(flags, separator=",", ignore_nulls=True)
    labels = pl.when(labels == "").then(pl.lit(NONE)).otherwise(labels)  # a column, not a string
    line = pl.concat_str(
        pl.lit('{"messages": [{"role": "system", "content": "'),
        literal(SYSTEM),
        pl.lit('"}, {"role": "user", "content": "'),
        literal(BEFORE),
        text,
        literal(AFTER),
        pl.lit('"}, {"role": "assistant", "content": "'),
        labels,
        pl.lit('"}]}'),
    )
    lines = frame.select(line.alias("line"))
    lines.sink_csv(out, include_header=False, quote_style="never", separator="\x01", line_terminator="\n")


def labeltune_convert(data: str, out: str) -> None:
    from labeltune.prepare.convert import convert
    from labeltune.task import parse_task

    convert(parse_task(TASK), data, out)


WAYS = {
    "the tutorial loop": the_loop,
    "pandas iterrows": pandas_iterrows,
    "pandas chunks + orjson": pandas_orjson,
    "polars": polars_sink,
    "labeltune convert": labeltune_convert,
}
LOOP, OURS = "the tutorial loop", "labeltune convert"

# ------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one way: seconds, CPU seconds, and peak memory in MiB."""

    wall: float
    cpu: float
    peak: float


def one_run(way: str, data: Path, out: Path) -> Run:
    command = [sys.executable, __file__, "--way", way, str(data), str(out)]
    return Run(*json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def run_here(way: str, data: str, out: str) -> Run:
    """One run in this process, after one that loads what it needs."""
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.csv"
        make_table(warm, 10)
        WAYS[way](str(warm), f"{folder}/warm.jsonl")
    wall, cpu = time.perf_counter(), time.process_time()
    WAYS[way](data, out)
    return Run(time.perf_counter() - wall, time.process_time() - cpu, peak_mebibytes())


def measure(ways: list[str], rows: int, runs: int, folder: Path) -> dict[str, dict[str, float]]:
    data = folder / f"{rows}.csv"
    make_table(data, rows)
    found: dict[str, list[Run]] = {way: [] for way in ways}
    hashes: dict[str, str] = {}
    size = 0
    for _ in range(runs):
        for way in ways:
            out = folder / "out.jsonl"
            found[way].append(one_run(way, data, out))
            size = out.stat().st_size
            with out.open("rb") as handle:
                hashes[way] = hashlib.file_digest(handle, "sha256").hexdigest()
            out.unlink()
    differing = [way for way in ways if hashes[way] != hashes[ways[0]]]
    if differing:
        raise SystemExit(f"other bytes than {ways[0]}: {', '.join(differing)}")
    sizes = f"{data.stat().st_size / 1e6:.0f} MB of CSV, {size / 1e6:.0f} MB of records"
    print(f"{rows:,} rows, {sizes}, the same bytes from all")
    data.unlink()
    return {
        way: {
            "wall": statistics.median(run.wall for run in taken),
            "cpu": statistics.median(run.cpu for run in taken),
            "peak": max(run.peak for run in taken),
        }
        for way, taken in found.items()
    }


def show(table: dict[str, dict[str, float]]) -> None:
    base = table.get(LOOP)
    print("| way | seconds | CPU seconds | × the loop, wall | × the loop, CPU | peak MiB |")
    print("|---|---|---|---|---|---|")
    for way, row in table.items():
        ratios = [f"{base[key] / row[key]:.2f}" if base else "" for key in ("wall", "cpu")]
        print(f"| {way} | {row['wall']:.2f} | {row['cpu']:.2f} | {' | '.join(ratios)} | {row['peak']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=160_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", action="store_true", help=f"{LARGE:,} rows as well, in one run each")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--way", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(astuple(run_here(*arguments.way))))
        return
    figures = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        sizes = [(arguments.rows, arguments.runs)] + ([(LARGE, 1)] if arguments.large else [])
        for rows, runs in sizes:
            figures[rows] = measure(arguments.only, rows, runs, Path(folder))
            show(figures[rows])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
