"""A job watched to its end, and why it ended without a model."""

from __future__ import annotations

import asyncio
import math
import re
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labeltune.errors import AccessError, NoListError, RemoteError, TemporaryError
from labeltune.providers import Patience, api_errors, every, persist
from labeltune.providers.lenient import job_status, whole_number
from labeltune.providers.refusals import refusal_in
from labeltune.providers.waiting import WaitLimit
from labeltune.tuning.story import Event

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob

    from labeltune.providers import Provider
    from labeltune.tuning.story import Story

__all__ = ["FINAL", "WATCH_PATIENCE", "Watcher", "failure_of"]

T = TypeVar("T")

FINAL = ("succeeded", "failed", "cancelled")
"""The statuses that a job keeps. The set of statuses is open: an unknown one is not final."""

WATCH_PATIENCE = Patience(first=1.0, most=30.0, total=1800.0)
"""For a job that is being watched: a lost connection or a sleeping machine is no reason to stop."""

NAMELESS_LOOKS = (1.0, 2.0, 4.0)
"""Seconds before each look for the model of a job that succeeded without naming one."""

LAST_LOOK_SECONDS = 2.0
"""What a look that is under way when `--wait-timeout` is over may still take."""

_PAGE = 100


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
        self._status: str | None = None

    async def watch(
        self, job_id: str, *, wait_timeout: float | None = None, first: Patience | None = None
    ) -> FineTuningJob:
        """Wait until the job has a final status, and return it; `first` is the patience for the first look.

        Raises `RemoteError` if there is no such job, `TemporaryError` if it has no final status after
        `wait_timeout` seconds, even where the provider does not answer at all, or if it is out of reach for
        longer than our patience.
        """
        deadline = None if wait_timeout is None else self._now() + wait_timeout
        limit = WaitLimit(None if wait_timeout is None else wait_timeout + LAST_LOOK_SECONDS)
        try:
            async with limit.kept(at_least=0):
                if first is not None:
                    await persist(partial(self.retrieve, job_id), self.provider, patience=first)
                return await self._follow(job_id, deadline)
        except TimeoutError:
            raise self._out_of_time(job_id) from None
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
                return await self.with_model(job)
            pause = shortest if fresh or job.status != status else min(1.5 * pause, longest)
            status = self._status = job.status
            left = math.inf if deadline is None else deadline - self._now()
            if left <= 0:
                raise self._out_of_time(job_id)
            await self._sleep(min(pause, left))

    def _out_of_time(self, job_id: str) -> TemporaryError:
        if self._status is None:
            said = f"{job_id}: {self.provider.host} did not say how it stands before --wait-timeout was over"
        else:
            said = f"{job_id}: status '{self._status}' (not final); the job keeps its id"
        return TemporaryError(said, hint=f"it goes on; come back with: {self._come_back(job_id)}")

    async def with_model(self, job: FineTuningJob) -> FineTuningJob:
        """The job, which has ended, with its model: some providers name it a moment after the success.

        Raises `RemoteError` if it succeeded and names none.
        """
        for delay in NAMELESS_LOOKS:
            if job_status(job.status) != "succeeded" or job.fine_tuned_model:
                return job
            await self._sleep(delay)
            job = await self._ask(job.id, partial(self.retrieve, job.id))
        if job_status(job.status) == "succeeded" and not job.fine_tuned_model:
            raise RemoteError(
                f"{job.id} succeeded, but names no model",
                hint="it may be registered later, or have to be deployed first; look again with: "
                f"labeltune jobs show {job.id}{self.provider.flag}",
            )
        return job

    async def retrieve(self, job_id: str) -> FineTuningJob:
        """The job as it stands, with the protocol's word for its status."""
        job = await self.client.fine_tuning.jobs.retrieve(job_id)
        if isinstance(job.status, str):
            job.status = job_status(job.status)  # type: ignore[assignment]  # an open set
        return job

    async def _fresh(self, job_id: str, seen: set[str]) -> list[Event] | None:
        """The events that were not seen yet, oldest first; None if the provider has no events."""
        fresh = []
        try:
            with api_errors(self.provider):
                # The newest come first: the first one that is known ends the search.
                async for event in every(self.client.fine_tuning.jobs.list_events(job_id, limit=_PAGE)):
                    if event.id in seen:
                        break
                    fresh.append(Event.of(event))
        except (AccessError, NoListError, RemoteError):
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
    if job_status(job.status) == "cancelled":
        return RemoteError(f"{job.id} was cancelled{_when(job.finished_at)}", hint=hint)
    # Real jobs carry an empty object where there is no error.
    error = refusal_in(job.model_dump(warnings=False).get("error"))
    code, message, param = (str(error.get(name, "")) for name in ("code", "message", "param"))
    parts = [f"{job.id} failed", code, message or "the provider does not say why"]
    text = ": ".join(part for part in parts if part) + (f" ({param})" if param else "")
    if training is not None and Path(training).is_file():
        text = "\n".join([text, *_lines_named(message, Path(training))])
    return RemoteError(text, hint=hint)


def _when(timestamp: object) -> str:
    try:
        return time.strftime(" on %Y-%m-%d at %H:%M UTC", time.gmtime(whole_number(timestamp) or math.nan))
    except (ValueError, OverflowError, OSError):  # none, or one that no clock shows
        return ""


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
