"""The real engine behind the real provider."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from protocol.harness import Provider, run, worker_pid

if TYPE_CHECKING:
    from collections.abc import Iterator

INQUIRIES = Path(__file__).parents[2] / "data" / "customer_inquiries.csv"


def _records(part: slice) -> bytes:
    with INQUIRIES.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))[part]
    return "\n".join(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": "Classify."},
                    {"role": "user", "content": row["inquiry"]},
                    {"role": "assistant", "content": row["category"]},
                ]
            }
        )
        for row in rows
    ).encode()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()


@pytest.mark.slow
def test_a_small_job_trains_and_answers_with_real_probabilities(provider: Provider) -> None:
    async def go() -> None:
        file = await provider.upload(_records(slice(0, 400)))
        validation = await provider.upload(_records(slice(400, 500)))
        job = await provider.trained(model="linear", training_file=file, validation_file=validation, seed=1)
        assert isinstance(job.hyperparameters.n_epochs, int)
        assert job.trained_tokens
        checkpoint = (await provider.client.fine_tuning.jobs.checkpoints.list(job.id)).data[0]
        assert checkpoint.metrics.full_valid_loss is not None
        reply = await provider.client.chat.completions.create(
            model=job.fine_tuned_model or "",
            messages=[
                {"role": "system", "content": "Classify."},
                {"role": "user", "content": "I want to cancel my order"},
            ],
            logprobs=True,
            top_logprobs=5,
        )
        assert reply.choices[0].message.content == "Order Management"

    run(go())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["linear", "embed"])
def test_killed_and_paused_it_makes_the_same_bytes(provider: Provider, engine: str) -> None:
    async def go() -> None:
        options = {
            "model": engine,
            "training_file": await provider.upload(_records(slice(0, 200))),
            "hyperparameters": {"n_epochs": 15, "batch_size": 1},
        }
        job = await provider.job(**options)
        jobs = provider.client.fine_tuning.jobs
        while not (await jobs.checkpoints.list(job.id)).data:
            await provider.wait(job.id, lambda job: True)
        os.kill(worker_pid(provider.directory), signal.SIGKILL)
        await provider.wait(job.id, lambda job: job.status == "running")
        await jobs.pause(job.id)
        await provider.wait(job.id, lambda job: job.status == "paused")
        await jobs.resume(job.id)
        job = await provider.wait(job.id)
        whole = await provider.trained(**options)
        steps = [(await jobs.checkpoints.list(found.id)).data[0].step_number for found in (job, whole)]
        assert steps[0] == steps[1], (job.status, job.error)
        folders = [provider.directory / "models" / found.id / f"step-{steps[0]}" for found in (job, whole)]
        assert list(_files(folders[0])) == list(_files(folders[1]))

    run(go())
