"""The worker is killed, stopped, cancelled and paused; no job is lost, and none hangs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from labeltune.local.launcher import STALLED_S, Launcher, worker_command, worker_lock
from labeltune.local.store import Store
from labeltune.local.training import train, validate
from labeltune.local.worker import Supervisor
from protocol import tally_engine
from protocol.harness import Provider, log_of, run, worker_pid
from waiting import HANG_S, until, wait_until


@pytest.fixture
def _endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the 60 steps takes longer than anything here is waited for."""
    monkeypatch.setenv("TALLY_STEP_S", "3600")


def _state(directory: Path, job_id: str) -> bytes:
    return (directory / "models" / job_id / "step-60" / "state.json").read_bytes()


async def _saved(provider: Provider, job_id: str, checkpoints: int = 1) -> None:
    deadline = time.monotonic() + HANG_S
    while len((await provider.client.fine_tuning.jobs.checkpoints.list(job_id)).data) < checkpoints:
        assert time.monotonic() < deadline, log_of(provider.directory)
        await asyncio.sleep(0.02)


def test_a_killed_worker_is_replaced_and_the_job_goes_on_from_its_checkpoint(
    provider: Provider, allow: Callable[[int], None]
) -> None:
    async def go() -> None:
        allow(25)
        file = await provider.upload()
        job = await provider.job(training_file=file)
        await _saved(provider, job.id)
        os.kill(worker_pid(provider.directory), signal.SIGKILL)
        allow(60)
        # Another app, as after a restart: looking at the job is what brings the worker back.
        again = Provider(provider.directory)
        assert (await again.wait(job.id)).status == "succeeded"
        assert await again.steps(job.id) == list(range(1, 61))
        events = [event.message async for event in again.client.fine_tuning.jobs.list_events(job.id)]
        assert "Fine-tuning job goes on after step 20" in events
        whole = await again.trained(training_file=file)
        assert _state(provider.directory, job.id) == _state(provider.directory, whole.id)

    run(go())


async def _anew(provider: Provider) -> None:
    """The worker has left the job that it was at."""
    await until(lambda: "starting anew" in log_of(provider.directory), lambda: log_of(provider.directory))


@pytest.mark.usefixtures("_endless")
def test_a_job_whose_worker_always_dies_fails_with_a_reason(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.job()
        killed: set[int] = set()
        deadline = time.monotonic() + HANG_S
        while (now := await provider.client.fine_tuning.jobs.retrieve(job.id)).status != "failed":
            assert time.monotonic() < deadline
            with contextlib.suppress(ProcessLookupError, IndexError):
                if now.status == "running" and (pid := worker_pid(provider.directory)) not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            await asyncio.sleep(0.02)
        assert now.error is not None
        assert now.error.code == "worker_died"
        # One killed before it took up the job does not count against the job.
        assert len(killed) >= 3

    run(go())


@pytest.mark.usefixtures("_endless")
def test_cancel_takes_effect_at_once_and_the_next_job_runs(provider: Provider) -> None:
    async def go() -> None:
        first = await provider.job()
        second = await provider.job(training_file=first.training_file)
        await provider.wait(first.id, lambda job: job.status == "running")
        assert (await provider.client.fine_tuning.jobs.cancel(first.id)).status == "cancelled"
        await provider.wait(second.id, lambda job: job.status == "running")
        assert (await provider.wait(first.id)).status == "cancelled"
        assert (await provider.client.fine_tuning.jobs.checkpoints.list(first.id)).data == []
        with pytest.raises(openai.BadRequestError, match="cancelled"):
            await provider.client.fine_tuning.jobs.cancel(first.id)
        await provider.client.fine_tuning.jobs.cancel(second.id)
        await provider.wait(second.id, lambda _: log_of(provider.directory).count("cancelled") >= 2)
        assert not (provider.directory / "models" / first.id).exists()

    run(go())


@pytest.mark.usefixtures("_endless")
def test_cancel_frees_the_worker_even_within_a_long_step(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.job()
        # The numbers of the engine are the last thing that is written before the first step.
        await provider.wait(job.id, lambda job: job.hyperparameters.n_epochs == 3)
        await provider.client.fine_tuning.jobs.cancel(job.id)
        await _anew(provider)
        batch = await provider.upload(b"{}\n", purpose="batch")
        made = await provider.client.batches.create(
            input_file_id=batch, endpoint="/v1/chat/completions", completion_window="24h"
        )
        deadline = time.monotonic() + HANG_S
        while (await provider.client.batches.retrieve(made.id)).status != "failed":
            assert time.monotonic() < deadline, log_of(provider.directory)
            await asyncio.sleep(0.05)

    run(go())


@pytest.mark.parametrize("engine", ["tally", "linear", "embed"])
def test_a_cancelled_training_takes_no_further_step(provider: Provider, engine: str) -> None:
    async def go() -> None:
        with provider.without_worker():
            job = await provider.job(model=engine, hyperparameters={"n_epochs": 3, "batch_size": 2})
            store = Store(provider.directory)
            validate(store, _row(store, job.id))
            looks = 0

            def order() -> str:
                nonlocal looks
                looks += 1
                if looks == 5:
                    store.write("UPDATE jobs SET status = 'cancelled' WHERE id = ?", job.id)
                return str(_row(store, job.id)["status"])

            train(store, _row(store, job.id), order)
            # Every step but the last is followed by a look.
            assert looks == 5
            assert _row(store, job.id)["status"] == "cancelled"
            assert not (provider.directory / "models" / job.id).exists()

    run(go())


def _row(store: Store, job_id: str) -> dict[str, Any]:
    row = store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    assert row is not None
    return row


def test_a_job_that_hears_nothing_is_left_within_a_second_of_its_cancellation(provider: Provider) -> None:
    """However long its engine computes before the first step or between two; by a clock that the test has."""

    async def go() -> None:
        with provider.without_worker():
            job = await provider.job()
            store = Store(provider.directory)
            clock = 0.0
            left: list[float] = []

            def sleep(seconds: float) -> None:
                nonlocal clock
                assert seconds > 0
                clock += seconds
                if 5.0 <= clock < 5.0 + seconds:
                    store.write("UPDATE jobs SET status = 'cancelled'")
                if left or clock > 10:
                    sys.exit()

            supervisor = Supervisor(
                store, start_anew=lambda _: left.append(clock), sleep=sleep, now=lambda: clock
            )
            supervisor.watch(job.id)
            with pytest.raises(SystemExit):
                supervisor.run()
            assert len(left) == 1
            assert 5.0 < left[0] <= 6.0

    run(go())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that never ends")
def test_cancel_frees_the_worker_while_it_validates(provider: Provider) -> None:
    async def go() -> None:
        with provider.without_worker():
            file = await provider.upload()
            (provider.directory / "files" / file).unlink()
            os.mkfifo(provider.directory / "files" / file)
            job = await provider.job(training_file=file)
        await provider.wait(job.id, lambda _: f"{job.id}: validating_files" in log_of(provider.directory))
        await provider.client.fine_tuning.jobs.cancel(job.id)
        await _anew(provider)
        assert (await provider.wait(job.id)).status == "cancelled"

    run(go())


def test_pause_and_resume_give_the_model_that_would_have_been(
    provider: Provider, allow: Callable[[int], None]
) -> None:
    async def go() -> None:
        allow(25)
        jobs = provider.client.fine_tuning.jobs
        file = await provider.upload()
        job = await provider.job(training_file=file)
        await _saved(provider, job.id)
        assert str((await jobs.pause(job.id)).status) == "pausing"
        # Orders are heard between two steps.
        for step in range(26, 60):
            allow(step)
            await asyncio.sleep(0.25)
            if str((await jobs.retrieve(job.id)).status) == "paused":
                break
        paused = await jobs.retrieve(job.id)
        assert (str(paused.status), paused.finished_at) == ("paused", None)
        assert str((await jobs.pause(job.id)).status) == "paused"
        reported = await provider.steps(job.id)
        assert 20 <= reported[-1] < 60
        # While it is paused, others run.
        allow(60)
        other = await provider.trained(training_file=file)
        assert (await jobs.resume(job.id)).status == "validating_files"
        assert (await provider.wait(job.id)).status == "succeeded"
        assert await provider.steps(job.id) == list(range(1, 61))
        assert _state(provider.directory, job.id) == _state(provider.directory, other.id)
        with pytest.raises(openai.BadRequestError, match="succeeded"):
            await jobs.pause(job.id)
        with pytest.raises(openai.BadRequestError, match="succeeded"):
            await jobs.resume(job.id)

    run(go())


def test_a_worker_told_to_end_saves_and_the_next_goes_on(
    provider: Provider, allow: Callable[[int], None]
) -> None:
    async def go() -> None:
        allow(5)
        job = await provider.job()
        await provider.wait(job.id, lambda job: job.status == "running")
        pid = worker_pid(provider.directory)
        os.kill(pid, signal.SIGTERM)
        allow(60)
        assert (await provider.wait(job.id)).status == "succeeded"
        assert worker_pid(provider.directory) != pid
        assert await provider.steps(job.id) == list(range(1, 61))
        row = Store(provider.directory).row("SELECT attempts FROM jobs")
        assert row == {"attempts": 0}

    run(go())


def test_jobs_run_in_order_one_at_a_time(provider: Provider) -> None:
    async def go() -> None:
        file = await provider.upload()
        jobs = [await provider.job(training_file=file) for _ in range(3)]
        await asyncio.gather(*(provider.wait(job.id) for job in jobs))
        lines = [line.split()[-2:] for line in log_of(provider.directory).splitlines()]
        told = [name.rstrip(":") for name, status in lines if status in ("queued", "succeeded")]
        assert told == [job.id for job in jobs for _ in range(2)]

    run(go())


def test_one_worker_at_a_time_and_it_ends_when_idle(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        allow(0)
        job = await provider.job()
        await provider.wait(job.id, lambda job: job.status == "running")
        command = worker_command(provider.directory)
        second = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, timeout=HANG_S, check=False
        )
        assert second.returncode == 0
        assert b"begins" not in second.stderr
        allow(60)
        assert (await provider.wait(job.id)).status == "succeeded"
        with worker_lock(provider.directory).acquire(timeout=HANG_S, poll_interval=0.05):
            assert log_of(provider.directory).splitlines()[-1].endswith("worker ends")

    run(go())


@pytest.mark.parametrize(
    ("data", "code", "gist"),
    [
        (tally_engine.records(9), "invalid_n_examples", "9 examples"),
        (tally_engine.records(12) + b'{"messages": [], "label": 1}\n', "invalid_file_format", "Line 13"),
        (tally_engine.records(1) * 20, "training_refused", "same answer"),
    ],
    ids=["too-few", "unknown-key", "nothing-to-learn"],
)
def test_a_bad_training_file_fails_the_job_with_a_reason(
    provider: Provider, data: bytes, code: str, gist: str
) -> None:
    async def go() -> None:
        job = await provider.wait((await provider.job(training_file=await provider.upload(data))).id)
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.param) == (code, "training_file")
        assert gist in job.error.message
        events = (await provider.client.fine_tuning.jobs.list_events(job.id)).data
        assert (events[0].level, gist in events[0].message) == ("error", True)

    run(go())


def test_a_bad_validation_file_and_a_deleted_one_fail_the_job(provider: Provider) -> None:
    async def go() -> None:
        bad = await provider.upload(b"{}\n")
        job = await provider.wait((await provider.job(validation_file=bad)).id)
        assert job.error is not None
        assert (job.error.code, job.error.param) == ("invalid_file_format", "validation_file")

    run(go())


@pytest.mark.parametrize("engine", ["tally", "linear"])
def test_a_full_disk_fails_the_job_and_leaves_the_store_whole(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The limit on the size of a file stands for the disk: writing beyond it is refused by the system."""
    resource = pytest.importorskip("resource")

    async def go() -> None:
        before = await provider.trained()
        with provider.without_worker():
            job = await provider.job(model=engine, training_file=await provider.upload(_long_texts()))
        # What either saves at its first checkpoint is larger than the limit.
        monkeypatch.setenv("TALLY_BIG_SAVE", str(16 << 20))

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))

        command: Any = [*worker_command(provider.directory), "0.1"]
        await asyncio.to_thread(subprocess.run, command, preexec_fn=limit, timeout=HANG_S, check=True)
        failed = await provider.wait(job.id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error.code == "disk_full"
        assert not (provider.directory / "models" / job.id).exists()
        assert before.fine_tuned_model is not None
        reply = await provider.client.chat.completions.create(
            model=before.fine_tuned_model, messages=[{"role": "user", "content": "money"}]
        )
        assert reply.choices[0].message.content == "refund"
        Store(provider.directory)

    run(go())


def _long_texts() -> bytes:
    """A small training file with so many different words that a model of it is large."""
    rng = random.Random(0)
    lines = []
    for i in range(12):
        words = ["".join(rng.choices(string.ascii_lowercase, k=8)) for _ in range(600)]
        messages = [
            {"role": "user", "content": " ".join(words)},
            {"role": "assistant", "content": ("refund", "delivery")[i % 2]},
        ]
        lines.append(json.dumps({"messages": messages}).encode() + b"\n")
    return b"".join(lines)


def _stop_between_writes(store: Store, pid: int) -> None:
    """Let the worker stand still where it keeps nobody else from writing."""
    for _ in range(100):
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        database = sqlite3.connect(store.directory / "labeltune.db", timeout=0)
        with contextlib.closing(database), contextlib.suppress(sqlite3.OperationalError):
            database.execute("BEGIN IMMEDIATE")
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
    pytest.fail("the worker writes all the time")


@pytest.mark.usefixtures("_endless")
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to know a process")
def test_a_worker_that_stands_still_is_replaced(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        job = await provider.job()
        await provider.wait(job.id, lambda job: job.status == "running")
        store = Store(provider.directory)
        pid = worker_pid(provider.directory)
        await provider.wait(job.id, lambda _: store.row("SELECT pid FROM worker") == {"pid": pid})
        monkeypatch.setenv("TALLY_STEP_S", "0")
        _stop_between_writes(store, pid)
        await asyncio.sleep(0.6)
        assert (await provider.client.fine_tuning.jobs.retrieve(job.id)).status == "running"
        assert store.write("UPDATE worker SET heartbeat = heartbeat - ? WHERE pid = ?", STALLED_S, pid) == 1
        assert (await provider.wait(job.id)).status == "succeeded"
        assert worker_pid(provider.directory) != pid

    run(go())


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to know a process")
def test_a_process_that_is_not_our_worker_is_left_alone(provider: Provider) -> None:
    store = Store(provider.directory)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with provider.without_worker():
            store.write("INSERT OR REPLACE INTO worker VALUES (1, ?, 0)", other.pid)
            Launcher(store).wake()
        other.communicate(b"\n", timeout=HANG_S)
    assert other.returncode == 0
