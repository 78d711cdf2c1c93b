"""Models after their training: what there is, told apart by what is known of it, and removed.

What the protocol has no field for, the local provider adds to its models; of others it comes from the jobs
that made them, and from the ledger of this folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, RemoteError
from labeltune.providers import api_errors, every, take
from labeltune.providers.lenient import whole_number
from labeltune.tuning.asking import ask, with_client
from labeltune.tuning.ledger import FILE_NAME, STATE_FOLDER, EvaluationEntry, open_ledger

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from openai import AsyncOpenAI
    from openai.types import Model
    from openai.types.fine_tuning import FineTuningJob

    from labeltune.providers import Provider

__all__ = [
    "CHECKPOINT",
    "ModelInfo",
    "delete_models",
    "last_evaluations",
    "list_models",
    "model_names",
    "show_model",
]

CHECKPOINT = ":ckpt-step-"
"""What stands between a model's name and the step of one of its checkpoints."""

_JOBS_SEEN = 500
"""How many jobs are looked through for those that made the models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model and what is known of it; None where nobody tells."""

    id: str
    created_at: int | None
    base: str | None
    suffix: str | None
    training_file: str | None
    """its name"""
    rows: int | None
    labels: int | None
    valid_accuracy: float | None
    """the share of tokens right on the validation file, at the end of the training"""
    evaluated: EvaluationEntry | None
    """what its predictions scored last, in this folder"""
    bytes: int | None
    job: str | None
    details: dict[str, Any] = field(default_factory=dict)
    """what the local provider tells beside the protocol"""


def list_models(provider: Provider, *, state: str | os.PathLike[str] = STATE_FOLDER) -> list[ModelInfo]:
    """The fine-tuned models of a provider, newest first. Checkpoints are left to their job."""
    scores = last_evaluations(provider, state)

    async def look(client: AsyncOpenAI) -> list[ModelInfo]:
        listed = await _listed(client, provider)
        jobs = {str(job.fine_tuned_model): job for job in await _jobs(client) if job.fine_tuned_model}
        known = {model.id: model for model in listed if isinstance(model.id, str)}
        names = [name for name in known if name.startswith("ft:") or name in jobs or name in scores]
        if not provider.lists_models:
            names += [name for name in jobs if name not in known]
        finals = [name for name in names if name.partition(CHECKPOINT)[0] not in {*names} - {name}]
        remote = [jobs[name] for name in finals if name in jobs and not _facts(known.get(name))]
        files = await _file_names(client) if remote else {}
        return [_info(name, known.get(name), jobs.get(name), scores.get(name), files) for name in finals]

    found = ask(provider, look)
    return sorted(found, key=lambda info: -(whole_number(info.created_at) or 0))


def show_model(provider: Provider, name: str, *, state: str | os.PathLike[str] = STATE_FOLDER) -> ModelInfo:
    """One model. Raises `AccessError` if the provider has none of that name."""
    scores = last_evaluations(provider, state)

    async def look(client: AsyncOpenAI) -> ModelInfo:
        model = await client.models.retrieve(name)
        bare = name.partition(CHECKPOINT)[0]
        jobs = {str(job.fine_tuned_model): job for job in await _jobs(client)}
        files = await _file_names(client) if bare in jobs and not _facts(model) else {}
        return _info(name, model, jobs.get(bare), scores.get(name), files)

    return ask(provider, look)


def delete_models(provider: Provider, names: Sequence[str]) -> None:
    """Remove models with their checkpoints; none of them if one is unknown.

    Raises `AccessError` for one that is unknown or may not be removed, `ConflictError` for one in use.
    """

    async def delete(client: AsyncOpenAI) -> None:
        with api_errors(provider):
            for name in names:
                await client.models.retrieve(name)
            for name in names:
                await client.models.delete(name)

    with_client(provider, delete)


def model_names(provider: Provider) -> list[str]:
    """The names of all models that a provider lists, base models too."""

    async def look(client: AsyncOpenAI) -> list[str]:
        return [model.id async for model in every(client.models.list()) if isinstance(model.id, str)]

    return ask(provider, look)


def last_evaluations(provider: Provider, state: str | os.PathLike[str]) -> dict[str, EvaluationEntry]:
    """What each model's predictions scored last in this folder, by model."""
    if not (Path(state) / FILE_NAME).exists():
        return {}
    with open_ledger(state) as ledger:
        return {one.model: one for one in ledger.evaluations() if one.provider == provider.identity}


async def _listed(client: AsyncOpenAI, provider: Provider) -> list[Model]:
    try:
        with api_errors(provider):
            return [model async for model in every(client.models.list())]
    except (AccessError, RemoteError):
        # Some servers have jobs and no list of models; a rejected key is told by the jobs, too.
        if provider.lists_models:
            raise
        return []


async def _jobs(client: AsyncOpenAI) -> list[FineTuningJob]:
    import openai

    try:
        return await take(client.fine_tuning.jobs.list(limit=100), _JOBS_SEEN)
    except openai.NotFoundError:
        return []


async def _file_names(client: AsyncOpenAI) -> dict[str, str]:
    import openai

    try:
        return {file.id: file.filename async for file in every(client.files.list())}
    except openai.NotFoundError:
        return {}


def _facts(model: Model | None) -> dict[str, Any]:
    """What the local provider tells beside the protocol."""
    facts = (getattr(model, "model_extra", None) or {}).get("labeltune")
    return facts if isinstance(facts, dict) else {}


def _own_name(name: str | None) -> str | None:
    """A file's name without the start of its hash, which `upload` put into it."""
    return None if name is None else re.sub(r"-[0-9a-f]{12}(?=\.[^.]*$)", "", name)


def _info(
    name: str,
    model: Model | None,
    job: FineTuningJob | None,
    score: EvaluationEntry | None,
    files: dict[str, str],
) -> ModelInfo:
    facts = _facts(model)
    file = facts.get("training_file") or {}
    accuracy = (facts.get("metrics") or {}).get("full_valid_mean_token_accuracy")
    parts = name.split(":")
    suffix = facts.get("suffix") if facts else (parts[3] or None if len(parts) > 3 else None)
    return ModelInfo(
        id=name,
        created_at=getattr(model, "created", None) or (None if job is None else job.finished_at),
        base=facts.get("base")
        or (parts[1] if job is None and len(parts) > 1 else getattr(job, "model", None)),
        suffix=suffix,
        training_file=_own_name(file.get("filename") or (files.get(job.training_file) if job else None)),
        rows=facts.get("rows"),
        labels=None if facts.get("labels") is None else len(facts["labels"]),
        valid_accuracy=accuracy,
        evaluated=score,
        bytes=facts.get("bytes"),
        job=facts.get("job") or (None if job is None else job.id),
        details=facts,
    )
