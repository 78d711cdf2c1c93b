"""How quickly the local provider trains, answers and serves: `python benchmarks/serve.py [--requests 3000]`.

Needs ../shared/data/banking77. Everything goes through the protocol: a real job trains `linear`, then
requests are sent in-process (64 in flight, client and provider in one process), over HTTP, and as a batch;
then the commands `predict` and `predict --batch` answer a table, their start with them.
Seconds depend on what else the machine does; CPU per item does not.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from openai import AsyncOpenAI

from labeltune.local import create_app
from labeltune.local.store import Store
from single_label import task_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "banking77"
IN_FLIGHT = 64
SYSTEM = "Classify the message."


COMMANDS = {"predict": 700, "predict --batch": 3_000}
"""Rows a second to be reached by each command."""
HTTP = 300
"""Requests a second to be reached by the server."""
ENOUGH = 3_000
"""With fewer rows or requests the start of the processes is most of the time, and nothing is judged."""

SERVER = """
import sys
from pathlib import Path
from labeltune.local import serve
serve(Path(sys.argv[1]), port=0, say=lambda line: None, ready=lambda url: print(url, flush=True))
"""


def read(name: str, limit: int) -> list[tuple[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as handle:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(handle)]
    return rows[:: max(1, len(rows) // limit)][:limit]


def training_file(rows: list[tuple[str, str]]) -> bytes:
    lines = [
        json.dumps({"messages": [*messages(text), {"role": "assistant", "content": label}]})
        for text, label in rows
    ]
    return "\n".join(lines).encode()


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def in_process(directory: Path) -> AsyncOpenAI:
    transport = httpx2.ASGITransport(app=create_app(directory))
    return AsyncOpenAI(
        http_client=httpx2.AsyncClient(transport=transport), base_url="http://local/v1", api_key="local"
    )


async def train(client: AsyncOpenAI, rows: list[tuple[str, str]]) -> tuple[str, float]:
    """The model, and the seconds from creating the job to its end."""
    file = await client.files.create(file=("train.jsonl", training_file(rows)), purpose="fine-tune")
    began = time.perf_counter()
    job = await client.fine_tuning.jobs.create(model="linear", training_file=file.id)
    while job.status not in ("succeeded", "failed", "cancelled"):
        await asyncio.sleep(0.05)
        job = await client.fine_tuning.jobs.retrieve(job.id)
    if job.fine_tuned_model is None:
        raise SystemExit(f"the job {job.status}: {job.error}")
    return job.fine_tuned_model, time.perf_counter() - began


async def answer_all(bodies: list[dict[str, Any]], ask: Callable[[dict[str, Any]], Awaitable[None]]) -> float:
    """Seconds to answer every body with 64 in flight."""
    waiting = iter(bodies)

    async def worker() -> None:
        for body in waiting:
            await ask(body)

    await ask(bodies[0])
    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - began


def cpu_of(pid: int) -> float:
    """CPU seconds of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worker_cpu(directory: Path) -> float:
    """CPU seconds of the worker since it started."""
    row = Store(directory, check=False).row("SELECT pid FROM worker")
    assert row is not None
    return cpu_of(row["pid"])


def own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def show(
    what: str, number: int, seconds: float, cpu: float | None = None, *, least: float | None = None
) -> None:
    rate = f"{number / seconds:9,.0f}/s"
    per = "" if cpu is None else f"{cpu / number * 1000:8.2f} ms CPU each"
    verdict = ""
    if least is not None and number >= ENOUGH:
        verdict = f"  {'pass' if number / seconds >= least else 'FAIL'}: >= {least:,}/s"
    print(f"{what:<44} {seconds:8.2f} s {rate} {per}{verdict}", flush=True)


async def measure_in_process(directory: Path, bodies: list[dict[str, Any]]) -> None:
    async with in_process(directory) as client:

        async def create(body: dict[str, Any]) -> None:
            await client.chat.completions.create(**body)

        async def post(body: dict[str, Any]) -> None:
            await client.post("/chat/completions", body=body, cast_to=httpx2.Response)

        for name, ask in (("chat.completions.create", create), ("client.post", post)):
            cpu = own_cpu()
            seconds = await answer_all(bodies, ask)
            show(f"in-process, {name}", len(bodies), seconds, own_cpu() - cpu)


async def measure_http(directory: Path, bodies: list[dict[str, Any]]) -> None:
    with subprocess.Popen(  # noqa: ASYNC220  (nothing else runs meanwhile)
        [sys.executable, "-c", SERVER, str(directory)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        limits = httpx2.Limits(max_connections=IN_FLIGHT)
        async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

            async def post(body: dict[str, Any]) -> None:
                (await client.post("/chat/completions", json=body)).raise_for_status()

            await post(bodies[0])
            cpu = cpu_of(server.pid)
            seconds = await answer_all(bodies, post)
            cpu = cpu_of(server.pid) - cpu
            show("HTTP, httpx2 client, CPU of the server", len(bodies), seconds, cpu, least=HTTP)
        server.terminate()


async def measure_batch(directory: Path, bodies: list[dict[str, Any]], copies: int) -> None:
    lines = [
        json.dumps({"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body})
        for i, body in enumerate(bodies * copies)
    ]
    async with in_process(directory) as client:
        file = await client.files.create(file=("batch.jsonl", "\n".join(lines).encode()), purpose="batch")
        began = time.perf_counter()
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status not in ("completed", "failed"):
            await asyncio.sleep(0.05)
            batch = await client.batches.retrieve(batch.id)
        seconds = time.perf_counter() - began
        show("batch, CPU of the worker with its start", len(lines), seconds, worker_cpu(directory))


def measure_commands(directory: Path, model: str, texts: list[str], labels: list[str], copies: int) -> None:
    """The commands as a user runs them, on `copies` of the texts, each a little different."""
    folder = directory.parent
    (folder / "task.toml").write_text(task_file(labels, system=SYSTEM))
    rows = [(f"{text} {copy}", labels[0]) for copy in range(copies) for text in texts]
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows])
    environment = {**os.environ, "LABELTUNE_HOME": str(directory), "LABELTUNE_PROVIDER": "local"}
    for number, (command, least) in enumerate(COMMANDS.items()):
        argv = ["labeltune", *command.split(), "rows.csv", "--model", model, "-o", f"{number}.csv", "-q"]
        cpu, began = children_cpu(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", *argv], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True
        )
        seconds = time.perf_counter() - began
        show(
            f"labeltune {command}, CPU of the command", len(rows), seconds, children_cpu() - cpu, least=least
        )
        # What one of the two has answered, the other would not ask again.
        shutil.rmtree(folder / ".labeltune")
    assert (folder / "0.csv").read_bytes() == (folder / "1.csv").read_bytes()


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="training rows")
    parser.add_argument("--requests", type=int, default=3_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        directory = Path(folder) / "provider"
        async with in_process(directory) as client:
            every = read("train.csv", 100_000)
            labels = sorted({label for _, label in every})
            few = [row for row in every if row[1] in labels[:5]][::5][:100]
            _, seconds = await train(client, few)
            show("job of 100 rows, CPU with process start", 100, seconds, worker_cpu(directory))
            model, seconds = await train(client, read("train.csv", options.rows))
            show(f"job of {options.rows:,} rows", options.rows, seconds)
        texts = [text for text, _ in read("test.csv", options.requests)]
        bodies = [
            {
                "model": model,
                "messages": messages(text),
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": 5,
                "max_completion_tokens": 64,
            }
            for text in texts
        ]
        await measure_in_process(directory, bodies)
        await measure_http(directory, bodies)
        await measure_batch(directory, bodies, copies=5)
        measure_commands(directory, model, texts, labels, copies=5)


if __name__ == "__main__":
    asyncio.run(main())
