"""Fine-tune a model: files up, one job created exactly once, watched to its end.

The same command run again finds its job. A job is known by its run key, a hash of everything that goes into
it: see `plan`, and `creating` for how that is kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, RemoteError, TemporaryError
from labeltune.local.stored_models import base_models
from labeltune.pricing.prices import training_cost
from labeltune.providers import START_PATIENCE, connect, persist, run
from labeltune.providers.failures import status_of
from labeltune.providers.lenient import job_status, whole_number
from labeltune.providers.waiting import WaitLimit
from labeltune.tuning.creating import Creator
from labeltune.tuning.ledger import STATE_FOLDER, open_ledger
from labeltune.tuning.story import Silence
from labeltune.tuning.upload import LocalFile, Uploader
from labeltune.tuning.watching import FINAL, Watcher, failure_of

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob

    from labeltune.tuning.ledger import Ledger
    from labeltune.tuning.plan import Plan
    from labeltune.tuning.story import Story

__all__ = ["Trained", "train"]

WARN_DAYS = 90
"""How long before a model's announced end its users are warned."""

START_SECONDS = 5.0
"""What the way to a job may take at least, whatever `--wait-timeout` says; sending files not counted."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A job, and its model if it has one; `reused` if the job was there before."""

    job_id: str
    status: str
    model: str | None
    reused: bool
    training_file: str
    validation_file: str | None
    trained_tokens: int | None = None


def train(
    plan: Plan,
    *,
    wait: bool = True,
    new_job: bool = False,
    wait_timeout: float | None = None,
    state: str | os.PathLike[str] = STATE_FOLDER,
    story: Story | None = None,
) -> Trained:
    """Upload what is not yet there, create the job or find it, and with `wait` see it to its end.

    A job that was made from the same files with the same settings is found and not made again, whatever
    became of it, unless `new_job`. Raises `RemoteError` if it ended without a model, `AccessError` if the
    provider takes no such job, and what `upload.upload` and `Watcher.watch` raise.
    """

    async def work() -> Trained:
        with open_ledger(state) as ledger:
            async with connect(plan.provider) as client:
                trainer = Trainer(client, plan, ledger, story=story or Silence())
                return await trainer.train(wait=wait, new_job=new_job, wait_timeout=wait_timeout)

    return run(work())


class Trainer:
    """Carries out one plan."""

    def __init__(
        self,
        client: AsyncOpenAI,
        plan: Plan,
        ledger: Ledger,
        *,
        story: Story,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.client = client
        self.plan = plan
        self.provider = plan.provider
        self.ledger = ledger
        self._story = story
        self._sleep = sleep
        self._today = today

    async def train(
        self, *, wait: bool = True, new_job: bool = False, wait_timeout: float | None = None
    ) -> Trained:
        """See `train`."""
        limit = WaitLimit(wait_timeout)
        try:
            async with limit.kept(at_least=START_SECONDS):
                job, ids, reused = await self._job(limit, new_job=new_job)
        except TimeoutError:
            raise TemporaryError(
                f"{self.provider.host} did not get to a job before --wait-timeout was over",
                hint="run the same command again: it looks for the job before it creates one",
            ) from None
        if wait:
            watcher = Watcher(self.client, self.provider, story=self._story, sleep=self._sleep)
            if job_status(job.status) in FINAL:
                job = await watcher.with_model(job)
            else:
                job = await watcher.watch(job.id, wait_timeout=limit.left)
        if job.fine_tuned_model:
            self.ledger.record_model(self.provider.identity, job.id, job.fine_tuned_model)
            self.ledger.record_cost(self.provider.identity, job.id, self._cost(job))
        if job_status(job.status) in FINAL[1:]:
            training = self.plan.training
            raise failure_of(job, training.path if isinstance(training, LocalFile) else None)
        return Trained(
            job_id=job.id,
            status=str(job.status),
            model=job.fine_tuned_model,
            reused=reused,
            training_file=ids[0],
            validation_file=ids[1],
            trained_tokens=job.trained_tokens,
        )

    def _cost(self, job: FineTuningJob) -> float | None:
        """What the training cost in US dollars, by the tokens that the provider counted."""
        if self.provider.free:
            return 0.0
        # They are counted in all epochs.
        tokens = whole_number(job.trained_tokens)
        return None if tokens is None else training_cost(job.model or self.plan.model, tokens, 1)

    async def _job(
        self, limit: WaitLimit, *, new_job: bool
    ) -> tuple[FineTuningJob, tuple[str, str | None], bool]:
        """The job of the plan, its files' ids, and whether it was there before."""
        await self._check_model()
        ids, contents = await self._files(limit)
        run_key = self.plan.run_key(contents)
        creator = Creator(self.client, self.plan, self.ledger, story=self._story, sleep=self._sleep)
        with self.ledger.lock(f"train-{run_key[:16]}"):
            found = await creator.find(run_key, new_job=new_job)
            job = found or await creator.create(run_key, self.plan.request(*ids))
        return job, ids, found is not None

    async def _check_model(self) -> None:
        """Stop before anything is uploaded if the base model is unknown or has stopped."""
        try:
            model = await persist(
                partial(self.client.models.retrieve, self.plan.model),
                self.provider,
                patience=START_PATIENCE,
                sleep=self._sleep,
            )
        except (AccessError, RemoteError) as error:
            if status_of(error.__cause__) in (401, 403):
                raise
            if self.provider.lists_models:
                raise AccessError(str(error), hint=self._other_models()) from error
            return
        shutdown = _date_of(model.shutdown_date)
        if shutdown is None:
            return
        if shutdown <= self._today():
            raise AccessError(
                f"{self.plan.model} has stopped: {self.provider.host} shut it down on {shutdown}",
                hint=f"train another base model, or the same files on this machine: {self.plan.elsewhere()}",
            )
        if (shutdown - self._today()).days <= WARN_DAYS:
            self._story.warn(
                f"{self.plan.model} stops on {shutdown}, and every model that was fine-tuned from it"
            )

    def _other_models(self) -> str:
        if self.provider.local:
            return f"the local provider trains: {', '.join(base_models())}"
        return "see the provider's list of models that can be fine-tuned"

    async def _files(self, limit: WaitLimit) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
        """The files' ids at the provider, and what identifies their content."""
        uploader = Uploader(
            self.client, self.provider, self.ledger, note=self._story.note, sleep=self._sleep, limit=limit
        )
        ids: list[str | None] = []
        contents: list[str | None] = []
        for file in (self.plan.training, self.plan.validation):
            if isinstance(file, LocalFile):
                ids.append((await uploader.upload(file)).id)
                contents.append(file.sha256)
            elif file is not None:
                ids.append((await self._held(uploader, file)).id)
                known = self.ledger.find_file(self.provider.identity, file)
                contents.append(file if known is None else known.sha256)
            else:
                ids.append(None)
                contents.append(None)
        assert ids[0] is not None
        assert contents[0] is not None
        return (ids[0], ids[1]), (contents[0], contents[1])

    async def _held(self, uploader: Uploader, file_id: str) -> Any:
        try:
            return await uploader.retrieve(file_id)
        except RemoteError as error:
            raise RemoteError(
                f"{file_id}: {self.provider.host} has no such file: it was deleted, or has expired",
                hint="upload it again: labeltune upload FILE, or give the file itself",
            ) from error


def _date_of(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        return None
