"""Models: the engines as base models, what jobs made of them, and those that are loaded."""

from __future__ import annotations

import functools
import shutil
import threading
from collections import OrderedDict
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.routing import Route

from labeltune.local import engines
from labeltune.local.context import context_of
from labeltune.local.errors import ApiError
from labeltune.local.wire import json_reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.engines import Engine
    from labeltune.local.store import Row, Store

__all__ = ["ROUTES", "LoadedModels", "base_models", "drop_unused_folders", "find_model"]

LOADED = 4
"""How many models are kept in memory."""

_BASE_CREATED = 1767225600
"""Base models come with the package, not with a date; the protocol wants one."""


@functools.cache
def base_models() -> list[str]:
    """The names of the engines: our own, and those that other packages bring."""
    others = (found.name for found in entry_points(group=engines.ENTRY_POINTS))
    return list(dict.fromkeys((*engines.ENGINES, *others)))


def find_model(store: Store, name: str) -> Row:
    """The row of a trained model. Raises `ApiError`: 400 for a base model, 404 for an unknown one."""
    row = store.row("SELECT * FROM models WHERE name = ?", name)
    if row is None:
        if name in base_models():
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
                engine = engines.get_engine(model["engine"]).load(folder)
                with self._lock:
                    self._loaded[model["job_id"], model["step"]] = engine
                    while len(self._loaded) > self._size:
                        self._loaded.popitem(last=False)
            return engine


def _model_object(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "shutdown_date": None}


async def list_models(request: Request) -> Response:
    """GET /models."""
    store = context_of(request).store
    models = [_model_object(name, _BASE_CREATED, "system") for name in base_models()]
    models += [
        _model_object(row["name"], row["created_at"], "local")
        for row in store.rows("SELECT * FROM models ORDER BY seq DESC")
    ]
    return json_reply({"object": "list", "data": models})


async def retrieve(request: Request) -> Response:
    """GET /models/{model}."""
    name = request.path_params["model"]
    if name in base_models():
        return json_reply(_model_object(name, _BASE_CREATED, "system"))
    row = find_model(context_of(request).store, name)
    return json_reply(_model_object(name, row["created_at"], "local"))


async def delete(request: Request) -> Response:
    """DELETE /models/{model}: a fine-tuned model goes with its checkpoints, a checkpoint alone."""
    store = context_of(request).store
    name = request.path_params["model"]
    if name in base_models():
        raise ApiError(403, f"'{name}' comes with labeltune and cannot be deleted.", param="model")
    model = find_model(store, name)
    checkpoint = ":ckpt-step-" in name
    with store.transaction():
        if checkpoint:
            store.write("DELETE FROM models WHERE name = ?", name)
            store.write(
                "DELETE FROM checkpoints WHERE job_id = ? AND step = ?", model["job_id"], model["step"]
            )
        else:
            store.write("DELETE FROM models WHERE job_id = ?", model["job_id"])
            store.write("DELETE FROM checkpoints WHERE job_id = ?", model["job_id"])
    drop_unused_folders(store, model["job_id"])
    return json_reply({"id": name, "object": "model", "deleted": True})


def drop_unused_folders(store: Store, job_id: str) -> None:
    """Remove what an engine saved for a job and neither a model nor a resumption needs any more."""
    used = {row["step"] for row in store.rows("SELECT step FROM models WHERE job_id = ?", job_id)}
    job = store.row("SELECT saved_step FROM jobs WHERE id = ? AND finished_at IS NULL", job_id)
    if job is not None and job["saved_step"] is not None:
        used.add(job["saved_step"])
    root = store.models / job_id
    for folder in root.glob("step-*"):
        if folder.name not in {f"step-{step}" for step in used}:
            shutil.rmtree(folder, ignore_errors=True)
    if not used:
        shutil.rmtree(root, ignore_errors=True)


ROUTES = [
    Route("/models", list_models, methods=["GET"]),
    Route("/models/{model}", retrieve, methods=["GET"]),
    Route("/models/{model}", delete, methods=["DELETE"]),
]
