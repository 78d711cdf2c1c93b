"""A local provider of a test's own, reached through the real SDK."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from labeltune.local import create_app
from labeltune.local.launcher import worker_lock
from protocol import tally_engine
from waiting import HANG_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob

KEY = "sk-canary-94ce"
"""What a server of a test asks of its clients."""

FINAL = ("succeeded", "failed", "cancelled")


class Provider:
    """A local provider and a client of it, on an event loop of their own."""

    def __init__(self, directory: Path, **options: Any) -> None:
        import httpx2
        from openai import AsyncOpenAI

        self.directory = directory
        self.app = create_app(directory, **options)
        self.client: AsyncOpenAI = AsyncOpenAI(
            http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.app)),
            base_url="http://local/v1",
            api_key="local",
            max_retries=0,
        )

    async def upload(self, data: bytes | None = None, purpose: Any = "fine-tune") -> str:
        content = tally_engine.records() if data is None else data
        return (await self.client.files.create(file=("data.jsonl", content), purpose=purpose)).id

    async def job(self, **options: Any) -> FineTuningJob:
        if "training_file" not in options:
            options["training_file"] = await self.upload()
        return await self.client.fine_tuning.jobs.create(**{"model": "tally", **options})

    async def wait(self, job_id: str, until: Callable[[Any], bool] | None = None) -> FineTuningJob:
        """The job as soon as it is what is waited for, by default finished."""
        deadline = time.monotonic() + HANG_S
        while True:
            job = await self.client.fine_tuning.jobs.retrieve(job_id)
            if job.status in FINAL if until is None else until(job):
                return job
            assert time.monotonic() < deadline, f"still {job.status}: {log_of(self.directory)}"
            await asyncio.sleep(0.03)

    async def trained(self, **options: Any) -> FineTuningJob:
        job = await self.wait((await self.job(**options)).id)
        assert job.status == "succeeded", job.error
        return job

    @contextlib.contextmanager
    def without_worker(self) -> Iterator[None]:
        """No worker runs while the block does; the first request after it brings one back."""
        stop_worker(self.directory)
        with worker_lock(self.directory).acquire(timeout=HANG_S):
            yield

    async def steps(self, job_id: str) -> list[int]:
        """The steps told of in metrics events, oldest first."""
        events = [event async for event in self.client.fine_tuning.jobs.list_events(job_id, limit=100)]
        return [int(event.data["step"]) for event in reversed(events) if event.type == "metrics"]  # type: ignore[index]  # the SDK types data as object


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(test)


def log_of(directory: Path) -> str:
    log = directory / "worker.log"
    return log.read_text() if log.exists() else ""


def worker_pid(directory: Path) -> int:
    """The process that last began to work in a directory."""
    begun = [line.split()[2] for line in log_of(directory).splitlines() if line.endswith("worker begins")]
    return int(begun[-1])


def stop_worker(directory: Path) -> None:
    if not directory.is_dir():
        return

    def stopped() -> bool:
        try:
            with worker_lock(directory).acquire(blocking=False):
                return True
        except Timeout:
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(worker_pid(directory), signal.SIGKILL)
            return False

    wait_until(stopped, lambda: log_of(directory))


def end_work(directory: Path) -> None:
    """Stop the worker for good: one that is just about to begin finds nothing to do, and ends."""
    stop_worker(directory)
    database = directory / "labeltune.db"
    if database.exists():
        with contextlib.closing(sqlite3.connect(database, timeout=HANG_S)) as connection, connection:
            for table in ("jobs", "batches"):
                connection.execute(f"UPDATE {table} SET status = 'cancelled'")


PROGRAM = """
import sys
from pathlib import Path
from labeltune.local import serve
serve(
    Path(sys.argv[1]), sys.argv[2], 0, sys.argv[3] or None,
    say=lambda line: print(line, file=sys.stderr, flush=True), ready=lambda url: print(url, flush=True),
)
"""


class Server:
    """A server process; `log` is what it said once it has ended."""

    def __init__(self, directory: Path, host: str = "127.0.0.1", key: str = KEY) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(directory), host, key],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.log = ""

    def end(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        self.log += self.process.communicate(timeout=HANG_S)[1]
        return self.process.returncode
