"""A training before anything is sent: its files, its settings, the request that creates its job."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labeltune.errors import SettingsError
from labeltune.local.engines import Base
from labeltune.pricing.costs import check_budget
from labeltune.tuning.upload import LocalFile
from labeltune.version import __version__
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["ATTEMPT", "AUTO", "RUN_KEY", "Plan", "Settings", "plan_training", "preview"]

AUTO: Literal["auto"] = "auto"
MAX_SEED = 2**31 - 1
MAX_SUFFIX = 64

RUN_KEY, ATTEMPT, TASK, VERSION = "labeltune_run", "labeltune_attempt", "labeltune_task", "labeltune_version"
"""The keys of a job's metadata. `labeltune_task` is the fingerprint that predict compares."""


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
    class_weight: Literal["balanced", "none"] | None = None
    """Whether rare labels count as much as common ones; None leaves it to what the base model's name says."""

    def base(self, model: str, provider: Provider) -> str:
        """The base model's name with what is asked of it. Raises `SettingsError` for a name that is none, and
        where the provider has no class weights.
        """
        if not provider.local:
            if self.class_weight == "balanced":
                raise SettingsError(
                    f"--class-weight balanced: {provider.name} has no class weights, the local engines have",
                    hint="let rare rows come several times instead: labeltune convert DATA --repeat-rare 5",
                )
            return model
        base = Base.parse(model)
        options = {name: value for name, value in base.options.items() if name != "class_weight"}
        if self.class_weight == "balanced":
            options["class_weight"] = "balanced"
        return str((base if self.class_weight is None else replace(base, options=options)).located())

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
    named: str | None = None
    """What the training data goes by, where its file was made of them in passing."""
    cost: float | None = None
    """The estimate in US dollars, if it was wanted and can be made."""

    @property
    def files(self) -> list[LocalFile]:
        """Those that lie on this disk."""
        return [file for file in (self.training, self.validation) if isinstance(file, LocalFile)]

    @property
    def data(self) -> str:
        """The training data as they were given: a path or an id."""
        if self.named is not None:
            return self.named
        return str(self.training.path) if isinstance(self.training, LocalFile) else self.training

    @property
    def rows(self) -> int | None:
        """How many examples the training file has, if it lies on this disk."""
        if not isinstance(self.training, LocalFile):
            return None
        with self.training.path.open("rb") as lines:
            return sum(1 for line in lines if line.strip())

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

    def elsewhere(self) -> str:
        """The command that does the same on this machine."""
        given = (self.training, self.validation)
        paths = [
            pasted(file.path) if isinstance(file, LocalFile) else "FILE" for file in given if file is not None
        ]
        return f"labeltune train {' '.join(paths)} --provider local --model linear"


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
    model = settings.base(model, provider)
    names = [name for name in (training, validation) if name is not None]
    files = [_local_or_id(name, task, provider, number) for number, name in enumerate(names)]
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


def _local_or_id(name: str, task: Task | None, provider: Provider, number: int) -> LocalFile | str:
    if name.startswith("file-") and not Path(name).exists():
        return name
    return LocalFile.read(name, task, provider, number=number)
