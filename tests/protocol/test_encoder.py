"""The engine `encoder` through the local provider: curve, checkpoints, kill, pause, cancel, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from protocol.harness import Provider, log_of, run, worker_pid
from unit.local.tiny_models import need_torch, record, single, tiny_encoder
from waiting import HANG_S, until

if TYPE_CHECKING:
    from pathlib import Path

need_torch()

pytestmark = pytest.mark.slow

LONG = {"n_epochs": 16, "batch_size": 8}
ENDLESS = {"n_epochs": 50, "batch_size": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


def lines(records: Any) -> bytes:
    return b"".join(json.dumps({"messages": row}).encode() + b"\n" for row in records)


async def begin(provider: Provider, folder: Path, **options: Any) -> Any:
    if "training_file" not in options:
        options["training_file"] = await provider.upload(lines(single()))
    return await provider.job(**{"model": f"encoder:{folder}", "seed": 1, **options})


async def checkpoints(provider: Provider, job_id: str, count: int) -> None:
    deadline = time.monotonic() + HANG_S
    while len((await provider.client.fine_tuning.jobs.checkpoints.list(job_id)).data) < count:
        assert time.monotonic() < deadline, log_of(provider.directory)
        # Looking at the job is what brings a killed worker back.
        await provider.client.fine_tuning.jobs.retrieve(job_id)
        await asyncio.sleep(0.02)


def weights(provider: Provider, job: Any) -> bytes:
    steps = (provider.directory / "models" / job.id).glob("step-*")
    last = max(steps, key=lambda path: int(path.name.removeprefix("step-")))
    (file,) = last.glob("weights-*.safetensors")
    content: bytes = file.read_bytes()
    return content


def test_a_job_tells_its_curve_and_every_checkpoint_answers(provider: Provider, folder: Path) -> None:
    async def go() -> None:
        job = await begin(
            provider,
            folder,
            validation_file=await provider.upload(lines(single(30, seed=1))),
            hyperparameters={"n_epochs": 6, "batch_size": 16},
        )
        job = await provider.wait(job.id)
        assert job.status == "succeeded", job.error
        assert job.fine_tuned_model is not None
        assert job.fine_tuned_model.startswith(f"ft:encoder-{folder.name}:local:")
        events = [event async for event in provider.client.fine_tuning.jobs.list_events(job.id, limit=100)]
        curve: list[Any] = [event.data for event in events if event.type == "metrics"]
        assert curve[-1]["train_loss"] > curve[0]["train_loss"]
        assert curve[0]["full_valid_loss"] < 1.0986
        assert all(point["rows_per_second"] > 0 for point in curve[:-1])
        assert curve[0]["seconds_left"] == 0
        assert curve[-2]["seconds_left"] > 0
        made = (await provider.client.fine_tuning.jobs.checkpoints.list(job.id)).data
        assert [point.step_number for point in made] == [48, 40, 32]
        create: Any = provider.client.chat.completions.create
        for model in [job.fine_tuned_model, *(point.fine_tuned_model_checkpoint for point in made)]:
            replies = await asyncio.gather(
                *(create(model=model, messages=row[:-1], logprobs=True) for row in single(40, seed=2))
            )
            right = [
                reply.choices[0].message.content == row[-1]["content"]
                for reply, row in zip(replies, single(40, seed=2), strict=True)
            ]
            assert sum(right) > 20

    run(go())


def test_the_figures_of_a_model_are_those_of_the_epoch_that_it_is_of(
    provider: Provider, folder: Path
) -> None:
    wrong = [[*row[:-1], {**row[-1], "content": "card"}] for row in single(40, seed=1)]

    async def go() -> None:
        validation = await provider.upload(lines(wrong))
        started = await begin(provider, folder, validation_file=validation, hyperparameters=LONG)
        job = await provider.wait(started.id)
        assert job.status == "succeeded", job.error
        jobs = provider.client.fine_tuning.jobs
        last, worse, best = (await jobs.checkpoints.list(job.id)).data
        assert last.metrics.full_valid_loss == best.metrics.full_valid_loss
        assert last.metrics.full_valid_loss != worse.metrics.full_valid_loss
        told = [event.message async for event in jobs.list_events(job.id, limit=100)]
        (kept,) = (message for message in told if message.startswith("The model is that of epoch"))
        assert f"({last.metrics.full_valid_loss:.4f})" in kept

    run(go())


def test_killed_and_paused_a_job_ends_with_the_same_bytes(provider: Provider, folder: Path) -> None:
    async def go() -> None:
        file = await provider.upload(lines(single()))
        killed = await begin(provider, folder, training_file=file, hyperparameters=LONG)
        await checkpoints(provider, killed.id, 1)
        os.kill(worker_pid(provider.directory), signal.SIGKILL)
        again = Provider(provider.directory)
        await checkpoints(again, killed.id, 3)
        await again.client.fine_tuning.jobs.pause(killed.id)
        await again.wait(killed.id, lambda job: job.status in ("paused", "succeeded"))
        await again.client.fine_tuning.jobs.resume(killed.id)
        killed = await again.wait(killed.id)
        assert killed.status == "succeeded", killed.error
        told = [event.message async for event in again.client.fine_tuning.jobs.list_events(killed.id)]
        assert sum("goes on after step" in message for message in told) == 2
        whole = await again.wait((await begin(again, folder, training_file=file, hyperparameters=LONG)).id)
        assert whole.status == "succeeded", whole.error
        assert weights(again, killed) == weights(again, whole)

    run(go())


def test_a_cancelled_job_frees_the_worker(provider: Provider, folder: Path) -> None:
    async def go() -> None:
        job = await begin(provider, folder, hyperparameters=ENDLESS)
        await checkpoints(provider, job.id, 1)
        assert (await provider.client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
        await until(
            lambda: f"{job.id}: cancelled" in log_of(provider.directory), lambda: log_of(provider.directory)
        )
        second = await begin(provider, folder, hyperparameters={"n_epochs": 1})
        assert (await provider.wait(second.id)).status == "succeeded"

    run(go())


def test_a_batch_is_answered_as_single_requests_are(provider: Provider, folder: Path) -> None:
    async def go() -> None:
        job = await provider.wait((await begin(provider, folder, hyperparameters={"n_epochs": 6})).id)
        asked = single(100, seed=3)
        requests = b"".join(
            json.dumps(
                {
                    "custom_id": str(number),
                    "method": "POST",
                    "url": "/v1/chat/completions",
                    "body": {"model": job.fine_tuned_model, "messages": row[:-1], "logprobs": True},
                }
            ).encode()
            + b"\n"
            for number, row in enumerate(asked)
        )
        batch = await provider.client.batches.create(
            input_file_id=await provider.upload(requests, purpose="batch"),
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )
        deadline = time.monotonic() + HANG_S
        while batch.status not in ("completed", "failed"):
            assert time.monotonic() < deadline, log_of(provider.directory)
            await asyncio.sleep(0.05)
            batch = await provider.client.batches.retrieve(batch.id)
        assert batch.output_file_id is not None, batch.errors
        content = (await provider.client.files.content(batch.output_file_id)).content
        found = {
            line["custom_id"]: line["response"]["body"] for line in map(json.loads, content.splitlines())
        }
        for number, row in enumerate(asked[:10]):
            reply = await provider.client.chat.completions.create(
                model=str(job.fine_tuned_model),
                messages=row[:-1],  # type: ignore[arg-type]
                logprobs=True,
            )
            alone, together = reply.choices[0], found[str(number)]["choices"][0]
            assert alone.message.content == together["message"]["content"]
            assert alone.logprobs is not None
            assert alone.logprobs.content is not None
            assert alone.logprobs.content[0].logprob == pytest.approx(
                together["logprobs"]["content"][0]["logprob"], abs=1e-5
            )

    run(go())


@pytest.mark.parametrize("options", ["#rank=many", "#windows=12", ""])
def test_what_can_be_seen_before_is_refused_at_once(provider: Provider, options: str, folder: Path) -> None:
    async def go() -> None:
        source = folder if options else folder / "nowhere"
        with pytest.raises(openai.BadRequestError) as caught:
            await begin(provider, source, model=f"encoder:{source}{options}")
        assert caught.value.code == ("invalid_option" if options else "model_not_available")

    run(go())


def test_what_is_seen_later_fails_the_job_with_a_code_and_a_sentence(
    provider: Provider, folder: Path, tmp_path: Path
) -> None:
    async def go() -> None:
        vanishing = shutil.copytree(folder, tmp_path / "vanishing")
        with provider.without_worker():
            gone = await begin(provider, vanishing)
            shutil.rmtree(vanishing)
        wild = await begin(provider, folder, hyperparameters={"learning_rate_multiplier": 1e38})
        one = await begin(
            provider,
            folder,
            training_file=await provider.upload(lines([record(f"card {n}", "card") for n in range(20)])),
        )
        for job, code, words in (
            (gone, "model_not_available", "there is no such folder"),
            (wild, "training_refused", "the loss is not finite any more"),
            (one, "training_refused", "have the same answer"),
        ):
            failed = await provider.wait(job.id)
            assert failed.status == "failed"
            assert failed.error is not None
            assert failed.error.code == code
            assert words in failed.error.message

    run(go())
