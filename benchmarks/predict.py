"""Speed of predict against a server that answers after a fixed delay.

    python benchmarks/predict.py [--rows 6000] [--delay 0.05] [--in-flight 64] [--repeat 3] [--way NAME]
    python benchmarks/predict.py --large [N]   # N or a million rows, labeltune alone: its memory

Compared: the published tutorial loop (one request after the other), plain `AsyncOpenAI` with as many workers
as requests may be in flight, and `labeltune predict`: reading, journal and writing included. The share is of
what the delay allows, in flight / delay requests a second; CPU is the client process's, without its imports.
The server is a process of its own: with fewer than two free cores it is part of what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "card_arrival", "refusal": None},
            "logprobs": {
                "content": [
                    {
                        "token": token,
                        "logprob": -0.1,
                        "bytes": list(token.encode()),
                        "top_logprobs": [
                            {"token": other, "logprob": -0.1 - place, "bytes": list(other.encode())}
                            for place, other in enumerate((token, "lost", "Refund"))
                        ],
                    }
                    for token in ("card", "_arrival")
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 60, "completion_tokens": 2, "total_tokens": 62},
}

WARM_ROWS = 64
LARGE = 1_000_000

LABELS = ["card_arrival", "Refund_not_showing_up", "lost card"]
SYSTEM = "Name the intent."


class _Server(asyncio.Protocol):
    """Answers every request after the delay; just enough HTTP to be no bottleneck."""

    delay = 0.0
    body = json.dumps(ANSWER).encode()
    reply = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    ) + body

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            get = head.startswith(b"get")
            self.buffer = self.buffer[end + 4 + length :]
            answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n" if get else self.reply
            asyncio.get_running_loop().call_later(0.0 if get else self.delay, self.transport.write, answer)


async def serve(delay: float) -> None:
    _Server.delay = delay
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def rows(count: int) -> Iterator[list[str]]:
    for number in range(count):
        yield [
            f"My card number {number} has not come yet, where is it and when will it be here? " * 2,
            "lost card",
        ]


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text.strip()}]


def the_loop(url: str, count: int, _in_flight: int) -> None:
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="k")
    with Path("data.csv").open() as source, Path("out.csv").open("w") as target:
        writer = csv.writer(target)
        for _, row in zip(range(count), csv.DictReader(source), strict=False):
            answer = client.chat.completions.create(
                model="m",
                temperature=0,
                messages=messages(row["text"]),  # type: ignore[arg-type]  # as the tutorial has it
            )
            writer.writerow([row["text"], answer.choices[0].message.content])


def plain_sdk(url: str, count: int, in_flight: int) -> None:
    from openai import AsyncOpenAI

    async def main(table: Iterator[dict[str, str]], writer: Any) -> None:
        async with AsyncOpenAI(base_url=url, api_key="k") as client:
            left = iter(range(count))

            async def work() -> None:
                for _ in left:
                    row = next(table)
                    answer = await client.chat.completions.create(
                        model="m",
                        temperature=0,
                        logprobs=True,
                        messages=messages(row["text"]),  # type: ignore[arg-type]  # plain dictionaries
                    )
                    writer.writerow([row["text"], answer.choices[0].message.content])

            await asyncio.gather(*(work() for _ in range(in_flight)))

    with Path("data.csv").open() as source, Path("out.csv").open("w") as target:
        asyncio.run(main(csv.DictReader(source), csv.writer(target)))


def labeltune(url: str, count: int, in_flight: int) -> None:
    from labeltune.prediction.options import PredictOptions
    from labeltune.prediction.predict import predict
    from labeltune.providers import resolve_provider
    from labeltune.task import read_task

    options = PredictOptions(concurrency=in_flight, limit=count)
    done = predict(
        "data.csv",
        task=read_task("task.toml"),
        model="m",
        provider=resolve_provider(url),
        output="out.csv",
        options=options,
    )
    assert not done.invalid
    assert done.rows == count


WAYS: dict[str, Callable[[str, int, int], None]] = {
    "loop": the_loop,
    "sdk": plain_sdk,
    "labeltune": labeltune,
}


def measure(way: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """One run in a fresh process and folder; its seconds, without the start of the interpreter."""
    from single_label import task_file  # not by the ways that are measured: it would count as their memory

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "task.toml").write_text(task_file(LABELS, system=SYSTEM))
        with (place / "data.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["text", "label"])
            writer.writerows(rows(count))
        arguments = [sys.executable, str(Path(__file__).resolve()), "--way", way, "--url", url]
        arguments += ["--rows", str(count), "--in-flight", str(in_flight)]
        output = subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(output)
    return figures


def run_way(way: str, url: str, count: int, in_flight: int) -> None:
    """In the fresh process: once for a few rows in another folder, for the imports, then all."""
    here = Path.cwd()
    warm = here / "warm"
    warm.mkdir()
    shutil.copy("task.toml", warm)
    with Path("data.csv").open() as data, (warm / "data.csv").open("w") as copy:
        copy.writelines(islice(data, 1 + WARM_ROWS))
    os.chdir(warm)
    WAYS[way](url, WARM_ROWS, in_flight)
    os.chdir(here)
    began, cpu = time.perf_counter(), time.process_time()
    WAYS[way](url, count, in_flight)
    figures = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--large", type=int, nargs="?", const=LARGE, help="so many rows, a million, once")
    parser.add_argument("--way", choices=list(WAYS), help="only this one")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve))
    if options.url:
        run_way(options.way, options.url, options.rows, options.in_flight)
        return
    # So that the server and the run under way end with this process.
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    delay = 0.0 if options.large else options.delay
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    try:
        report(url, options, delay)
    finally:
        server.terminate()


def report(url: str, options: argparse.Namespace, delay: float) -> None:
    ways = ["labeltune"] if options.large else [options.way] if options.way else list(WAYS)
    possible = options.in_flight / delay if delay else float("nan")
    print(f"{'':20} {'requests/s':>10} {'share':>6} {'CPU ms/row':>10} {'peak MB':>8}")
    for way in ways:
        # The loop is one at a time: fewer rows tell the same.
        count = min(options.rows, 200) if way == "loop" else options.rows
        count = options.large or count
        times = 1 if options.large or way == "loop" else options.repeat
        figures = [measure(way, url, count, options.in_flight) for _ in range(times)]
        rate = statistics.median(count / figure["seconds"] for figure in figures)
        cpu = statistics.median(figure["cpu"] / count * 1000 for figure in figures)
        memory = max(figure["memory"] for figure in figures)
        print(f"{way:20} {rate:10.0f} {rate / possible:6.2f} {cpu:10.3f} {memory:8.0f}")


if __name__ == "__main__":
    main()
