"""The routes for models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from labeltune.local.cards import model_facts
from labeltune.local.context import context_of
from labeltune.local.errors import ApiError
from labeltune.local.in_use import refuse_model_in_use
from labeltune.local.stored_models import (
    INVALID_OPTION,
    base_models,
    check_base,
    drop_unused_folders,
    find_model,
    forget_checkpoints,
    is_base,
)
from labeltune.local.wire import json_reply

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.store import Row, Store

__all__ = ["ROUTES"]

_BASE_CREATED = 1767225600
"""Base models come with the package, not with a date; the protocol wants one."""


def _model_object(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "shutdown_date": None}


def _trained_object(store: Store, row: Row) -> dict[str, Any]:
    """A trained model, with what the protocol has no field for under `labeltune`."""
    return {**_model_object(row["name"], row["created_at"], "local"), "labeltune": model_facts(store, row)}


async def list_models(request: Request) -> Response:
    """GET /models."""
    store = context_of(request).store
    models = [_model_object(name, _BASE_CREATED, "system") for name in base_models()]
    models += [_trained_object(store, row) for row in store.rows("SELECT * FROM models ORDER BY seq DESC")]
    return json_reply({"object": "list", "data": models})


async def retrieve(request: Request) -> Response:
    """GET /models/{model}."""
    name = request.path_params["model"]
    if is_base(name):
        try:
            check_base(name)
        except ApiError as error:
            if error.code == INVALID_OPTION:
                raise
            raise ApiError(404, error.message, param="model", code="model_not_found") from error
        return json_reply(_model_object(name, _BASE_CREATED, "system"))
    store = context_of(request).store
    return json_reply(_trained_object(store, find_model(store, name)))


async def delete(request: Request) -> Response:
    """DELETE /models/{model}: a fine-tuned model goes with its checkpoints, a checkpoint alone.

    Not while an unfinished batch asks one of them.
    """
    store = context_of(request).store
    name = request.path_params["model"]
    if is_base(name):
        raise ApiError(403, f"'{name}' comes with labeltune and cannot be deleted.", param="model")
    checkpoint = ":ckpt-step-" in name
    with store.transaction():
        model = find_model(store, name)
        going = [name] if checkpoint else _names_of(store, model["job_id"])
        refuse_model_in_use(store, going)
        if checkpoint:
            store.write("DELETE FROM models WHERE name = ?", name)
            store.write(
                "DELETE FROM checkpoints WHERE job_id = ? AND step = ?", model["job_id"], model["step"]
            )
        else:
            forget_checkpoints(store, model["job_id"])
    drop_unused_folders(store, model["job_id"])
    return json_reply({"id": name, "object": "model", "deleted": True})


def _names_of(store: Store, job_id: str) -> list[str]:
    """A job's model and its checkpoints."""
    return [row["name"] for row in store.rows("SELECT name FROM models WHERE job_id = ?", job_id)]


ROUTES = [
    Route("/models", list_models, methods=["GET"]),
    Route("/models/{model:path}", retrieve, methods=["GET"]),
    Route("/models/{model:path}", delete, methods=["DELETE"]),
]
