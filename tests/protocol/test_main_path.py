"""Upload, train, watch and classify through the real SDK."""

from __future__ import annotations

import base64
import csv
import io
import math
from typing import TYPE_CHECKING

import openai
import pytest

from protocol import tally_engine
from protocol.harness import Provider, run

if TYPE_CHECKING:
    from pathlib import Path


def test_from_file_to_answer(provider: Provider) -> None:
    async def go() -> None:
        client = provider.client
        file = await client.files.create(file=("a.jsonl", tally_engine.records(100)), purpose="fine-tune")
        file = await client.files.wait_for_processing(file.id, poll_interval=0.01)
        assert (file.status, file.bytes) == ("processed", len(tally_engine.records(100)))
        job = await provider.job(
            training_file=file.id,
            validation_file=await provider.upload(),
            suffix="My Test",
            seed=7,
            metadata={"a": "b"},
        )
        assert job.status == "validating_files"
        job = await provider.wait(job.id)
        assert job.status == "succeeded"
        assert job.seed == 7
        assert job.metadata == {"a": "b"}
        assert job.hyperparameters.n_epochs == 3
        assert job.trained_tokens == 3 * 100 * 5
        assert job.fine_tuned_model is not None
        assert job.fine_tuned_model.startswith("ft:tally:local:my-test:")
        reply = await client.chat.completions.create(
            model=job.fine_tuned_model,
            messages=[{"role": "user", "content": "where is my parcel"}],
            logprobs=True,
            top_logprobs=2,
        )
        choice = reply.choices[0]
        assert (choice.message.content, choice.finish_reason) == ("delivery", "stop")
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert "".join(token.token for token in choice.logprobs.content) == "delivery"
        first = choice.logprobs.content[0]
        assert [top.token for top in first.top_logprobs] == ["d", "r"]
        assert math.fsum(math.exp(top.logprob) for top in first.top_logprobs) == pytest.approx(1)
        assert first.bytes == [ord("d")]

    run(go())


def test_events_tell_the_story_newest_first_and_page_through(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained(validation_file=await provider.upload())
        events = [event async for event in provider.client.fine_tuning.jobs.list_events(job.id, limit=7)]
        assert len({event.id for event in events}) == len(events)
        told = [event.message for event in reversed(events) if event.type == "message"]
        assert [message.split(":")[0] for message in told] == [
            "Created fine-tuning job",
            "Validating training file",
            "Files validated, moving job to queued state",
            "Fine-tuning job started",
            "Checkpoint created at step 20",
            "Checkpoint created at step 40",
            "Checkpoint created at step 60",
            "New fine-tuned model created",
            "The job has successfully completed",
        ]
        assert await provider.steps(job.id) == list(range(1, 61))
        last = next(event for event in events if event.type == "metrics")
        assert last.data == {
            "seconds_left": 0,
            "step": 60,
            "total_steps": 60,
            "train_loss": 1 / 60,
            "train_mean_token_accuracy": 1 - 1 / 60,
            "valid_loss": 1 / 60,
            "valid_mean_token_accuracy": 1 / 60,
            "full_valid_loss": 1 / 60,
            "full_valid_mean_token_accuracy": 1 / 60,
        }

    run(go())


def test_metrics_events_are_some_hundreds_at_most(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained(
            training_file=await provider.upload(tally_engine.records(400)),
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 5}}},
        )
        steps = await provider.steps(job.id)
        assert 250 <= len(steps) <= 350
        assert {400, 800, 1200, 1600, 2000} <= set(steps)

    run(go())


def test_the_last_three_checkpoints_are_kept_and_answer(provider: Provider) -> None:
    async def go() -> None:
        client = provider.client
        job = await provider.trained(hyperparameters={"n_epochs": 5})
        pages = client.fine_tuning.jobs.checkpoints.list(job.id, limit=2)
        checkpoints = [checkpoint async for checkpoint in pages]
        assert [checkpoint.step_number for checkpoint in checkpoints] == [100, 80, 60]
        assert checkpoints[0].metrics.train_loss == pytest.approx(1 / 100)
        names = [checkpoint.fine_tuned_model_checkpoint for checkpoint in checkpoints]
        assert names[0] == f"{job.fine_tuned_model}:ckpt-step-100"
        listed = {model.id async for model in client.models.list()}
        assert {*names, job.fine_tuned_model, "tally"} <= listed
        for name in names:
            reply = await client.chat.completions.create(
                model=name, messages=[{"role": "user", "content": "money"}]
            )
            assert reply.choices[0].message.content == "refund"
        folders = sorted(folder.name for folder in (provider.directory / "models" / job.id).iterdir())
        assert folders == ["step-100", "step-60", "step-80"]

    run(go())


def test_the_result_file_holds_the_curve(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        file = await provider.client.files.retrieve(job.result_files[0])
        assert file.purpose == "fine-tune-results"
        text = base64.b64decode((await provider.client.files.content(file.id)).content).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        assert list(rows[0]) == [
            "step",
            "train_loss",
            "train_accuracy",
            "valid_loss",
            "valid_mean_token_accuracy",
        ]
        assert [int(row["step"]) for row in rows] == list(range(1, 61))
        assert float(rows[-1]["train_loss"]) == 1 / 60
        assert rows[0]["valid_loss"] == ""

    run(go())


def test_a_deleted_model_is_gone_with_its_checkpoints(provider: Provider) -> None:
    async def go() -> None:
        job = await provider.trained()
        assert job.fine_tuned_model is not None
        assert (await provider.client.models.delete(job.fine_tuned_model)).deleted
        with pytest.raises(openai.NotFoundError) as caught:
            await provider.client.models.retrieve(job.fine_tuned_model)
        assert caught.value.code == "model_not_found"
        with pytest.raises(openai.PermissionDeniedError):
            await provider.client.models.delete("tally")
        assert (await provider.client.fine_tuning.jobs.checkpoints.list(job.id)).data == []
        assert not (provider.directory / "models" / job.id).exists()

    run(go())


def test_the_same_request_trains_the_same_model(provider: Provider) -> None:
    async def go() -> None:
        file = await provider.upload()
        first, second = await provider.job(training_file=file), await provider.job(training_file=file)
        first, second = await provider.wait(first.id), await provider.wait(second.id)
        assert first.seed == second.seed
        states = [
            (provider.directory / "models" / job.id / "step-60" / "state.json").read_bytes()
            for job in (first, second)
        ]
        assert states[0] == states[1]

    run(go())


def test_two_apps_on_one_directory_see_the_same(directory: Path) -> None:
    async def go() -> None:
        one, other = Provider(directory), Provider(directory)
        job = await one.job()
        assert (await other.wait(job.id)).status == "succeeded"
        second = await other.job(training_file=job.training_file)
        assert (await one.wait(second.id)).status == "succeeded"

    run(go())


def test_a_base_model_has_a_source_and_options_and_its_model_a_short_name(provider: Provider) -> None:
    async def go() -> None:
        name = "tally:/models/My Base#pace=2"
        base = await provider.client.models.retrieve(name)
        assert (base.id, base.owned_by) == (name, "system")
        job = await provider.trained(model=name)
        assert job.model == name
        assert job.fine_tuned_model is not None
        assert job.fine_tuned_model.startswith("ft:tally-My-Base:local::")
        assert (await provider.client.models.retrieve(job.fine_tuned_model)).owned_by == "local"
        answer = await provider.client.chat.completions.create(
            model=job.fine_tuned_model, messages=[{"role": "user", "content": "hello"}]
        )
        assert answer.choices[0].message.content
        with pytest.raises(openai.NotFoundError, match="name one that is there"):
            await provider.client.models.retrieve("tally:gone")

    run(go())


def test_a_model_tells_what_it_was_made_from_even_when_that_is_gone(provider: Provider) -> None:
    async def go() -> None:
        file, valid = await provider.upload(), await provider.upload()
        metadata = {"labeltune_task": "f00d"}
        job = await provider.trained(
            training_file=file, validation_file=valid, suffix="Mine", metadata=metadata
        )
        name = str(job.fine_tuned_model)
        await provider.client.files.delete(file)
        model = await provider.client.models.retrieve(name)
        facts = (model.model_extra or {})["labeltune"]
        assert (facts["base"], facts["suffix"], facts["job"], facts["task"]) == (
            "tally",
            "Mine",
            job.id,
            "f00d",
        )
        assert (facts["rows"], facts["labels"]) == (20, ["delivery", "refund"])
        assert facts["training_file"]["filename"] == "data.jsonl"
        assert facts["training_file"]["rows"] == facts["validation_file"]["rows"] == 20
        assert len(facts["training_file"]["sha256"]) == 64
        assert facts["hyperparameters"]["n_epochs"] == 3
        assert facts["trained_tokens"] == job.trained_tokens
        assert facts["metrics"]["full_valid_mean_token_accuracy"] == pytest.approx(1 / 60)
        held = sum(
            path.stat().st_size for path in (provider.directory / "models").rglob("*") if path.is_file()
        )
        assert facts["bytes"] == held
        listed = {one.id: one.model_extra async for one in provider.client.models.list()}
        assert listed[name] == model.model_extra
        assert listed["tally"] == {}
        last = (listed[f"{name}:ckpt-step-60"] or {})["labeltune"]
        assert last["bytes"] < facts["bytes"]

    run(go())
