"""Batches: a file of requests that the worker answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.routing import Route

from labeltune.local.context import context_of
from labeltune.local.errors import invalid, not_found
from labeltune.local.files import find_usable_file
from labeltune.local.store import new_id, now
from labeltune.local.wire import json_fields, json_reply, listing, page_of, seq_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.store import Row, Store

__all__ = ["ENDPOINT", "ROUTES", "batch_object"]

ENDPOINT = "/v1/chat/completions"
_WINDOW = "24h"
_WINDOW_S = 24 * 3600
_MAX_PAGE = 100

_TIMES = (
    "expires_at", "in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at",
    "cancelling_at", "cancelled_at",
)  # fmt: skip


def batch_object(row: Row) -> dict[str, Any]:
    """A batch as the protocol shows it."""
    shown: dict[str, Any] = {
        "object": "batch",
        **{
            key: row[key]
            for key in ("id", "endpoint", "input_file_id", "completion_window", "status", "created_at")
        },
        "request_counts": {key: row[key] for key in ("total", "completed", "failed")},
        "usage": {
            "input_tokens": row["input_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": row["output_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": row["input_tokens"] + row["output_tokens"],
        },
        "metadata": None if row["metadata"] is None else orjson.loads(row["metadata"]),
    }
    for key in ("model", "output_file_id", "error_file_id", *_TIMES):
        if row[key] is not None:
            shown[key] = row[key]
    if row["errors"] is not None:
        shown["errors"] = {"object": "list", "data": orjson.loads(row["errors"])}
    return shown


def _find(store: Store, batch_id: str) -> Row:
    row = store.row("SELECT * FROM batches WHERE id = ?", batch_id)
    if row is None:
        not_found("batch", batch_id, param="batch_id")
    return row


async def create(request: Request) -> Response:
    """POST /batches."""
    context = context_of(request)
    fields = await json_fields(request)
    created_at = now()
    file_id = fields.needed_text("input_file_id")
    row: Row = {
        "id": new_id("batch_"),
        "created_at": created_at,
        "endpoint": fields.choice("endpoint", (ENDPOINT,), required=True),
        "completion_window": fields.choice("completion_window", (_WINDOW,), required=True),
        "keep_seconds": fields.expiry("output_expires_after"),
        "input_file_id": file_id,
        "status": "validating",
        "expires_at": created_at + _WINDOW_S,
    }
    metadata = fields.metadata()
    row["metadata"] = None if metadata is None else orjson.dumps(metadata).decode()
    fields.done()
    find_usable_file(context.store, file_id, "input_file_id", "batch")
    context.store.insert("batches", row)
    context.launcher.wake()
    return json_reply(batch_object(_find(context.store, row["id"])))


async def list_batches(request: Request) -> Response:
    """GET /batches."""
    context = context_of(request)
    after, limit = page_of(request, default=20, most=_MAX_PAGE)
    found, more = context.store.page(
        "SELECT * FROM batches WHERE 1", after=seq_of(context.store, "batches", after), limit=limit
    )
    context.launcher.look_after(found)
    return json_reply(listing([batch_object(row) for row in found], more=more, ends=""))


async def retrieve(request: Request) -> Response:
    """GET /batches/{batch_id}."""
    context = context_of(request)
    row = _find(context.store, request.path_params["batch_id"])
    context.launcher.look_after([row])
    return json_reply(batch_object(row))


async def cancel(request: Request) -> Response:
    """POST /batches/{batch_id}/cancel: the worker keeps what was answered until then."""
    context = context_of(request)
    store = context.store
    with store.transaction():
        row = _find(store, request.path_params["batch_id"])
        if row["status"] in ("validating", "in_progress"):
            store.write(
                "UPDATE batches SET status = 'cancelling', cancelling_at = ? WHERE id = ?", now(), row["id"]
            )
        elif row["status"] != "cancelling":
            invalid(
                f"Cannot cancel a batch with status '{row['status']}'.",
                param="batch_id",
                code="invalid_batch_status",
            )
    context.launcher.wake()
    return json_reply(batch_object(_find(store, row["id"])))


ROUTES = [
    Route("/batches", create, methods=["POST"]),
    Route("/batches", list_batches, methods=["GET"]),
    Route("/batches/{batch_id}", retrieve, methods=["GET"]),
    Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
]
