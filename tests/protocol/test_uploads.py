"""Uploads in parts."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import openai
import pytest

from protocol import tally_engine
from protocol.harness import Provider, run

if TYPE_CHECKING:
    from pathlib import Path

DATA = tally_engine.records(200)


async def _begin(provider: Provider, size: int = len(DATA)) -> Any:
    return await provider.client.uploads.create(
        bytes=size, filename="big.jsonl", mime_type="application/jsonl", purpose="fine-tune"
    )


def test_a_file_in_chunks_is_the_file(provider: Provider, tmp_path: Path) -> None:
    async def go() -> None:
        path = tmp_path / "big.jsonl"
        path.write_bytes(DATA)
        upload = await provider.client.uploads.upload_file_chunked(
            file=path,
            mime_type="application/jsonl",
            purpose="fine-tune",
            part_size=7_000,
            md5=hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
        )
        assert upload.status == "completed"
        assert upload.file is not None
        assert (upload.file.status, upload.file.filename, upload.file.bytes) == (
            "processed",
            "big.jsonl",
            len(DATA),
        )
        assert (await provider.client.files.content(upload.file.id)).content == DATA
        assert list((provider.directory / "incoming").iterdir()) == []

    logging.getLogger("openai").setLevel(logging.WARNING)
    run(go())


def test_parts_come_in_the_order_of_completion(provider: Provider) -> None:
    async def go() -> None:
        uploads = provider.client.uploads
        upload = await _begin(provider)
        assert upload.status == "pending"
        half = len(DATA) // 2
        tail = await uploads.parts.create(upload.id, data=DATA[half:])
        head = await uploads.parts.create(upload.id, data=DATA[:half])
        done = await uploads.complete(upload.id, part_ids=[head.id, tail.id])
        assert done.file is not None
        assert (await provider.client.files.content(done.file.id)).content == DATA
        with pytest.raises(openai.BadRequestError, match="completed"):
            await uploads.parts.create(upload.id, data=b"x")

    run(go())


def test_an_upload_that_does_not_add_up_is_refused(provider: Provider) -> None:
    async def go() -> None:
        uploads = provider.client.uploads
        upload = await _begin(provider)
        part = await uploads.parts.create(upload.id, data=DATA[:-1])
        for part_ids in ([part.id], [], ["part_none"], [part.id, part.id]):
            with pytest.raises(openai.BadRequestError) as caught:
                await uploads.complete(upload.id, part_ids=part_ids)
            assert caught.value.param == "part_ids"
        last = await uploads.parts.create(upload.id, data=DATA[-1:])
        with pytest.raises(openai.BadRequestError) as caught:
            await uploads.complete(upload.id, part_ids=[part.id, last.id], md5="0" * 32)
        assert caught.value.param == "md5"
        assert (await provider.client.files.list()).data == []
        assert list((provider.directory / "files").iterdir()) == []

    run(go())


def test_a_cancelled_or_expired_upload_takes_nothing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        uploads = provider.client.uploads
        upload = await _begin(provider)
        await uploads.parts.create(upload.id, data=b"x")
        assert (await uploads.cancel(upload.id)).status == "cancelled"
        assert list((provider.directory / "incoming").iterdir()) == []
        with pytest.raises(openai.BadRequestError, match="cancelled"):
            await uploads.complete(upload.id, part_ids=["part_x"])
        late = await _begin(provider)
        monkeypatch.setattr("labeltune.local.uploads.now", lambda: late.expires_at)
        with pytest.raises(openai.BadRequestError, match="expired"):
            await uploads.parts.create(late.id, data=b"x")
        with pytest.raises(openai.NotFoundError):
            await uploads.cancel("upload_none")

    run(go())
