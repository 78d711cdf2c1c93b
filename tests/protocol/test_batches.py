"""Batches: a file of requests in, a file of answers out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from labeltune.local.batch_answers import CHUNK, next_size
from labeltune.local.launcher import worker_command
from labeltune.local.store import Store
from protocol.harness import Provider, log_of, run, stop_worker, worker_pid
from waiting import HANG_S

if TYPE_CHECKING:
    from collections.abc import Callable

FINAL = ("completed", "failed", "cancelled", "expired")


def _line(custom_id: str, model: str | None, text: str = "money", **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


async def _create(provider: Provider, lines: list[dict[str, Any]], **options: Any) -> Any:
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return await provider.client.batches.create(
        input_file_id=await provider.upload(data, purpose="batch"),
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **options,
    )


async def _wait(provider: Provider, batch_id: str, until: Callable[[Any], bool] | None = None) -> Any:
    deadline = time.monotonic() + HANG_S
    while True:
        batch = await provider.client.batches.retrieve(batch_id)
        if batch.status in FINAL if until is None else until(batch):
            return batch
        assert time.monotonic() < deadline, log_of(provider.directory)
        await asyncio.sleep(0.02)


async def _read(provider: Provider, file_id: str) -> dict[str, Any]:
    text = (await provider.client.files.content(file_id)).text
    return {line["custom_id"]: line for line in map(json.loads, text.splitlines())}


def test_a_batch_is_answered(provider: Provider) -> None:
    async def go() -> None:
        model = (await provider.trained()).fine_tuned_model
        lines = [_line(f"row-{i}", model, "money" if i % 2 else "parcel", logprobs=True) for i in range(1200)]
        lines[7]["body"]["n"] = 0
        lines[8]["body"]["messages"] = []
        batch = await _create(provider, lines, metadata={"run": "1"})
        assert batch.status == "validating"
        batch = await _wait(provider, batch.id)
        assert batch.status == "completed"
        assert batch.metadata == {"run": "1"}
        assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (
            1200,
            1198,
            2,
        )
        assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens > 0
        answers = await _read(provider, batch.output_file_id)
        assert set(answers) == {f"row-{i}" for i in range(1200)} - {"row-7", "row-8"}
        body = answers["row-9"]["response"]["body"]
        assert answers["row-9"]["response"]["status_code"] == 200
        assert body["choices"][0]["message"]["content"] == "refund"
        token = body["choices"][0]["logprobs"]["content"][0]
        assert (token["token"], token["bytes"]) == ("r", [114])
        errors = await _read(provider, batch.error_file_id)
        for row, param in (("row-7", "n"), ("row-8", "messages")):
            assert errors[row]["response"]["status_code"] == 400
            assert errors[row]["response"]["body"]["error"]["param"] == param
        file = await provider.client.files.retrieve(batch.output_file_id)
        assert (file.purpose, file.expires_at) == ("batch_output", file.created_at + 30 * 24 * 3600)
        assert [found.id async for found in provider.client.batches.list(limit=1)] == [batch.id]

    run(go())


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        (["{"], None, 1),
        ([], "empty_file", None),
        ([{"custom_id": "a"}], "missing_required_parameter", 1),
        ([_line("a", "m"), _line("a", "m")], "duplicate_custom_id", 2),
        ([_line("a", "m"), _line("b", "other")], "mismatched_model", 2),
        ([_line("a", "m") | {"url": "/v1/embeddings"}], "invalid_value", 1),
        ([_line("a", "nope")], "model_not_found", None),
        ([_line("a", "tally")], "model_not_trained", None),
        ([_line("a", None)], "missing_required_parameter", 1),
    ],
)
def test_a_bad_batch_fails_with_its_lines(
    provider: Provider, lines: list[Any], code: str | None, line: int | None
) -> None:
    async def go() -> None:
        data = "".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in lines)
        batch = await provider.client.batches.create(
            input_file_id=await provider.upload(data.encode(), purpose="batch"),
            endpoint="/v1/chat/completions",
            completion_window="24h",
        )
        batch = await _wait(provider, batch.id)
        assert batch.status == "failed"
        error = batch.errors.data[0]
        assert error.line == line
        if code is not None:
            assert error.code == code
        assert batch.output_file_id is None

    run(go())


def test_a_cancelled_batch_keeps_what_was_answered(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        model = (await provider.trained()).fine_tuned_model
        with provider.without_worker():
            batch = await _create(provider, [_line(str(i), model) for i in range(10)])
            assert (await provider.client.batches.cancel(batch.id)).status == "cancelling"
        batch = await _wait(provider, batch.id)
        assert batch.status == "cancelled"
        assert batch.cancelled_at is not None
        with pytest.raises(openai.BadRequestError, match="cancelled"):
            await provider.client.batches.cancel(batch.id)
        # Caught in the middle: some rows are answered, the rest are not there.
        stop_worker(provider.directory)
        allow(100)
        big = await _create(provider, [_line(str(i), model) for i in range(5000)])
        await _wait(provider, big.id, lambda found: found.request_counts.completed > 0)
        await provider.client.batches.cancel(big.id)
        allow(5000)
        big = await _wait(provider, big.id)
        assert big.status == "cancelled"
        assert 0 < len(await _read(provider, big.output_file_id)) < 5000

    run(go())


def test_orders_are_heard_however_slow_the_engine() -> None:
    """The time between two looks at a batch: chunks shrink until one takes no longer than it should."""
    for seconds_each in (1e-6, 1e-4, 0.01, 0.2, 30.0):
        size, took = 32, float("inf")
        for _ in range(12):
            took = size * seconds_each
            size = next_size(size, took)
            assert 1 <= size <= CHUNK
        assert took <= max(0.25, seconds_each), seconds_each
        assert size == CHUNK or took > 0.1


def test_a_batch_survives_its_worker(provider: Provider, allow: Callable[[int], None]) -> None:
    async def go() -> None:
        model = (await provider.trained()).fine_tuned_model
        stop_worker(provider.directory)
        allow(100)
        batch = await _create(provider, [_line(str(i), model) for i in range(2000)])
        await _wait(provider, batch.id, lambda found: found.request_counts.completed > 0)
        os.kill(worker_pid(provider.directory), signal.SIGKILL)
        allow(2000)
        batch = await _wait(provider, batch.id)
        assert batch.status == "completed"
        assert len(await _read(provider, batch.output_file_id)) == 2000
        assert list((provider.directory / "incoming").iterdir()) == []

    run(go())


def test_a_full_disk_fails_the_batch_and_leaves_the_store_whole(provider: Provider) -> None:
    """The limit on the size of a file stands for the disk: writing beyond it is refused by the system."""
    resource = pytest.importorskip("resource")

    async def go() -> None:
        model = (await provider.trained()).fine_tuned_model
        # 400 answers of 20 choices each: more than the file may hold, and not in the first chunk.
        lines = [_line(str(i), model, n=20) for i in range(400)]
        with provider.without_worker():
            batch = await _create(provider, lines)
        stop_worker(provider.directory)
        before = {path.name for path in (provider.directory / "files").iterdir()}

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        command: Any = [*worker_command(provider.directory), "0.1"]
        await asyncio.to_thread(subprocess.run, command, preexec_fn=limit, timeout=HANG_S, check=True)
        failed = await _wait(provider, batch.id)
        assert failed.status == "failed", log_of(provider.directory)
        assert [error.code for error in failed.errors.data] == ["disk_full"]
        assert 0 < failed.request_counts.completed < 400
        assert failed.output_file_id is None
        assert list((provider.directory / "incoming").iterdir()) == []
        assert {path.name for path in (provider.directory / "files").iterdir()} == before
        Store(provider.directory)
        # With space again, the same file is answered.
        again = await provider.client.batches.create(
            input_file_id=batch.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert (await _wait(provider, again.id)).request_counts.completed == 400

    run(go())


def test_an_expired_batch_lists_the_rows_it_did_not_answer(provider: Provider) -> None:
    async def go() -> None:
        model = (await provider.trained()).fine_tuned_model
        with provider.without_worker():
            batch = await _create(provider, [_line(str(i), model) for i in range(3)])
            Store(provider.directory).write("UPDATE batches SET expires_at = 1")
        batch = await _wait(provider, batch.id)
        assert batch.status == "expired"
        errors = await _read(provider, batch.error_file_id)
        assert {line["error"]["code"] for line in errors.values()} == {"batch_expired"}
        assert len(errors) == 3

    run(go())
