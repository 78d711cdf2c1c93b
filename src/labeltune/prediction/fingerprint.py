"""Whether a model was trained with the task it is now asked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import ConflictError
from labeltune.providers import every
from labeltune.tuning.ledger import FILE_NAME, open_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from openai import AsyncOpenAI

    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["METADATA_KEY", "refuse_other_task"]

METADATA_KEY = "labeltune_task"
"""Under which a job's metadata holds the fingerprint of the task that its files were made with."""

_JOBS_SEEN = 200
"""How many of the provider's jobs are looked at; the ledger knows those of this folder."""


async def refuse_other_task(
    client: AsyncOpenAI, provider: Provider, model: str, task: Task, *, state: Path
) -> None:
    """Raise `ConflictError` if the model is known to have been trained with another task.

    A model whose job cannot be found, or does not say, is taken as it is: other tools train models too.
    """
    trained = _in_ledger(provider, model, state) or await _at_provider(client, provider, model)
    if trained is not None and trained != task.fingerprint:
        raise ConflictError(
            f"{model} was trained with another task ({trained}) than {task.source} ({task.fingerprint}): "
            "its prompt, labels or answer format differ",
            hint="give the task it was trained with (--task), or --accept-changes to ask it nevertheless",
        )


def _in_ledger(provider: Provider, model: str, state: Path) -> str | None:
    if not (state / FILE_NAME).exists():
        return None
    with open_ledger(state) as ledger:
        entry = ledger.find_model(provider.identity, _without_step(model))
    return None if entry is None else entry.task


async def _at_provider(client: AsyncOpenAI, provider: Provider, model: str) -> str | None:
    import openai

    from labeltune.errors import LabeltuneError

    if provider.deployments or not provider.metadata:
        return None
    seen = 0
    try:
        async for job in every(client.fine_tuning.jobs.list(limit=100)):
            seen += 1
            if job.fine_tuned_model == _without_step(model):
                return (job.metadata or {}).get(METADATA_KEY)
            if seen >= _JOBS_SEEN:
                break
    except (openai.OpenAIError, LabeltuneError, ValueError):
        # Not every provider lists jobs; what is wrong with the key or the network, the first request tells.
        return None
    return None


def _without_step(model: str) -> str:
    """The model of a job's end, where one of its checkpoints is meant."""
    return model.partition(":ckpt-step-")[0]
