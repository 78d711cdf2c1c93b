"""Parts of a folder predicted by one process and by the workers of a Ray cluster: rows per CPU second.

    python benchmarks/parts_ray.py [--parts 12] [--rows 10000] [--workers 2] [--runs 3]
    python benchmarks/parts_ray.py --flat 100000 1000000 [--new-words] [--rows 10000] [--workers 2]

Needs the extra `[ray]`. The CPU is that of who predicts: of this process, and of each worker, while they have
a part; what Ray's own processes take stands beside it. Targets: a worker does 0.93 of the rows of one process
in a CPU second, and the files are the same to the last byte.

`--flat` measures memory instead: for each of these numbers of rows in all, in parts of `--rows`, the command
itself runs, and the peak of its process and of its largest worker are told. More rows may take a tenth more
than the first number of them, or the benchmark fails. With `--new-words` each row has words of its own.
Files lie below TMPDIR, about 0.3 KB a row, and go after each number.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labeltune as lt
from labeltune.distributed.cluster import Cluster, on_cluster
from labeltune.distributed.processes import descendants
from labeltune.files.parts import list_parts, open_output
from labeltune.local.carrying import pack_model
from labeltune.prediction.options import PredictOptions
from labeltune.prediction.parts import PartCall, PartPredictor
from labeltune.prediction.parts.distributed import PredictWork
from labeltune.providers import resolve_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.files.parts import Part, PartsOutput

TARGET = 0.93
GROWTH = 1.1
"""How many times the memory of the first number of rows a later one may take."""
LOOK_S = 0.2
NEW_WORDS = 5
"""How many words a row has that no other one has."""
LABELS = ("alpha", "beta", "gamma", "delta")
TASK = f"""\
version = 1
text = ["text"]
[[field]]
name = "intent"
type = "single"
column = "label"
labels = {list(LABELS)!r}
[prompt]
system = "Name the intent."
user = "{{text}}"
[answer]
format = "label"
""".replace("'", '"')


@dataclass(frozen=True)
class Timed:
    """The work, and the CPU seconds and the memory that each part took."""

    work: PredictWork

    def start(self) -> Callable[[Part], tuple[float, int]]:
        """Get ready."""
        do = self.work.start()

        def timed(part: Part) -> tuple[float, int]:
            began = time.process_time()
            do(part)
            return time.process_time() - began, peak(os.getpid())

        return timed


def peak(pid: int) -> int:
    """Peak memory of a process in MiB; 0 where it has ended."""
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    for line in told.splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) >> 10
    return 0


def write(path: Path, rows: int, seed: int, *, new_words: int = 0) -> None:
    chance = random.Random(seed)
    words = {label: [f"{label}{number}" for number in range(40)] for label in LABELS}
    with path.open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["text", "label"])
        for row in range(rows):
            label = chance.choice(LABELS)
            text = [
                chance.choice(words[label if chance.random() < 0.5 else chance.choice(LABELS)])
                for _ in range(15)
            ]
            text += [f"new{seed}x{row}x{number}" for number in range(new_words)]
            out.writerow([" ".join(text), label])


def call_of(run: PartsOutput, model: str, directory: Path) -> PartCall:
    return PartCall(
        task=TASK, source="task.toml", model=model, provider="local", directory=str(directory),
        options=PredictOptions(), input=str(Path("in").absolute()), output=run.place.root,
        run=run.manifest.run, scratch=str(run.scratch.absolute()), state=str(Path(".labeltune").absolute()),
    )  # fmt: skip


def digest(folder: str) -> str:
    found = hashlib.sha256()
    for path in sorted(Path(folder).glob("part-*")):
        found.update(path.read_bytes())
    return found.hexdigest()


def here(model: str, directory: Path, out: str) -> dict[str, Any]:
    """All parts in this process."""
    with open_output(out, list_parts("in", out), {}, command="predict") as run:
        with PartPredictor(call_of(run, model, directory)) as predictor:
            began = time.process_time()
            rows = sum(predictor.predict(part).counts["rows"] for part in run.pending())
            cpu = time.process_time() - began
        run.finish()
    return {"rows_per_cpu": rows / cpu, "digest": digest(out), "rows": rows}


def on_ray(model: str, directory: Path, out: str, workers: int) -> dict[str, Any]:
    """All parts by workers, on a cluster that is started for it."""
    began = time.perf_counter()
    with open_output(out, list_parts("in", out), {}, command="predict") as run:
        call = call_of(run, model, directory)
        with on_cluster(Cluster(), workers) as running:
            started = time.perf_counter() - began
            work = Timed(PredictWork(call, pack_model(directory, model), running.folder))
            with closing(running.on_ray.run_parts(run.pending(), work, running.workers)) as done:
                told = [outcome.result for _, outcome in done]
        run.finish()
    cpu = sum(one for one, _ in told)
    return {
        "cpu": cpu,
        "started": started,
        "wall": time.perf_counter() - began,
        "worker_mib": max(memory for _, memory in told),
        "driver_mib": peak(os.getpid()),
        "digest": digest(out),
    }


# ------------------------------------------------------------------------------------------------ memory


def flat(sizes: list[int], options: argparse.Namespace, model: str) -> int:
    """The command over so many rows in all, one number after the other; returns the exit code."""
    found = []
    print("| rows | parts | rows per second | driver, peak MiB | worker, peak MiB |\n|---|---|---|---|---|")
    for total in sizes:
        Path("in").mkdir()
        parts = -(-total // options.rows)
        for number in range(parts):
            rows = min(options.rows, total - number * options.rows)
            new_words = NEW_WORDS if options.new_words else 0
            write(Path(f"in/part-{number:05}.csv"), rows, 10 + number, new_words=new_words)
        began = time.perf_counter()
        driver, worker = watched(model, options.workers)
        rate = total / (time.perf_counter() - began)
        assert len([*Path("out").glob("part-*.csv")]) == parts
        shutil.rmtree("in")
        shutil.rmtree("out")
        print(f"| {total:,} | {parts:,} | {rate:,.0f} | {driver} | {worker} |", flush=True)
        found.append((driver, worker))
    grown = max(now / first for one in found[1:] for now, first in zip(one, found[0], strict=True))
    print(f"grown {grown:.3f} times at most; target {GROWTH}")
    return 0 if grown <= GROWTH else 1


def watched(model: str, workers: int) -> tuple[int, int]:
    """Peak MiB of the command's process, and of the largest of its workers."""
    command = [sys.executable, "-m", "labeltune", "predict", "in", "-o", "out", "--model", model, "-q"]
    command += ["--provider", "local", "--distributed", "ray", "--workers", str(workers)]
    driver = worker = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(LOOK_S)
            driver = max(driver, peak(process.pid))
            for pid, _ in descendants(process.pid):
                if "PartActor" in title(pid):
                    worker = max(worker, peak(pid))
    assert process.returncode == 0
    assert worker, "no worker was seen"
    return driver, worker


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def size_of(name: str) -> float:
    """MiB of an installed distribution."""
    found = distribution(name)
    return (
        sum(
            path.stat().st_size
            for one in found.files or ()
            if (path := Path(str(found.locate_file(one)))).is_file()
        )
        / 2**20
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--flat", type=int, nargs="+", metavar="ROWS", help="measure memory instead")
    parser.add_argument("--new-words", action="store_true", help="each row has words that no other has")
    told = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="labeltune-parts-") as folder:
        os.chdir(folder)
        os.environ["LABELTUNE_HOME"] = str(Path(folder) / "home")
        Path("task.toml").write_text(TASK, encoding="utf-8")
        write(Path("train.csv"), 2_000, 1)
        model = lt.train("train.csv", task="task.toml", model="linear", provider="local").model
        assert model is not None
        if told.flat:
            return flat(told.flat, told, model)
        Path("in").mkdir()
        for number in range(told.parts):
            write(Path(f"in/part-{number:03}.csv"), told.rows, 10 + number)
        directory = resolve_provider("local").directory
        assert directory is not None
        shares, first, last = [], {}, {}
        for number in range(told.runs):
            first = here(model, directory, f"here-{number}")
            last = on_ray(model, directory, f"ray-{number}", told.workers)
            last["rows_per_cpu"] = first["rows"] / last["cpu"]
            assert last["digest"] == first["digest"], "other bytes"
            shares.append(last["rows_per_cpu"] / first["rows_per_cpu"])
            print(
                f"one process {first['rows_per_cpu']:,.0f} rows per CPU second, {told.workers} workers "
                f"{last['rows_per_cpu']:,.0f} each: {shares[-1]:.3f}; started in {last['started']:.1f} s, "
                f"{last['wall']:.1f} s in all;"
                f" peak MiB: driver {last['driver_mib']}, worker {last['worker_mib']}"
            )
    share = statistics.median(shares)
    print(f"a worker does {share:.3f} of the rows of one process in a CPU second; target {TARGET}")
    print(f"the extra: ray {size_of('ray'):.0f} MiB installed")
    return 0 if share >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
