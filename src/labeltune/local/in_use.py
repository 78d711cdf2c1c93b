"""What cannot be deleted now: models and files that unfinished work still needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from labeltune.local.errors import ApiError
from labeltune.local.launcher import ACTIVE_BATCH, ACTIVE_JOB

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from labeltune.local.store import Row, Store

__all__ = ["refuse_file_in_use", "refuse_model_in_use"]

_UNFINISHED_JOB = (*ACTIVE_JOB, "paused")


def refuse_model_in_use(store: Store, names: Collection[str]) -> None:
    """Raise `ApiError` (409) if an unfinished batch asks one of these models."""
    for batch in _batches(store):
        model = batch["model"] or _model_asked(store, batch)
        if model in names:
            message = f"The model '{model}' is in use by {batch['id']}: wait for the batch, or cancel it."
            raise ApiError(409, message, param="model", code="model_in_use")


def refuse_file_in_use(store: Store, file_id: str) -> None:
    """Raise `ApiError` (409) if an unfinished job or batch needs this file."""
    marks = ", ".join("?" * len(_UNFINISHED_JOB))
    jobs = store.rows(
        f"SELECT id FROM jobs WHERE status IN ({marks}) AND ? IN (training_file, validation_file)",  # noqa: S608  (marks only)
        *_UNFINISHED_JOB,
        file_id,
    )
    _refuse_file(file_id, jobs)
    _refuse_file(file_id, (batch for batch in _batches(store) if batch["input_file_id"] == file_id))


def _refuse_file(file_id: str, users: Iterable[Row]) -> None:
    for user in users:
        message = f"The file {file_id} is in use by {user['id']}: wait for its end, or cancel it."
        raise ApiError(409, message, param="file_id", code="file_in_use")


def _batches(store: Store) -> list[Row]:
    marks = ", ".join("?" * len(ACTIVE_BATCH))
    query = f"SELECT id, model, input_file_id FROM batches WHERE status IN ({marks})"  # noqa: S608  (marks only)
    return store.rows(query, *ACTIVE_BATCH)


def _model_asked(store: Store, batch: Row) -> str | None:
    """The model of a batch that no worker has looked at yet: that of its first request, as of all."""
    try:
        with (store.files / batch["input_file_id"]).open("rb") as lines:
            model = orjson.loads(lines.readline())["body"]["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if isinstance(model, str) else None
