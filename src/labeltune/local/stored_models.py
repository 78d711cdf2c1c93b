"""The models there are: engines as base models, what jobs made of them, and those in memory."""

from __future__ import annotations

import functools
import re
import shutil
import threading
from collections import OrderedDict
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, NoReturn

from labeltune.errors import LabeltuneError, SettingsError
from labeltune.local import engines
from labeltune.local.engines import Base
from labeltune.local.errors import ApiError, with_hint
from labeltune.local.model_files import digest_of, files_of
from labeltune.local.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.engines import Engine
    from labeltune.local.store import Row

__all__ = [
    "INVALID_OPTION",
    "LoadedModels",
    "base_models",
    "check_base",
    "drop_unused_folders",
    "find_model",
    "forget_checkpoints",
    "hash_of_model",
    "is_base",
]

_SAVED = re.compile(r"step-\d+")

INVALID_OPTION = "invalid_option"
"""The code of a base model's name whose options are wrong."""

LOADED = 4
"""How many models are kept in memory."""


@functools.cache
def base_models() -> list[str]:
    """The names of the engines: our own, and those that other packages bring."""
    others = (found.name for found in entry_points(group=engines.ENTRY_POINTS))
    return list(dict.fromkeys((*engines.ENGINES, *others)))


def check_base(name: str) -> None:
    """Raise `ApiError` (400) if a job cannot train the base model of this name, with the reason."""
    try:
        base = Base.parse(name)
        if base.engine not in base_models():
            raise ApiError(
                400,
                f"Model {name} is not available for fine-tuning or does not exist. "
                f"Available here: {', '.join(base_models())}.",
                param="model",
                code="model_not_available",
            )
        engines.get_engine(base.engine).check(base)
    except LabeltuneError as error:
        # An option that is wrong is a setting to mend, not a model to look for.
        code = INVALID_OPTION if isinstance(error, SettingsError) else "model_not_available"
        raise ApiError(400, with_hint(error), param="model", code=code) from error


def is_base(name: str) -> bool:
    """Whether a name is that of a base model, there or not: its engine is one of ours."""
    return name.partition("#")[0].partition(":")[0] in base_models()


def find_model(store: Store, name: str) -> Row:
    """The row of a trained model. Raises `ApiError`: 400 for a base model, 404 for an unknown one."""
    row = store.row("SELECT * FROM models WHERE name = ?", name)
    if row is None:
        if is_base(name):
            raise ApiError(
                400,
                f"'{name}' is a base model that has learnt nothing yet: it can only be fine-tuned. "
                "Use the model that a fine-tuning job made of it.",
                param="model",
                code="model_not_trained",
            )
        _unknown(name)
    return row


def _unknown(name: str) -> NoReturn:
    raise ApiError(
        404,
        f"The model `{name}` does not exist or you do not have access to it.",
        param="model",
        code="model_not_found",
    )


def hash_of_model(directory: Path, name: str) -> str | None:
    """A hash of every file of a trained model that answering needs, by which another model of the same name
    is told from it; None if there is none of that name in the local provider's folder.

    Raises `ModelDamagedError`.
    """
    store = Store(directory)
    row = store.row("SELECT job_id, step, engine FROM models WHERE name = ?", name)
    if row is None:
        return None
    return digest_of(files_of(row["engine"], store.model_folder(row["job_id"], row["step"])))


class LoadedModels:
    """The models used last, ready to answer. Methods may be called from any thread."""

    def __init__(self, store: Store, size: int = LOADED) -> None:
        self._store = store
        self._size = size
        self._loaded: OrderedDict[tuple[str, int], Engine] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def ready(self, model: Row) -> Engine | None:
        """The model, if it is in memory."""
        key = (model["job_id"], model["step"])
        with self._lock:
            engine = self._loaded.get(key)
            if engine is not None:
                self._loaded.move_to_end(key)
            return engine

    def load(self, model: Row) -> Engine:
        """The model, read from disk if need be: that takes a while. Raises `ModelDamagedError`."""
        with self._loading:
            engine = self.ready(model)
            if engine is None:
                folder = self._store.model_folder(model["job_id"], model["step"])
                engine = engines.get_engine(Base.parse(model["engine"]).engine).load(folder)
                with self._lock:
                    self._loaded[model["job_id"], model["step"]] = engine
                    while len(self._loaded) > self._size:
                        self._loaded.popitem(last=False)
            return engine


def forget_checkpoints(store: Store, job_id: str) -> None:
    """Forget the models and checkpoints of a job; `drop_unused_folders` then removes what was saved."""
    store.write("DELETE FROM models WHERE job_id = ?", job_id)
    store.write("DELETE FROM checkpoints WHERE job_id = ?", job_id)


def drop_unused_folders(store: Store, job_id: str) -> None:
    """Remove what an engine saved for a job and neither a model nor a resumption needs any more.

    What an unfinished job is about to save, under whatever name, stays.
    """
    used = {row["step"] for row in store.rows("SELECT step FROM models WHERE job_id = ?", job_id)}
    job = store.row("SELECT saved_step FROM jobs WHERE id = ? AND finished_at IS NULL", job_id)
    if job is not None and job["saved_step"] is not None:
        used.add(job["saved_step"])
    root = store.models / job_id
    kept = {f"step-{step}" for step in used}
    for folder in root.glob("*"):
        saved = _SAVED.fullmatch(folder.name) is not None
        if folder.name not in kept and (saved or job is None):
            shutil.rmtree(folder, ignore_errors=True)
    if not used and job is None:
        shutil.rmtree(root, ignore_errors=True)
        store.write("DELETE FROM cards WHERE job_id = ?", job_id)
