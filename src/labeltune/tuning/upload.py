"""Chat files to a provider: bytes that it already holds are not sent twice.

A file goes up under a name that holds the start of its hash, so that it is found again even where the ledger
never learned its id.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from labeltune.errors import (
    ConflictError,
    DataError,
    LabeltuneError,
    RemoteError,
    SettingsError,
    TemporaryError,
)
from labeltune.files.writing import sha256_of
from labeltune.providers import START_PATIENCE, Patience, connect, every, persist, run
from labeltune.providers.waiting import WaitLimit
from labeltune.tuning.ledger import STATE_FOLDER, UploadEntry, open_ledger

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from openai import AsyncOpenAI
    from openai.types import FileObject

    from labeltune.providers import Provider
    from labeltune.task import Task
from labeltune.tuning.ledger import Ledger

__all__ = ["LocalFile", "Uploaded", "Uploader", "upload"]

T = TypeVar("T")

SINGLE_LIMIT = 512 << 20
"""Bytes that one request may carry; more goes up in parts."""

PART_SIZE = 64 << 20
TRANSFER_TIMEOUT = 600.0
"""Seconds between two bytes of the reply to a file: a server may look at it first."""

PROCESSING_SECONDS = 1800.0
"""How long a provider may take to look at a file before we stop waiting for it."""

UPLOAD_PATIENCE = Patience(first=0.5, most=8.0, total=30.0)

_PURPOSE: Final = "fine-tune"
_READY = ("processed", None)
_GONE = ("deleted", "deleting")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that the provider holds; `reused` if it did so before."""

    path: str
    id: str
    bytes: int
    sha256: str
    reused: bool


def _silent(_: str) -> None: ...


def upload(
    paths: Sequence[str | os.PathLike[str]],
    *,
    provider: Provider,
    task: Task | None = None,
    force: bool = False,
    state: str | os.PathLike[str] = STATE_FOLDER,
    note: Callable[[str], None] = _silent,
) -> list[Uploaded]:
    """Upload chat files for fine-tuning and wait until the provider has processed them; in their order.

    The first is taken for the one to train on, as `check` does. All files are checked before the first is
    sent. With `force` files are sent again that the provider holds.
    Raises `DataError` for files that it could not train on, `RemoteError` and the errors of
    `providers.translate` for what goes wrong there, `DiskError` if the ledger cannot be written.
    """
    files = [LocalFile.read(path, task, provider, number=number) for number, path in enumerate(paths)]

    async def send() -> list[Uploaded]:
        with open_ledger(state) as ledger:
            async with connect(provider) as client:
                uploader = Uploader(client, provider, ledger, note=note)
                return [await uploader.upload(file, force=force) for file in files]

    return run(send())


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A chat file on this disk, checked and hashed."""

    path: Path
    bytes: int
    sha256: str

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], task: Task | None, provider: Provider, *, number: int = 0
    ) -> LocalFile:
        """The file, which is to train (0) or to validate (1) there, as `check` counts them.

        Raises `SettingsError` if there is no such file, `DataError` with every finding if it is bad.
        """
        # It brings numpy along, which predictions in batches need no upload's checks for.
        from labeltune.prepare.check import refuse_errors, role_of
        from labeltune.pricing.tokens import EXAMPLE_LIMIT

        place = Path(path)
        if not place.is_file():
            what = "is a folder" if place.is_dir() else "there is no such file"
            raise SettingsError(
                f"{path}: {what}",
                hint="expected a table, or a chat file as `labeltune convert DATA` writes it",
            )
        # The engines of this machine read of long texts what they can, and say of how many.
        limit = None if provider.local else EXAMPLE_LIMIT
        refuse_errors(place, task, role=role_of(number), limit=limit)
        return cls(place, place.stat().st_size, sha256_of(place))

    @property
    def remote_name(self) -> str:
        """The name it gets at the provider: readable, and found again by its content."""
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", self.path.stem)[:40].strip("-") or "file"
        return f"{stem}-{self.sha256[:12]}.jsonl"


class Uploader:
    """Brings files to one provider, through one client, with one ledger."""

    def __init__(  # noqa: PLR0913  # clocks and sizes, which only tests give
        self,
        client: AsyncOpenAI,
        provider: Provider,
        ledger: Ledger,
        *,
        note: Callable[[str], None] = _silent,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        patience: Patience = UPLOAD_PATIENCE,
        single_limit: int = SINGLE_LIMIT,
        part_size: int = PART_SIZE,
        limit: WaitLimit | None = None,
    ) -> None:
        """Files above `single_limit` bytes go up in parts of `part_size`, where the provider takes parts.

        The time that sending takes does not count towards `limit`.
        """
        self.client = client
        self._sender = client.with_options(timeout=TRANSFER_TIMEOUT)
        self._limit = limit or WaitLimit(None)
        self.provider = provider
        self.ledger = ledger
        self._note = note
        self._sleep = sleep
        self._patience = patience
        self._single_limit = single_limit
        self._part_size = part_size

    async def upload(self, file: LocalFile, *, force: bool = False) -> Uploaded:
        """The file at the provider, processed."""
        with self.ledger.lock(f"upload-{file.sha256[:16]}"):
            found = None if force else await self._find(file)
            remote = found or await self._send(file)
            entry = UploadEntry(file.sha256, file.bytes, remote.id)
            self.ledger.record_upload(self.provider.identity, entry)
        await self.wait_until_processed(remote)
        return Uploaded(str(file.path), remote.id, file.bytes, file.sha256, reused=found is not None)

    async def retrieve(self, file_id: str) -> FileObject:
        """A file that the provider holds, processed. Raises `RemoteError` if there is none."""
        remote = await self._persist(lambda: self.client.files.retrieve(file_id))
        if remote.status in _GONE:
            raise RemoteError(
                f"{file_id}: the file was deleted", hint="upload it again: labeltune upload FILE"
            )
        return await self.wait_until_processed(remote)

    async def wait_until_processed(self, remote: FileObject) -> FileObject:
        """Wait for the provider's verdict. Raises `DataError` with its reason if the file is refused."""
        pause, longest = self.provider.poll_seconds
        deadline = time.monotonic() + PROCESSING_SECONDS
        file_id = remote.id
        while remote.status not in _READY:
            if str(remote.status) == "error":
                why = remote.status_details or "it does not say why"
                raise DataError(
                    f"{file_id}: the provider refuses the file: {why}",
                    hint="mend the file, then run the same command again",
                )
            if remote.status in _GONE:
                raise RemoteError(f"{file_id}: the file was deleted meanwhile", hint="upload it again")
            if time.monotonic() > deadline:
                raise TemporaryError(
                    f"{file_id}: status '{remote.status}' (not final) for {PROCESSING_SECONDS:.0f} s",
                    hint="run the same command again later: the file keeps its id",
                )
            await self._sleep(pause)
            pause = min(1.5 * pause, longest)
            remote = await self._persist(lambda: self.client.files.retrieve(file_id))
        return remote

    async def _find(self, file: LocalFile) -> FileObject | None:
        """The file, if the provider already holds it: by the id in the ledger, or by its name and size."""
        known = self.ledger.find_upload(self.provider.identity, file.sha256)
        if known is not None:
            try:
                remote = await self._first(lambda: self.client.files.retrieve(known.file_id))
            except RemoteError:
                self._note(
                    f"{known.file_id} ({file.path}) is gone from {self.provider.host}: sending it again"
                )
                self.ledger.forget_upload(self.provider.identity, file.sha256)
            else:
                if remote.status not in _GONE:
                    return remote
        adopted = await self._first(lambda: self._find_by_name(file))
        if adopted is not None and known is None:
            self._note(
                f"found {adopted.id}, uploaded earlier ({file.path}: same sha256, {file.bytes:,} bytes)"
            )
        return adopted

    async def _find_by_name(self, file: LocalFile) -> FileObject | None:
        async for remote in every(self.client.files.list(purpose=_PURPOSE)):
            same = remote.filename == file.remote_name and remote.bytes == file.bytes
            if same and str(remote.status) not in ("error", *_GONE):
                return remote
        return None

    async def _send(self, file: LocalFile) -> FileObject:
        with self._limit.standing_still():
            if file.bytes > self._single_limit and self.provider.uploads:
                remote = await self._send_in_parts(file)
            else:
                remote = await self._persist(lambda: self._send_whole(file))
        if remote.bytes and remote.bytes != file.bytes:  # some servers do not count
            raise ConflictError(
                f"{file.path}: changed while it was sent: from {file.bytes:,} to {remote.bytes:,} bytes",
                hint="run the same command again when nothing writes to the file",
            )
        return remote

    async def _send_whole(self, file: LocalFile) -> FileObject:
        with file.path.open("rb") as handle:
            return await self._sender.files.create(
                file=(file.remote_name, handle, "application/jsonl"), purpose=_PURPOSE
            )

    async def _send_in_parts(self, file: LocalFile) -> FileObject:
        """By the multi-part API: a part that does not arrive is sent again, not the file."""
        started = await self._persist(
            lambda: self._sender.uploads.create(
                bytes=file.bytes, filename=file.remote_name, mime_type="application/jsonl", purpose=_PURPOSE
            )
        )
        parts = []
        for number, data in enumerate(_parts(file.path, self._part_size), start=1):
            send = partial(self._sender.uploads.parts.create, started.id, data=("part", data))
            parts.append((await self._persist(send)).id)
            sent = min(number * self._part_size, file.bytes)
            self._note(f"{file.path}: {sent:,} of {file.bytes:,} bytes sent")
        try:
            done = await self._persist(lambda: self._sender.uploads.complete(started.id, part_ids=parts))
        except LabeltuneError:
            # The answer to the first try may have been lost, and the second refused.
            adopted = await self._find_by_name(file)
            if adopted is None:
                raise
            return adopted
        if done.file is None:
            raise RemoteError(f"{started.id}: the upload ended without a file (status '{done.status}')")
        return done.file

    async def _first(self, call: Callable[[], Awaitable[T]]) -> T:
        return await persist(call, self.provider, patience=START_PATIENCE, sleep=self._sleep)

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        return await persist(call, self.provider, patience=self._patience, sleep=self._sleep)


def _parts(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while data := handle.read(size):
            yield data
