"""Fine-tuning jobs that exist: listed, looked at, followed and stopped; one function for each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, LabeltuneError, RemoteError, SettingsError, TemporaryError
from labeltune.providers import START_PATIENCE, api_errors, take
from labeltune.providers.lenient import job_status
from labeltune.tuning.asking import ask, with_client
from labeltune.tuning.story import Event, Silence
from labeltune.tuning.watching import Watcher, failure_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

    from labeltune.providers import Provider
    from labeltune.tuning.story import Story

__all__ = [
    "cancel_job",
    "job_checkpoints",
    "job_events",
    "list_jobs",
    "pause_job",
    "resume_job",
    "show_job",
    "watch_job",
]

PAGE = 100


def watch_job(
    provider: Provider, job_id: str, *, story: Story | None = None, wait_timeout: float | None = None
) -> FineTuningJob:
    """Follow a job to its end; see `Watcher.watch`. Raises `RemoteError` if it ends without a model."""

    async def watch(client: AsyncOpenAI) -> FineTuningJob:
        watcher = Watcher(client, provider, story=story or Silence())
        return await watcher.watch(job_id, wait_timeout=wait_timeout, first=START_PATIENCE)

    job = with_client(provider, watch)
    if str(job.status) != "succeeded":
        raise failure_of(job)
    return job


def show_job(provider: Provider, job_id: str) -> FineTuningJob:
    """A job. Raises `RemoteError` if there is none of that id."""
    return ask(provider, lambda client: client.fine_tuning.jobs.retrieve(job_id))


def list_jobs(provider: Provider, *, limit: int = 20) -> list[FineTuningJob]:
    """The newest jobs, newest first."""
    return ask(provider, lambda client: take(client.fine_tuning.jobs.list(limit=min(limit, PAGE)), limit))


def job_events(provider: Provider, job_id: str, *, limit: int = 1000) -> list[Event]:
    """The newest events of a job, oldest first. Raises `AccessError` where the provider lists none."""
    _refuse_missing(provider, "events", provider.events, job_id)
    events = ask(
        provider,
        lambda client: take(client.fine_tuning.jobs.list_events(job_id, limit=min(limit, PAGE)), limit),
    )
    return [Event.of(event) for event in reversed(events)]


def job_checkpoints(provider: Provider, job_id: str) -> list[FineTuningJobCheckpoint]:
    """The checkpoints of a job, newest first: models as they were after an epoch.

    Raises `AccessError` where the provider lists none.
    """
    _refuse_missing(provider, "checkpoints", provider.checkpoints, job_id)
    return ask(
        provider, lambda client: take(client.fine_tuning.jobs.checkpoints.list(job_id, limit=PAGE), PAGE)
    )


def _refuse_missing(provider: Provider, what: str, offered: bool, job_id: str) -> None:
    if not offered:
        raise AccessError(
            f"{provider.host} lists no {what} of jobs", hint=f"labeltune jobs show {job_id}{provider.flag}"
        )


def cancel_job(provider: Provider, job_id: str) -> FineTuningJob:
    """Cancel a job. Raises `RemoteError` if it is over already."""
    return _act(provider, job_id, "cancel", ("cancelled",))


def pause_job(provider: Provider, job_id: str) -> FineTuningJob:
    """Pause a job. Raises `RemoteError` if it cannot be paused."""
    return _act(provider, job_id, "pause", ("pausing", "paused"))


def resume_job(provider: Provider, job_id: str) -> FineTuningJob:
    """Resume a paused job. Raises `RemoteError` if it is not paused."""
    return _act(provider, job_id, "resume", ("resuming", "validating_files", "queued", "running"))


def _act(provider: Provider, job_id: str, action: str, wanted: tuple[str, ...]) -> FineTuningJob:
    """Ask once for a change of status; where it is refused, say which status the job has."""

    async def act(client: AsyncOpenAI) -> FineTuningJob:
        call: Any = getattr(client.fine_tuning.jobs, action)
        try:
            with api_errors(provider):
                job: FineTuningJob = await call(job_id)
                return job
        except (SettingsError, TemporaryError) as error:
            refusal: LabeltuneError = error
        with api_errors(provider):
            job = await client.fine_tuning.jobs.retrieve(job_id)
        if job_status(job.status) in wanted:
            return job
        if isinstance(refusal, TemporaryError):
            raise refusal
        raise RemoteError(f"{job_id}: cannot {action} a job whose status is '{job.status}'") from refusal

    return with_client(provider, act)
