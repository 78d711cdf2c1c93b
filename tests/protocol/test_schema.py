"""Every reply is what the published OpenAPI document says."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

import httpx2
import jsonschema  # type: ignore[import-untyped]  # comes with openapi-core, without types
import openai
import pytest
from openai import AsyncOpenAI

from protocol import tally_engine
from protocol.harness import Provider, run
from protocol.published import Published

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.shared


class Checked(httpx2.ASGITransport):
    """A transport that holds every reply to the document, and remembers which operations were used."""

    def __init__(self, app: Any, published: Published) -> None:
        super().__init__(app=app)
        self.published = published
        self.used: set[tuple[str, str]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        content = await response.aread()
        path = self.published.check(request.method, request.url.path, response.status_code, content)
        if response.status_code == 200:
            self.used.add((request.method, path))
        return response


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Published:
    return Published.read(shared_data)


def test_the_check_itself_can_fail(published: Published, provider: Provider) -> None:
    changed = copy.deepcopy(published)
    changed.schemas["Model"]["required"].append("price")
    client = _client(provider, Checked(provider.app, changed))
    with pytest.raises(jsonschema.ValidationError, match="'price' is a required property"):
        asyncio.run(_list(client))


async def _list(client: AsyncOpenAI) -> None:
    await client.models.list()


def _client(provider: Provider, transport: Checked) -> AsyncOpenAI:
    return AsyncOpenAI(
        http_client=httpx2.AsyncClient(transport=transport),
        base_url="http://local/v1",
        api_key="local",
        max_retries=0,
    )


async def _files(client: AsyncOpenAI) -> None:
    file = await client.files.create(
        file=("a.jsonl", b"bad"), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    await client.files.list(purpose="batch")
    await client.files.list(limit=1)
    await client.files.retrieve(file.id)
    await client.files.content(file.id)
    await client.files.delete(file.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(file.id)


async def _uploads(client: AsyncOpenAI) -> None:
    data = tally_engine.records()
    upload = await client.uploads.create(bytes=1, filename="a", mime_type="a/b", purpose="batch")
    await client.uploads.cancel(upload.id)
    await client.uploads.upload_file_chunked(
        file=data, filename="a", bytes=len(data), mime_type="a/b", purpose="fine-tune", part_size=2000
    )


async def _jobs(provider: Provider) -> str:
    jobs = provider.client.fine_tuning.jobs
    await jobs.list()
    file = await provider.upload()
    with provider.without_worker():
        paused = await provider.job(training_file=file, metadata={"a": "b"})
        await jobs.pause(paused.id)
        await jobs.resume(paused.id)
        await jobs.cancel(paused.id)
    failed = await provider.job(training_file=await provider.upload(tally_engine.records(3)))
    await provider.wait(failed.id)
    job = await provider.trained(training_file=file, validation_file=file, suffix="s")
    await provider.steps(job.id)
    await jobs.checkpoints.list(job.id)
    await jobs.checkpoints.list(paused.id)
    await jobs.list(metadata={"a": "b"})
    return job.fine_tuned_model or ""


async def _chat_and_models(client: AsyncOpenAI, model: str) -> None:
    await client.models.list()
    await client.models.retrieve("tally")
    await client.models.retrieve(model)
    for options in ({}, {"logprobs": True, "top_logprobs": 2, "n": 2}, {"max_completion_tokens": 1}):
        messages: Any = [{"role": "user", "content": "money"}]
        await client.chat.completions.create(model=model, messages=messages, **options)  # type: ignore[call-overload]  # the overloads are by keyword


async def _batches(provider: Provider, model: str) -> None:
    batches = provider.client.batches
    await batches.list()
    body = {"model": model, "messages": [{"role": "user", "content": "money"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    for data in (json.dumps(line).encode(), b"{"):
        file = await provider.upload(data, purpose="batch")
        options: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = await batches.create(input_file_id=file, **options)
        while batch.status not in ("completed", "failed"):
            await asyncio.sleep(0.03)
            batch = await batches.retrieve(batch.id)
    with provider.without_worker():
        batch = await batches.create(input_file_id=file, **options)
        await batches.cancel(batch.id)
    await batches.list(limit=2)


def test_every_reply_is_valid(published: Published, provider: Provider) -> None:
    transport = Checked(provider.app, published)
    provider.client = _client(provider, transport)

    async def go() -> None:
        await _files(provider.client)
        await _uploads(provider.client)
        model = await _jobs(provider)
        await _chat_and_models(provider.client, model)
        await _batches(provider, model)
        await provider.client.models.delete(model)

    run(go())
    assert transport.used == published.operations
