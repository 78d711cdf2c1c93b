"""What jobs leave on the disk: models and their checkpoints, and nothing of those that were cancelled or failed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from labeltune.errors import DiskError
from labeltune.local import carrying, exporting, training
from labeltune.local.engines.linear.engine import Linear
from labeltune.local.importing import import_model
from labeltune.local.model_files import Files, files_of
from labeltune.local.store import Store
from labeltune.local.stored_models import hash_of_model
from labeltune.local.sweep import sweep
from labeltune.local.training import train, validate
from protocol.harness import Provider, log_of, run
from waiting import HANG_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def folders(provider: Provider) -> list[str]:
    return [path.name for path in (provider.directory / "models").iterdir()]


async def _with_checkpoint(provider: Provider, allow: Callable[[int], None]) -> str:
    """A running job that has saved its first checkpoint and waits."""
    allow(25)
    job = await provider.job()
    deadline = time.monotonic() + HANG_S
    while not (await provider.client.fine_tuning.jobs.checkpoints.list(job.id)).data:
        assert time.monotonic() < deadline, log_of(provider.directory)
        await asyncio.sleep(0.02)
    return job.id


def test_a_cancelled_job_leaves_no_checkpoints(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        assert folders(provider) == [job]
        await provider.client.fine_tuning.jobs.cancel(job)
        await until(lambda: folders(provider) == [], lambda: log_of(provider.directory))
        assert (await provider.client.fine_tuning.jobs.checkpoints.list(job)).data == []
        listed = [model.id async for model in provider.client.models.list()]
        assert not [name for name in listed if ":ckpt-step-" in name]

    run(go())


def test_a_paused_job_that_is_cancelled_leaves_none_though_no_worker_runs(
    provider: Provider, allow: Callable[[int], None]
) -> None:
    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        with provider.without_worker():
            store = Store(provider.directory)
            store.write("UPDATE jobs SET status = 'paused' WHERE id = ?", job)
            await provider.client.fine_tuning.jobs.cancel(job)
            assert folders(provider) == []

    run(go())


def test_a_failed_job_leaves_no_checkpoints(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        with provider.without_worker():
            store = Store(provider.directory)
            # As if its worker had died again and again since.
            store.write("UPDATE jobs SET attempts = 99 WHERE id = ?", job)
            row = store.row("SELECT * FROM jobs WHERE id = ?", job)
            assert row is not None
            train(store, row, lambda: "running")
            assert folders(provider) == []
        assert (await provider.wait(job)).status == "failed"
        assert (await provider.client.fine_tuning.jobs.checkpoints.list(job)).data == []

    run(go())


def test_the_next_worker_clears_what_cancelled_jobs_left_before(
    provider: Provider, allow: Callable[[int], None]
) -> None:
    """Of earlier versions, which kept it, and of workers that were killed."""

    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        with provider.without_worker():
            store = Store(provider.directory)
            store.write("UPDATE jobs SET status = 'cancelled', finished_at = 1 WHERE id = ?", job)
            assert store.rows("SELECT * FROM models WHERE job_id = ?", job) != []
            sweep(store)
            assert folders(provider) == []
            assert store.rows("SELECT * FROM models WHERE job_id = ?", job) == []
            assert store.rows("SELECT * FROM checkpoints WHERE job_id = ?", job) == []

    run(go())


def test_what_was_being_saved_goes_with_the_job_but_not_while_it_trains(
    provider: Provider, directory: Path, allow: Callable[[int], None]
) -> None:
    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        with provider.without_worker():
            half = directory / "models" / job / "step-40.building"
            half.mkdir()
            store = Store(directory)
            sweep(store)
            assert half.is_dir()
        allow(60)
        await provider.wait(job)
        await until(lambda: not half.exists(), lambda: log_of(directory))

    run(go())


def test_a_paused_training_is_kept_by_the_sweep(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        job = await _with_checkpoint(provider, allow)
        with provider.without_worker():
            store = Store(provider.directory)
            store.write("UPDATE jobs SET status = 'paused' WHERE id = ?", job)
            sweep(store)
            assert folders(provider) == [job]

    run(go())


def test_a_model_in_use_by_a_batch_is_not_deleted(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        name = str(job.fine_tuned_model)
        with provider.without_worker():
            batch = await _batch(provider, name)
            with pytest.raises(openai.ConflictError, match=batch) as caught:
                await provider.client.models.delete(name)
            assert caught.value.code == "model_in_use"
            # Another checkpoint than the one that answers is free.
            assert (await provider.client.models.delete(f"{name}:ckpt-step-20")).deleted
            await provider.client.batches.cancel(batch)
        await _over(provider, batch)
        assert (await provider.client.models.delete(name)).deleted

    run(go())


def test_a_file_in_use_is_not_deleted(provider: Provider) -> None:
    async def go() -> None:
        client = provider.client
        with provider.without_worker():
            file, valid = await provider.upload(), await provider.upload()
            job = await provider.job(training_file=file, validation_file=valid)
            for used in (file, valid):
                with pytest.raises(openai.ConflictError, match=job.id) as caught:
                    await client.files.delete(used)
                assert caught.value.code == "file_in_use"
            await client.fine_tuning.jobs.cancel(job.id)
            assert (await client.files.delete(valid)).deleted
        job = await provider.trained(training_file=file)
        with provider.without_worker():
            batch = await _batch(provider, str(job.fine_tuned_model))
            asked = (await client.batches.retrieve(batch)).input_file_id
            with pytest.raises(openai.ConflictError, match=batch):
                await client.files.delete(asked)
            await client.batches.cancel(batch)
        await _over(provider, batch)
        assert (await client.files.delete(asked)).deleted
        assert (await client.files.delete(file)).deleted

    run(go())


async def _batch(provider: Provider, model: str) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "money"}}]}}'
    line = f'{{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {body}}}\n'
    made = await provider.client.batches.create(
        input_file_id=await provider.upload(line.encode(), "batch"),
        endpoint="/v1/chat/completions",
        completion_window="24h",
    )
    return made.id


async def _over(provider: Provider, batch: str) -> None:
    deadline = time.monotonic() + HANG_S
    while (await provider.client.batches.retrieve(batch)).status not in ("cancelled", "completed"):
        assert time.monotonic() < deadline, log_of(provider.directory)
        await asyncio.sleep(0.02)


class _KilledError(BaseException):
    """As if the process ended there."""


@pytest.mark.parametrize(
    "mishap", [None, _KilledError(), DiskError("no space")], ids=["none", "killed", "full"]
)
def test_a_finished_job_keeps_no_state_of_its_training(
    mishap: BaseException | None, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens meanwhile, it succeeds; killed, the next worker removes the rest."""
    forget, troubles = Linear.forget_state, iter([None, mishap])

    def stumble(folder: Path) -> None:
        if (trouble := next(troubles, None)) is not None:
            raise trouble
        forget(folder)

    async def go() -> None:
        with provider.without_worker():
            monkeypatch.setattr(Linear, "forget_state", stumble)
            store, job = await _validated(provider)
            if isinstance(mishap, _KilledError):
                with pytest.raises(_KilledError):
                    train(store, job(), lambda: "running")
                assert job()["status"] == "running"
            train(store, job(), lambda: "running")
            assert job()["status"] == "succeeded"
            steps = list((provider.directory / "models" / job()["id"]).iterdir())
            assert len(steps) == 3
            left = [step for step in steps if list(step.glob("all_weights-*"))]
            assert len(left) == (1 if isinstance(mishap, DiskError) else 0)
            for step in steps:
                Linear.load(step)

    run(go())


def test_a_worker_killed_when_all_states_are_gone_leaves_a_job_that_succeeds(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the models of its checkpoints are to predict the same as before their states went."""
    before: dict[str, str | None] = {}
    forget_all = training._Training._forget_states

    async def go() -> None:
        with provider.without_worker():
            store, job = await _validated(provider)

            def hashes() -> dict[str, str | None]:
                names = [row["name"] for row in store.rows("SELECT name FROM models ORDER BY name")]
                return {name: hash_of_model(provider.directory, name) for name in names}

            def killed(of: training._Training) -> None:
                before.update(hashes())
                forget_all(of)
                raise _KilledError

            with monkeypatch.context() as patched:
                patched.setattr(training._Training, "_forget_states", killed)
                with pytest.raises(_KilledError):
                    train(store, job(), lambda: "running")
            assert job()["status"] == "running"
            train(store, job(), lambda: "running")
            assert job()["status"] == "succeeded"
            after = hashes()
            assert len(before) == 3
            assert None not in before.values()
            assert before == {name: after[name] for name in before}

    run(go())


@pytest.mark.parametrize("largest", [1 << 30, 0], ids=["as bytes", "by its folder"])
def test_a_checkpoint_is_carried_whole_while_its_job_forgets_its_state(
    largest: int, provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def take(name: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(carrying, "files_of", _forgotten_amid)
            carried = carrying.pack_model(provider.directory, name, largest=largest)
        carrying.unpack_model(carried, tmp_path / "there")

    _while_it_trains(provider, monkeypatch, take)
    Linear.load(Store(tmp_path / "there").model_folder("carried", 0))


def test_a_checkpoint_is_exported_whole_while_its_job_forgets_its_state(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def take(name: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(exporting, "files_of", _forgotten_amid)
            store = Store(provider.directory)
            exporting.export_model(store, name, tmp_path / "out", exporting.Wishes(), lambda *_: "")
        assert import_model(store, tmp_path / "out") == name, "it is the same model"

    _while_it_trains(provider, monkeypatch, take)
    Linear.load(tmp_path / "out" / "model")


def _forgotten_amid(base: str, folder: Path) -> Files:
    """The state goes when the files are listed and not yet read."""
    found = files_of(base, folder)
    assert list(folder.glob("all_weights-*")), "there is a state to forget"
    Linear.forget_state(folder)
    return found


def _while_it_trains(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, take: Callable[[str], None]
) -> None:
    """Take a checkpoint of a job that has learnt and not yet forgotten its states."""
    taken: list[str] = []

    def last(of: training._Training) -> None:
        taken.append(of.store.rows("SELECT name FROM models ORDER BY step")[0]["name"])
        take(*taken)
        raise _KilledError

    async def go() -> None:
        with provider.without_worker(), monkeypatch.context() as patched:
            store, job = await _validated(provider)
            patched.setattr(training._Training, "_forget_states", last)
            with pytest.raises(_KilledError):
                train(store, job(), lambda: "running")

    run(go())
    assert taken


async def _validated(provider: Provider) -> tuple[Store, Callable[[], dict[str, Any]]]:
    """The store, and a job in it as it is at any time, whose files are good."""
    created = await provider.job(model="linear", hyperparameters={"n_epochs": 3, "batch_size": 2})
    store = Store(provider.directory)

    def row() -> dict[str, Any]:
        found = store.row("SELECT * FROM jobs WHERE id = ?", created.id)
        assert found is not None
        return found

    validate(store, row())
    return store, row
