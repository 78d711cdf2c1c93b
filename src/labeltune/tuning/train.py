"""Fine-tune a model: files up, one job created exactly once, watched to its end.

The same command run again finds its job. A job is known by its run key, a hash of everything that goes into
it, which travels as the job's metadata; the intent to create it is in the ledger before the request leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import secrets
import shlex
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from labeltune import __version__
from labeltune.errors import AccessError, LabeltuneError, RemoteError, SettingsError, TemporaryError
from labeltune.pricing.costs import check_budget
from labeltune.providers import START_PATIENCE, TRAINING_CLOSED, Patience, connect, persist, run, translate
from labeltune.tuning.jobs import FINAL, Silence, Watcher, failure_of
from labeltune.tuning.ledger import STATE_FOLDER, JobEntry, open_ledger
from labeltune.tuning.upload import TRANSFER_TIMEOUT, LocalFile, Uploader

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI
    from openai.types.fine_tuning import FineTuningJob

    from labeltune.providers import Provider
    from labeltune.task import Task
    from labeltune.tuning.jobs import Story
    from labeltune.tuning.ledger import Ledger

__all__ = ["AUTO", "Plan", "Settings", "Trained", "plan_training", "preview", "train"]

T = TypeVar("T")

AUTO: Literal["auto"] = "auto"
MAX_SEED = 2**31 - 1
MAX_SUFFIX = 64
WARN_DAYS = 90
"""How long before a model's announced end its users are warned."""

RUN_KEY, ATTEMPT, TASK, VERSION = "labeltune_run", "labeltune_attempt", "labeltune_task", "labeltune_version"
"""The keys of a job's metadata. `labeltune_task` is the fingerprint that predict compares."""

LOOKUPS = (0.5, 1.5, 4.0)
"""Seconds before each look for a job whose creation was not answered."""

CREATE_PATIENCE = Patience(first=1.0, most=8.0, total=30.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; `"auto"` and None leave the choice to the provider.

    `learning_rate` is a multiplier of the provider's own choice, or the rate itself where the provider wants
    that (`Provider.learning_rate`).
    """

    epochs: int | Literal["auto"] = AUTO
    batch_size: int | Literal["auto"] = AUTO
    learning_rate: float | Literal["auto"] = AUTO
    seed: int | None = None
    suffix: str | None = None

    def check(self, provider: Provider) -> None:
        """Raise `SettingsError` for a value that the provider would refuse."""
        _check_range("--epochs", self.epochs, 1, provider.max_epochs)
        _check_range("--batch-size", self.batch_size, 1, provider.max_batch_size)
        if self.learning_rate != AUTO:
            rate = self.learning_rate
            most = 1.0 if provider.learning_rate == "absolute" else math.inf
            if not (math.isfinite(rate) and 0 < rate <= most):
                kind = "the rate itself, above 0 and at most 1" if most == 1 else "a multiplier above 0"
                raise SettingsError(f"--learning-rate {rate}: {provider.name} expects {kind}, or auto")
        if self.seed is not None:
            _check_range("--seed", self.seed, 0, MAX_SEED)
        if self.suffix is not None and not 1 <= len(self.suffix) <= MAX_SUFFIX:
            raise SettingsError(f"--suffix: {len(self.suffix)} characters, expected 1 to {MAX_SUFFIX}")

    def hyperparameters(self, provider: Provider) -> dict[str, int | float]:
        """Those that were chosen, under the provider's names."""
        rate = "learning_rate" if provider.learning_rate == "absolute" else "learning_rate_multiplier"
        chosen = {"n_epochs": self.epochs, "batch_size": self.batch_size, rate: self.learning_rate}
        return {name: value for name, value in chosen.items() if not isinstance(value, str)}


def _check_range(option: str, value: int | str, least: int, most: int) -> None:
    if not isinstance(value, str) and not least <= value <= most:
        raise SettingsError(f"{option} {value}: expected {least} to {most:,}")


@dataclass(frozen=True, slots=True)
class Plan:
    """A training before anything is sent: its files, each a `LocalFile` or a file id, and its settings."""

    provider: Provider
    model: str
    training: LocalFile | str
    validation: LocalFile | str | None = None
    settings: Settings = field(default_factory=Settings)
    task: str | None = None
    cost: float | None = None
    """The estimate in US dollars, if it was wanted and can be made."""

    @property
    def files(self) -> list[LocalFile]:
        """Those that lie on this disk."""
        return [file for file in (self.training, self.validation) if isinstance(file, LocalFile)]

    def request(self, training: str, validation: str | None) -> dict[str, Any]:
        """The body of the request that creates the job, without its metadata."""
        body: dict[str, Any] = {"model": self.model, "training_file": training}
        if validation is not None:
            body["validation_file"] = validation
        chosen = self.settings.hyperparameters(self.provider)
        if self.provider.hyperparameters == "top_level":
            if chosen:
                body["hyperparameters"] = chosen
        else:
            part = {"hyperparameters": chosen} if chosen else {}
            body["method"] = {"type": "supervised", "supervised": part}
        if self.settings.seed is not None:
            body["seed"] = self.settings.seed
        if self.settings.suffix is not None:
            body["suffix"] = self.settings.suffix
        return {**body, **self.provider.extra_body}

    def run_key(self, contents: tuple[str, str | None]) -> str:
        """What is trained from what and how, as 32 hexadecimal digits; `contents` are the files' hashes."""
        everything = [self.provider.identity, self.request(contents[0], contents[1]), self.task]
        canonical = json.dumps(everything, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def metadata(self, run_key: str, attempt: str) -> dict[str, str]:
        """What travels with the job."""
        pairs = {RUN_KEY: run_key, ATTEMPT: attempt, TASK: self.task, VERSION: __version__}
        return {key: value for key, value in pairs.items() if value is not None}


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


def plan_training(
    training: str,
    validation: str | None = None,
    *,
    model: str,
    provider: Provider,
    settings: Settings = Settings(),
    task: Task | None = None,
    max_cost: float | None = None,
    estimate: bool = False,
) -> Plan:
    """Check everything that can be checked without sending anything.

    Files are paths, or ids such as `file-abc`. Raises `SettingsError` for settings, `DataError` for files
    that would be refused, `BudgetError` if the estimate is above `max_cost` US dollars or cannot be made.
    """
    settings.check(provider)
    if not model.strip():
        raise SettingsError("--model is empty: which model is to be trained?")
    names = [name for name in (training, validation) if name is not None]
    files = [_local_or_id(name, task, number) for number, name in enumerate(names)]
    trained = files[0]
    path = trained.path if isinstance(trained, LocalFile) else None
    cost = None
    if estimate or max_cost is not None:
        cost = check_budget(provider, model, path, settings.epochs, max_cost)
    return Plan(
        provider=provider,
        model=model,
        training=trained,
        validation=files[1] if len(files) > 1 else None,
        settings=settings,
        task=None if task is None else task.fingerprint,
        cost=cost,
    )


def preview(plan: Plan) -> dict[str, Any]:
    """The request that would create the job: method, address, headers and body, with the key masked."""

    def shown(file: LocalFile | str | None) -> str | None:
        return f"(the id of {file.path})" if isinstance(file, LocalFile) else file

    body = plan.request(shown(plan.training) or "", shown(plan.validation))
    if plan.provider.metadata:
        hashes = [f.sha256 if isinstance(f, LocalFile) else f for f in (plan.training, plan.validation)]
        run_key = plan.run_key((hashes[0] or "", hashes[1]))
        body["metadata"] = plan.metadata(run_key, "(made when it is sent)")
    return {
        "method": "POST",
        "url": f"{plan.provider.base_url.rstrip('/')}/fine_tuning/jobs",
        "headers": {} if plan.provider.local else {"Authorization": "Bearer ***"},
        "body": body,
    }


def _local_or_id(name: str, task: Task | None, number: int) -> LocalFile | str:
    if name.startswith("file-") and not Path(name).exists():
        return name
    return LocalFile.read(name, task, number=number)


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
            async with connect(plan.provider, timeout=TRANSFER_TIMEOUT) as client:
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
        await self._check_model()
        ids, contents = await self._files()
        run_key = self.plan.run_key(contents)
        with self.ledger.lock(f"train-{run_key[:16]}"):
            found = await self._find(run_key, new_job=new_job)
            job = found or await self._create(run_key, self.plan.request(*ids))
        if wait and str(job.status) not in FINAL:
            watcher = Watcher(self.client, self.provider, story=self._story, sleep=self._sleep)
            job = await watcher.watch(job.id, wait_timeout=wait_timeout)
        if job.fine_tuned_model:
            self.ledger.record_model(self.provider.identity, job.id, job.fine_tuned_model)
        if str(job.status) in FINAL[1:]:
            training = self.plan.training
            raise failure_of(job, training.path if isinstance(training, LocalFile) else None)
        return Trained(
            job_id=job.id,
            status=str(job.status),
            model=job.fine_tuned_model,
            reused=found is not None,
            training_file=ids[0],
            validation_file=ids[1],
            trained_tokens=job.trained_tokens,
        )

    # before

    async def _check_model(self) -> None:
        """Stop before anything is uploaded if the base model is unknown or has stopped."""
        try:
            model = await self._persist(partial(self.client.models.retrieve, self.plan.model))
        except (AccessError, RemoteError) as error:
            if isinstance(error.__cause__, Exception) and _status_of(error.__cause__) in (401, 403):
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
                hint=f"train another base model, or the same files on this machine: {self._elsewhere()}",
            )
        if (shutdown - self._today()).days <= WARN_DAYS:
            self._story.warn(
                f"{self.plan.model} stops on {shutdown}, and every model that was fine-tuned from it"
            )

    def _elsewhere(self) -> str:
        """The command that does the same on this machine."""
        given = (self.plan.training, self.plan.validation)
        paths = [
            shlex.quote(str(file.path)) if isinstance(file, LocalFile) else "FILE"
            for file in given
            if file is not None
        ]
        return f"labeltune train {' '.join(paths)} --provider local --model linear"

    def _other_models(self) -> str:
        if self.provider.local:
            return "the local provider trains: linear"
        return "see the provider's list of models that can be fine-tuned"

    async def _files(self) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
        """The files' ids at the provider, and what identifies their content."""
        uploader = Uploader(self.client, self.provider, self.ledger, note=self._story.note, sleep=self._sleep)
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

    # the job, once

    async def _find(self, run_key: str, *, new_job: bool) -> FineTuningJob | None:
        """The job that belongs to this run, if there is one."""
        for entry in self.ledger.jobs_of(self.provider.identity, run_key):
            if entry.job_id is None:
                # A command was stopped between its request and the answer.
                job = await self._look_up(entry)
                if job is None:
                    self.ledger.forget_intent(self.provider.identity, entry.attempt)
                    continue
                self.ledger.record_job(self.provider.identity, entry.attempt, job.id)
            elif new_job:
                return None
            else:
                job = await self._known(entry.job_id)
            if job is not None:
                self._story.note(f"job {job.id} belongs to this run (status '{job.status}')")
                return job
        if new_job or not self.provider.metadata:
            return None
        job = await self._persist(partial(self._first_with, RUN_KEY, run_key))
        if job is not None:
            self._story.note(f"job {job.id} was made from the same files with the same settings")
            entry = self._entry(run_key, (job.metadata or {}).get(ATTEMPT, job.id), job.training_file)
            self.ledger.intend_job(self.provider.identity, entry)
            self.ledger.record_job(self.provider.identity, entry.attempt, job.id)
        return job

    async def _known(self, job_id: str) -> FineTuningJob | None:
        try:
            return await self._persist(partial(self.client.fine_tuning.jobs.retrieve, job_id))
        except RemoteError:
            self._story.warn(f"job {job_id} of this run is gone from {self.provider.host}")
            return None

    async def _look_up(self, entry: JobEntry) -> FineTuningJob | None:
        """The job of an intent."""
        if self.provider.metadata:
            return await self._persist(partial(self._first_with, ATTEMPT, entry.attempt))
        return await self._persist(partial(self._first_like, entry))

    async def _first_with(self, key: str, value: str) -> FineTuningJob | None:
        """The newest job with that metadata. Providers that do not filter are filtered here."""
        async for job in self.client.fine_tuning.jobs.list(metadata={key: value}, limit=100):
            if (job.metadata or {}).get(key) == value:
                return job
        return None

    async def _first_like(self, entry: JobEntry) -> FineTuningJob | None:
        """Where jobs take no metadata: one of the same file and model, no older than the intent."""
        async for job in self.client.fine_tuning.jobs.list(limit=100):
            # Clocks differ; the file's id is new enough to make a mistake unlikely.
            fits = job.training_file == entry.training_file and job.model == entry.base_model
            if fits and (job.created_at or 0) >= entry.intended_at - 60:
                known = self.ledger.find_job(self.provider.identity, job.id)
                if known is None:
                    return job
        return None

    def _entry(self, run_key: str, attempt: str, training_file: str) -> JobEntry:
        return JobEntry(
            run_key=run_key,
            attempt=attempt,
            base_model=self.plan.model,
            training_file=training_file,
            task=self.plan.task,
            job_id=None,
            model=None,
            intended_at=time.time(),
        )

    async def _create(self, run_key: str, request: dict[str, Any]) -> FineTuningJob:
        """Create the job, once, whatever becomes of the answer."""
        entry = self._entry(run_key, f"{run_key[:16]}-{secrets.token_hex(8)}", request["training_file"])
        if self.provider.metadata:
            request = {**request, "metadata": self.plan.metadata(run_key, entry.attempt)}
        self.ledger.intend_job(self.provider.identity, entry)
        try:
            job = await self._send(request, entry)
        except LabeltuneError as error:
            if not isinstance(error, TemporaryError):
                self.ledger.forget_intent(self.provider.identity, entry.attempt)
            if getattr(error.__cause__, "code", None) == TRAINING_CLOSED:
                error.hint = (
                    f"the same files train elsewhere, for instance on this machine: {self._elsewhere()}"
                )
            raise
        self.ledger.record_job(self.provider.identity, entry.attempt, job.id)
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
                failure = translate(error, self.provider)
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

        job: Any = await self.client.post("/fine_tuning/jobs", body=request, cast_to=FineTuningJob)
        if not isinstance(getattr(job, "id", None), str):
            raise TemporaryError(f"{self.provider.host}: the answer is not a job: {str(job)[:80]}")
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

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        return await persist(call, self.provider, patience=START_PATIENCE, sleep=self._sleep)


def _never_arrived(error: Exception) -> bool:
    """Whether a request certainly had no effect: it was not let in, or no connection was made."""
    import httpx2

    if _status_of(error) in (429, 503):
        return True
    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _status_of(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _date_of(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        return None
