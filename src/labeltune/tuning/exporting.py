"""Models of the local provider carried to other machines: written with a model card, and taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, LabeltuneError, SettingsError
from labeltune.local.exporting import Exported, Form, Wishes, model_of
from labeltune.local.exporting import export_model as write
from labeltune.local.importing import import_model as take_in
from labeltune.local.store import Store
from labeltune.task import task_if_there
from labeltune.task.template import LabelsSlot, TextSlot
from labeltune.tuning.ledger import STATE_FOLDER
from labeltune.tuning.model_card import model_card
from labeltune.tuning.models import last_evaluations

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from labeltune.providers import Provider
    from labeltune.task import Task

__all__ = ["FORMS", "export_model", "import_model"]

FORMS: tuple[Form, ...] = ("labeltune", "onnx")


def export_model(
    provider: Provider,
    name: str,
    out: Path,
    *,
    form: str = "labeltune",
    task: Path,
    force: bool = False,
    state: str | os.PathLike[str] = STATE_FOLDER,
) -> Exported:
    """Write a model to a folder, prove that it answers alike there, and describe it in a model card.

    The task file goes with it if its fingerprint is that of the model's job. Raises `AccessError` for other
    providers than the local one, and what `local.exporting.export_model` does.
    """
    directory = _directory(provider, "exported")
    if form not in FORMS:
        raise SettingsError(f"--to {form}: expected {' or '.join(FORMS)}")
    store, facts = model_of(directory, name)
    definition = _task_of(facts, task)
    score = last_evaluations(provider, state).get(name)
    wishes = Wishes(
        form="onnx" if form == "onnx" else "labeltune",
        task=None if definition is None else task.read_bytes(),
        around=None if definition is None else _around(definition),
        force=force,
    )

    def card(facts: dict[str, Any], licence: str, code: str) -> str:
        return model_card(name, facts, licence, code, task=definition, score=score)

    return write(store, name, out, wishes, card)


def import_model(provider: Provider, folder: Path) -> str:
    """Make an exported model one of this machine's; returns its name. Raises as `local.importing` does."""
    directory = _directory(provider, "imported")
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder", hint="give what `models export` wrote")
    return take_in(Store(directory, check=False), folder)


def _directory(provider: Provider, what: str) -> Path:
    if provider.directory is None:
        raise AccessError(
            f"models at {provider.host} cannot be {what}: their weights are not on this machine",
            hint="models of the local provider can: --provider local",
        )
    return provider.directory


def _task_of(facts: dict[str, Any], path: Path) -> Task | None:
    """The task of this folder, if it is the one that the model was trained with."""
    try:
        found = task_if_there(path)
    except LabeltuneError:
        # One that cannot be read is not the model's; the commands that need it say what is wrong.
        return None
    return found if found is not None and found.fingerprint == facts.get("task") else None


def _around(task: Task) -> tuple[str, str] | None:
    """The prompt's fixed words before and after the text; None if it varies elsewhere, too."""
    sides: list[list[str]] = [[]]
    for part in task.user_template:
        if isinstance(part, TextSlot):
            sides.append([])
        elif isinstance(part, LabelsSlot):
            labels = task.labels if part.field is None else task.field(part.field).labels
            sides[-1].append(str(list(labels)))
        elif isinstance(part, str):
            sides[-1].append(part)
        else:
            return None
    return ("".join(sides[0]), "".join(sides[1])) if len(sides) == 2 else None
