"""Fine-tuning jobs that exist: watch them, list them, look at them, stop them."""

from __future__ import annotations

import asyncio
import math
import re
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from labeltune.errors import AccessError, LabeltuneError, RemoteError, SettingsError, TemporaryError
from labeltune.providers import START_PATIENCE, Patience, api_errors, connect, persist, run

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Awaitable, Callable, Mapping

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

    from labeltune.providers import Provider

__all__ = [
    "FINAL",
    "Event",
    "Silence",
    "Story",
    "Watcher",
    "cancel_job",
    "failure_of",
    "job_checkpoints",
    "job_events",
    "list_jobs",
    "pause_job",
    "resume_job",
    "show_job",
    "watch_job",
]

T = TypeVar("T")

FINAL = ("succeeded", "failed", "cancelled")
"""The statuses that a job keeps. The set of statuses is open: an unknown one is not final."""

WATCH_PATIENCE = Patience(first=1.0, most=30.0, total=1800.0)
"""For a job that is being watched: a lost connection or a sleeping machine is no reason to stop."""

PAGE = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; `metrics` are the numbers that came with it, by name."""

    id: str
    created_at: int
    level: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, event: FineTuningJobEvent) -> Event:
        """From the SDK's."""
        data = event.data if isinstance(event.data, dict) else {}
        numbers = {
            str(key): float(value)
            for key, value in data.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        return cls(event.id, event.created_at or 0, str(event.level), event.message or "", numbers)


class Story(Protocol):
    """Who is told what happens while a job is made and watched."""

    def note(self, message: str) -> None:
        """A line of the story."""

    def warn(self, message: str) -> None:
        """Something that should be known."""

    def job(self, job: FineTuningJob) -> None:
        """The job has another status than before."""

    def event(self, event: Event) -> None:
        """An event of the job; each comes once, in order."""


class Silence:
    """A story that nobody hears."""

    def note(self, message: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    def job(self, job: FineTuningJob) -> None:
        """Say nothing."""

    def event(self, event: Event) -> None:
        """Say nothing."""


class Watcher:
    """Follows jobs of one provider through one client. Reads only, so every call may be repeated."""

    def __init__(
        self,
        client: AsyncOpenAI,
        provider: Provider,
        *,
        story: Story,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.provider = provider
        self._story = story
        self._patience = patience or WATCH_PATIENCE
        self._sleep = sleep
        self._now = now
        self._connected = True

    async def watch(self, job_id: str, *, wait_timeout: float | None = None) -> FineTuningJob:
        """Wait until the job has a final status, and return it.

        Raises `RemoteError` if there is no such job, `TemporaryError` if it has no final status after
        `wait_timeout` seconds, or if the provider is out of reach for longer than our patience.
        """
        deadline = None if wait_timeout is None else self._now() + wait_timeout
        try:
            return await self._follow(job_id, deadline)
        except asyncio.CancelledError:
            self._story.note(f"{job_id} goes on without us; come back with: {self._come_back(job_id)}")
            raise

    async def _follow(self, job_id: str, deadline: float | None) -> FineTuningJob:
        shortest, longest = self.provider.poll_seconds
        pause, status = shortest, None
        seen: set[str] | None = set() if self.provider.events else None
        while True:
            job = await self._ask(job_id, partial(self.retrieve, job_id))
            fresh = [] if seen is None else await self._ask(job_id, partial(self._fresh, job_id, seen))
            if fresh is None:
                seen, fresh = None, []
            for event in fresh:
                self._story.event(event)
            if job.status != status:
                self._story.job(job)
            if job.status in FINAL:
                return job
            pause = shortest if fresh or job.status != status else min(1.5 * pause, longest)
            status = job.status
            left = math.inf if deadline is None else deadline - self._now()
            if left <= 0:
                raise TemporaryError(
                    f"{job_id}: status '{status}' (not final); the job keeps its id",
                    hint=f"it goes on; come back with: {self._come_back(job_id)}",
                )
            await self._sleep(min(pause, left))

    async def retrieve(self, job_id: str) -> FineTuningJob:
        """The job as it stands."""
        return await self.client.fine_tuning.jobs.retrieve(job_id)

    async def _fresh(self, job_id: str, seen: set[str]) -> list[Event] | None:
        """The events that were not seen yet, oldest first; None if the provider has no events."""
        fresh = []
        try:
            with api_errors(self.provider):
                # The newest come first: the first one that is known ends the search.
                async for event in self.client.fine_tuning.jobs.list_events(job_id, limit=PAGE):
                    if event.id in seen:
                        break
                    fresh.append(Event.of(event))
        except (AccessError, RemoteError):
            self._story.note(f"{self.provider.host} lists no events: only the status is shown")
            return None
        seen.update(event.id for event in fresh)
        return fresh[::-1]

    async def _ask(self, job_id: str, call: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await persist(
                call, self.provider, patience=self._patience, sleep=self._sleep, on_failure=self._lost
            )
        except TemporaryError as error:
            hint = f"the job goes on; come back with: {self._come_back(job_id)}"
            raise TemporaryError(str(error), hint=hint) from error
        if not self._connected:
            self._connected = True
            self._story.note("connected again")
        return result

    def _lost(self, error: TemporaryError) -> None:
        if self._connected:
            self._connected = False
            self._story.warn(f"{error}; the job goes on, trying again")

    def _come_back(self, job_id: str) -> str:
        return f"labeltune jobs watch {job_id}{self.provider.flag}"


def failure_of(job: FineTuningJob, training: str | os.PathLike[str] | None = None) -> RemoteError:
    """Why the job has no model: the provider's words, and the lines of the training file that they name."""
    hint = "the same command will not make another job; to try once more: add --new-job"
    if str(job.status) == "cancelled":
        return RemoteError(f"{job.id} was cancelled{_when(job.finished_at)}", hint=hint)
    error = job.error
    # Real jobs carry an empty object where there is no error.
    said = [getattr(error, name, None) for name in ("code", "message", "param")]
    code, message, param = (text if isinstance(text, str) else "" for text in said)
    parts = [f"{job.id} failed", code, message or "the provider does not say why"]
    text = ": ".join(part for part in parts if part) + (f" ({param})" if param else "")
    if training is not None and Path(training).is_file():
        text = "\n".join([text, *_lines_named(message, Path(training))])
    return RemoteError(text, hint=hint)


def _when(timestamp: int | None) -> str:
    return "" if not timestamp else time.strftime(" on %Y-%m-%d at %H:%M UTC", time.gmtime(timestamp))


def _lines_named(message: str, training: Path, *, most: int = 5) -> list[str]:
    """The lines of the file that a message such as `Line 12: …` is about."""
    numbers = {int(number) for number in re.findall(r"\blines? (\d{1,9})\b", message, re.IGNORECASE)}
    wanted = sorted(numbers)[:most]
    if not wanted:
        return []
    found = []
    with training.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number in wanted:
                found.append(f"{training}:{number}: {line.decode('utf-8', 'replace').strip()[:120]}")
            if number >= wanted[-1]:
                break
    return found


# ---------------------------------------------------------------------------------- one call for each command


def watch_job(
    provider: Provider, job_id: str, *, story: Story | None = None, wait_timeout: float | None = None
) -> FineTuningJob:
    """Follow a job to its end; see `Watcher.watch`. Raises `RemoteError` if it ends without a model."""

    async def watch(client: AsyncOpenAI) -> FineTuningJob:
        watcher = Watcher(client, provider, story=story or Silence())
        await persist(partial(watcher.retrieve, job_id), provider, patience=START_PATIENCE)
        return await watcher.watch(job_id, wait_timeout=wait_timeout)

    job = _with_client(provider, watch)
    if str(job.status) != "succeeded":
        raise failure_of(job)
    return job


def show_job(provider: Provider, job_id: str) -> FineTuningJob:
    """A job. Raises `RemoteError` if there is none of that id."""
    return _read(provider, lambda client: client.fine_tuning.jobs.retrieve(job_id))


def list_jobs(provider: Provider, *, limit: int = 20) -> list[FineTuningJob]:
    """The newest jobs, newest first."""
    return _read(provider, lambda client: _take(client.fine_tuning.jobs.list(limit=min(limit, PAGE)), limit))


def job_events(provider: Provider, job_id: str, *, limit: int = 1000) -> list[Event]:
    """The newest events of a job, oldest first. Raises `AccessError` where the provider lists none."""
    _refuse_missing(provider, "events", provider.events, job_id)
    events = _read(
        provider,
        lambda client: _take(client.fine_tuning.jobs.list_events(job_id, limit=min(limit, PAGE)), limit),
    )
    return [Event.of(event) for event in reversed(events)]


def job_checkpoints(provider: Provider, job_id: str) -> list[FineTuningJobCheckpoint]:
    """The checkpoints of a job, newest first: models as they were after an epoch.

    Raises `AccessError` where the provider lists none.
    """
    _refuse_missing(provider, "checkpoints", provider.checkpoints, job_id)
    return _read(
        provider, lambda client: _take(client.fine_tuning.jobs.checkpoints.list(job_id, limit=PAGE), PAGE)
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
        if str(job.status) in wanted:
            return job
        if isinstance(refusal, TemporaryError):
            raise refusal
        raise RemoteError(f"{job_id}: cannot {action} a job whose status is '{job.status}'") from refusal

    return _with_client(provider, act)


def _read(provider: Provider, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    return _with_client(
        provider, lambda client: persist(lambda: call(client), provider, patience=START_PATIENCE)
    )


def _with_client(provider: Provider, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with connect(provider) as client:
            return await call(client)

    return run(connected())


async def _take(items: AsyncIterable[T], limit: int) -> list[T]:
    taken = []
    async for item in items:
        taken.append(item)
        if len(taken) == limit:
            break
    return taken
