"""Batches created exactly once, whatever becomes of an answer."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labeltune.errors import LabeltuneError, TemporaryError
from labeltune.prediction.batch.files import DOWNLOAD, ENDPOINT, UPLOAD
from labeltune.prediction.journal import BatchEntry
from labeltune.providers import START_PATIENCE, api_errors, every, persist
from labeltune.providers.failures import status_of
from labeltune.providers.lenient import fields_of
from labeltune.tuning.upload import UPLOAD_PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from openai.types import Batch, FileObject

    from labeltune.prediction.journal import Journal
    from labeltune.prediction.plan import Job
    from labeltune.tuning.upload import Uploader

__all__ = ["METADATA_KEY", "Creator"]

METADATA_KEY = "labeltune_batch"
"""Under which a batch's metadata holds the key that its intent has in the journal."""

LOOKUPS = (0.5, 1.5, 4.0)
"""Seconds before each look for a batch whose creation was not answered."""

_PAGE = 100


class Creator:
    """Creates the batches of one run, and finds those that an earlier call created."""

    def __init__(
        self, uploader: Uploader, job: Job, journal: Journal, *, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._uploader, self._client = uploader, uploader.client
        self._journal, self._provider, self._story = journal, job.provider, job.story
        self._sleep = sleep

    async def adopt(self) -> AsyncIterator[BatchEntry]:
        """Find the batches of a call that did not see their end, and drop the files that it left."""
        for ending in (UPLOAD, DOWNLOAD):
            self._journal.path.with_suffix(ending).unlink(missing_ok=True)
        for entry in self._journal.batches.open():
            found = entry.batch
            if found is None and entry.file is not None:
                # A command was stopped between its request and the answer.
                remote = await self._look_up(entry)
                found = None if remote is None else remote.id
            if found is None:
                self._journal.batches.drop(entry.id)
                continue
            self._journal.batches.record(entry.id, file=entry.file, remote=found)
            self._story.note(f"batch {found} belongs to this run")
            yield replace(entry, batch=found)

    async def create(self, requests: list[int], path: Path) -> BatchEntry:
        """Create a batch of the requests whose lines are in the file; without its id, the provider takes no
        more for now.
        """
        key = secrets.token_hex(16)
        batch = self._journal.batches.intend(key, requests)
        try:
            file = await self._upload(path, key)
        except LabeltuneError:
            self._journal.batches.drop(batch)
            raise
        self._journal.batches.record(batch, file=file.id, remote=None)
        entry = BatchEntry(batch, key, file.id, None)
        try:
            remote = await self._create_once(entry)
        except LabeltuneError as error:
            if not isinstance(error, TemporaryError):
                self._journal.batches.drop(batch)
            raise
        if remote is None:
            return entry
        self._journal.batches.record(batch, file=file.id, remote=remote.id)
        return replace(entry, batch=remote.id)

    async def delete_file(self, entry: BatchEntry) -> None:
        """Delete a batch's input file at the provider, if that can be done."""
        with contextlib.suppress(LabeltuneError), api_errors(self._provider):
            await self._client.files.delete(entry.file or "")

    async def _upload(self, path: Path, key: str) -> FileObject:
        async def send() -> FileObject:
            with path.open("rb") as handle:
                name = f"{path.stem}-{key[:12]}.jsonl"
                return await self._client.files.create(
                    file=(name, handle, "application/jsonl"), purpose="batch"
                )

        file = await persist(send, self._provider, patience=UPLOAD_PATIENCE, sleep=self._sleep)
        return await self._uploader.wait_until_processed(file)

    async def _create_once(self, entry: BatchEntry) -> Batch | None:
        """The batch; None if the provider takes no more for now. Never sent again where it may be there."""
        assert entry.file is not None
        about: dict[str, Any] = {"metadata": {METADATA_KEY: entry.key}} if self._provider.metadata else {}
        try:
            with api_errors(self._provider):
                return await self._client.batches.create(
                    endpoint=ENDPOINT, input_file_id=entry.file, completion_window="24h", **about
                )
        except TemporaryError as error:
            if status_of(error.__cause__) in (429, 503):
                return None
            failure = error
        self._story.warn(f"{failure}; looking whether the batch was created")
        for delay in LOOKUPS:
            await self._sleep(delay)
            remote = await self._look_up(entry)
            if remote is not None:
                return remote
        raise TemporaryError(
            f"{failure}\nIt is not known whether the batch was created.",
            hint="run the same command again: it looks for the batch before it creates one",
        )

    async def _look_up(self, entry: BatchEntry) -> Batch | None:
        """The batch of an intent: no other has its file, nor its key."""

        async def search() -> Batch | None:
            async for remote in every(self._client.batches.list(limit=_PAGE)):
                key = fields_of(remote.metadata).get(METADATA_KEY)
                if remote.input_file_id == entry.file or key == entry.key:
                    return remote
            return None

        return await persist(search, self._provider, patience=START_PATIENCE, sleep=self._sleep)
