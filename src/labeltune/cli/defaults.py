"""What is taken where an option is not given: what the environment says, then what the task does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.defaults import DEFAULT_PROVIDER
from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.cli.output import Output
    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["base_of", "model_of", "provider_near", "provider_of"]


def provider_of(told: str | None, task: Task | None) -> Provider:
    """The provider that was told, by option or environment; else that of the task's `[defaults]`."""
    from labeltune.providers import resolve_provider

    kept = None if task is None else task.defaults.provider
    if told is not None or task is None or kept is None:
        return resolve_provider(DEFAULT_PROVIDER if told is None else told)
    try:
        return resolve_provider(kept)
    except SettingsError as error:
        where = task.where("defaults", "provider")
        raise SettingsError(f"{where}: {error}", hint=error.hint) from error


def provider_near(told: str | None, task: Path) -> Provider:
    """The same for commands that need no task: the file is looked at if it is there and counts."""
    from labeltune.task import task_if_there

    return provider_of(told, task_if_there(task) if told is None else None)


def model_of(told: str | None, task: Task | None, *, what: str) -> str:
    """The model that was told, else that of the task's `[defaults]`. Raises `SettingsError` if neither is."""
    model = told if told is not None or task is None else task.defaults.model
    # A shell variable that was never set comes as an empty word.
    if model is None or not model.strip():
        raise SettingsError(
            f"no model: --model says {what}",
            hint='give --model, or write model = "…" under [defaults] in the task file',
        )
    return model


def base_of(told: str | None, task: Task | None, provider: Provider, out: Output) -> str:
    """The base model to train: as `model_of`, but on this machine there is one for whoever names none."""
    if told is not None or not provider.local or (task is not None and task.defaults.model is not None):
        return model_of(told, task, what="on which base one is trained")
    from labeltune.local.engines.embed.extra import is_installed

    if is_installed():
        out.note(
            "no --model given: embed is trained, sentence vectors beside the words (--model linear: without)"
        )
        return "embed"
    out.note('no --model given: linear is trained; with pip install "labeltune[embed]" it would be embed')
    return "linear"
