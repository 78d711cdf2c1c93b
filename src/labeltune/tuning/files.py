"""Files that a provider holds: listed, and removed where nothing needs them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import ConflictError, RemoteError
from labeltune.providers import api_errors, take
from labeltune.providers.lenient import job_status, whole_number
from labeltune.tuning.asking import ask, with_client
from labeltune.tuning.watching import FINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai import AsyncOpenAI
    from openai.types import FileObject

    from labeltune.providers import Provider

__all__ = ["delete_files", "list_files"]

_JOBS_SEEN = 200
"""How many of the newest jobs are looked through for those that are not over."""


def list_files(provider: Provider, *, limit: int) -> list[FileObject]:
    """The newest files, newest first."""

    async def look(client: AsyncOpenAI) -> list[FileObject]:
        found = await take(client.files.list(), limit)
        return sorted(found, key=lambda file: -(whole_number(file.created_at) or 0))

    return ask(provider, look)


def delete_files(provider: Provider, ids: Sequence[str]) -> None:
    """Remove files; none of them if one is unknown or needed.

    Raises `RemoteError` for one that is unknown, `ConflictError` for one that an unfinished job needs.
    """

    async def delete(client: AsyncOpenAI) -> None:
        with api_errors(provider):
            for file_id in ids:
                await client.files.retrieve(file_id)
            for job in await take(client.fine_tuning.jobs.list(limit=100), _JOBS_SEEN):
                needed = {job.training_file, job.validation_file}.intersection(ids)
                if job_status(job.status) not in FINAL and needed:
                    raise ConflictError(
                        f"{min(map(str, needed))} is in use by {job.id} (status '{job.status}')",
                        hint=f"labeltune jobs cancel {job.id}{provider.flag}, or wait for its end",
                    )
            for file_id in ids:
                await _delete(client, provider, file_id)

    with_client(provider, delete)


async def _delete(client: AsyncOpenAI, provider: Provider, file_id: str) -> None:
    """Raises `RemoteError` where the provider says that it did not delete it."""
    done = await client.files.delete(file_id)
    if getattr(done, "deleted", True) is False:
        raise RemoteError(f"{file_id}: {provider.host} did not delete it, and does not say why")
