"""The job of a plan: found if it was made before, else created exactly once, whatever becomes of the answer.

The intent to create a job is in the ledger before the request leaves, and its key travels as the job's
metadata; so where an answer is lost, the provider is asked whether it has the job.
"""

from __future__ import annotations

import json
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from labeltune.errors import LabeltuneError, RemoteError, TemporaryError
from labeltune.providers import START_PATIENCE, TRAINING_CLOSED, Patience, every, persist, translate
from labeltune.providers.failures import status_of
from labeltune.providers.lenient import fields_of, whole_number
from labeltune.tuning.ledger import JobEntry
from labeltune.tuning.plan import ATTEMPT, RUN_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob

    from labeltune.tuning.ledger import Ledger
    from labeltune.tuning.plan import Plan
    from labeltune.tuning.story import Story

__all__ = ["Creator"]

T = TypeVar("T")

LOOKUPS = (0.5, 1.5, 4.0)
"""Seconds before each look for a job whose creation was not answered."""

CREATE_PATIENCE = Patience(first=1.0, most=8.0, total=30.0)


class Creator:
    """Finds or creates the job of one plan."""

    def __init__(
        self,
        client: AsyncOpenAI,
        plan: Plan,
        ledger: Ledger,
        *,
        story: Story,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client = client
        self._plan = plan
        self._provider = plan.provider
        self._ledger = ledger
        self._story = story
        self._sleep = sleep

    async def find(self, run_key: str, *, new_job: bool) -> FineTuningJob | None:
        """The job that belongs to this run, if there is one."""
        for entry in self._ledger.jobs_of(self._provider.identity, run_key):
            if entry.job_id is None:
                # A command was stopped between its request and the answer.
                job = await self._look_up(entry)
                if job is None:
                    self._ledger.forget_intent(self._provider.identity, entry.attempt)
                    continue
                self._ledger.record_job(self._provider.identity, entry.attempt, job.id)
            elif new_job:
                return None
            else:
                job = await self._known(entry.job_id)
            if job is not None:
                self._story.note(f"job {job.id} belongs to this run (status '{job.status}')")
                return job
        if new_job or not self._provider.metadata:
            return None
        job = await self._persist(partial(self._first_with, RUN_KEY, run_key))
        if job is not None:
            self._story.note(f"job {job.id} was made from the same files with the same settings")
            entry = self._entry(run_key, fields_of(job.metadata).get(ATTEMPT, job.id), job.training_file)
            self._ledger.intend_job(self._provider.identity, entry)
            self._ledger.record_job(self._provider.identity, entry.attempt, job.id)
        return job

    async def create(self, run_key: str, request: dict[str, Any]) -> FineTuningJob:
        """Create the job, once, whatever becomes of the answer."""
        entry = self._entry(run_key, f"{run_key[:16]}-{secrets.token_hex(8)}", request["training_file"])
        if self._provider.metadata:
            request = {**request, "metadata": self._plan.metadata(run_key, entry.attempt)}
        self._ledger.intend_job(self._provider.identity, entry)
        try:
            job = await self._send(request, entry)
        except LabeltuneError as error:
            if not isinstance(error, TemporaryError):
                self._ledger.forget_intent(self._provider.identity, entry.attempt)
            if getattr(error.__cause__, "code", None) == TRAINING_CLOSED:
                error.hint = (
                    f"the same files train elsewhere, for instance on this machine: {self._plan.elsewhere()}"
                )
            raise
        self._ledger.record_job(self._provider.identity, entry.attempt, job.id)
        self._story.note(f"created job {job.id}")
        return job

    async def _send(self, request: dict[str, Any], entry: JobEntry) -> FineTuningJob:
        """Send the request again only where it certainly made no job; else look whether it did."""
        import httpx2
        import openai

        delay, waited = CREATE_PATIENCE.first, 0.0
        while True:
            try:
                return await self._post(request)
            except (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, TemporaryError) as error:
                failure = translate(error, self._provider)
                if not isinstance(failure, TemporaryError):
                    raise failure from error
                if not _never_arrived(error):
                    return await self._after_doubt(entry, failure)
                if waited >= CREATE_PATIENCE.total:
                    raise failure from error
            await self._sleep(delay)
            waited += delay
            delay = min(2 * delay, CREATE_PATIENCE.most)

    async def _post(self, request: dict[str, Any]) -> FineTuningJob:
        from openai.types.fine_tuning import FineTuningJob

        job: Any = await self._client.post("/fine_tuning/jobs", body=request, cast_to=FineTuningJob)
        if not isinstance(getattr(job, "id", None), str):
            raise TemporaryError(f"{self._provider.host}: the answer is not a job: {str(job)[:80]}")
        return job  # type: ignore[no-any-return]  # checked above, as far as it can be

    async def _after_doubt(self, entry: JobEntry, failure: LabeltuneError) -> FineTuningJob:
        """The request may have made a job though its answer was lost: look for it, never send again."""
        self._story.warn(f"{failure}; looking whether the job was created")
        for delay in LOOKUPS:
            await self._sleep(delay)
            job = await self._look_up(entry)
            if job is not None:
                return job
        raise TemporaryError(
            f"{failure}\nIt is not known whether the job was created.",
            hint="run the same command again: it looks for the job before it creates one",
        )

    async def _known(self, job_id: str) -> FineTuningJob | None:
        try:
            return await self._persist(partial(self._client.fine_tuning.jobs.retrieve, job_id))
        except RemoteError:
            self._story.warn(f"job {job_id} of this run is gone from {self._provider.host}")
            return None

    async def _look_up(self, entry: JobEntry) -> FineTuningJob | None:
        """The job of an intent."""
        if self._provider.metadata:
            return await self._persist(partial(self._first_with, ATTEMPT, entry.attempt))
        return await self._persist(partial(self._first_like, entry))

    async def _first_with(self, key: str, value: str) -> FineTuningJob | None:
        """The newest job with that metadata. Providers that do not filter are filtered here."""
        async for job in every(self._client.fine_tuning.jobs.list(metadata={key: value}, limit=100)):
            if fields_of(job.metadata).get(key) == value:
                return job
        return None

    async def _first_like(self, entry: JobEntry) -> FineTuningJob | None:
        """Where jobs take no metadata: one of the same file and model, no older than the intent."""
        async for job in every(self._client.fine_tuning.jobs.list(limit=100)):
            # Clocks differ; the file's id is new enough to make a mistake unlikely.
            fits = job.training_file == entry.training_file and job.model == entry.base_model
            if fits and (whole_number(job.created_at) or 0) >= entry.intended_at - 60:
                known = self._ledger.find_job(self._provider.identity, job.id)
                if known is None:
                    return job
        return None

    def _entry(self, run_key: str, attempt: str, training_file: str) -> JobEntry:
        return JobEntry(
            run_key=run_key,
            attempt=attempt,
            base_model=self._plan.model,
            training_file=training_file,
            task=self._plan.task,
            job_id=None,
            model=None,
            intended_at=time.time(),
            data=self._plan.data,
            rows=self._plan.rows,
        )

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        return await persist(call, self._provider, patience=START_PATIENCE, sleep=self._sleep)


def _never_arrived(error: Exception) -> bool:
    """Whether a request certainly had no effect: it was not let in, or no connection was made."""
    import httpx2

    if status_of(error) in (429, 503):
        return True
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
