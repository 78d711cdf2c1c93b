"""Files: bytes with an id, a purpose and perhaps an end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, Response
from starlette.routing import Route

from labeltune.local.context import context_of
from labeltune.local.errors import invalid, not_found
from labeltune.local.in_use import refuse_file_in_use
from labeltune.local.multipart import read_form, received
from labeltune.local.store import Row, Store, new_id, now
from labeltune.local.validate import read_training_file
from labeltune.local.wire import json_reply, listing, page_of, seq_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

__all__ = ["ROUTES", "add_file", "file_object", "find_file", "find_usable_file"]

MAX_FILE = 512 << 20
"""Bytes of one file; larger ones come as uploads with parts."""

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_BATCH_KEPT = 30 * 24 * 3600
_MAX_PAGE = 10_000


class _Content(FileResponse):
    """The bytes of a file, in larger pieces than usual: each one costs a change of threads."""

    chunk_size = 1 << 20


def file_object(row: Row) -> dict[str, object]:
    """A file as the protocol shows it."""
    shown = {
        "object": "file",
        **{key: row[key] for key in ("id", "bytes", "created_at", "filename", "purpose", "status")},
    }
    for key in ("expires_at", "status_details"):
        if row[key] is not None:
            shown[key] = row[key]
    return shown


def find_file(store: Store, file_id: str) -> Row:
    """The row of a file that is there and not expired. Raises `ApiError` (404)."""
    row = store.row(
        "SELECT * FROM files WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)", file_id, now()
    )
    if row is None:
        not_found("File object", file_id, param="id")
    return row


def find_usable_file(store: Store, file_id: str, param: str, purpose: str) -> Row:
    """The row of a file that a request names in `param`. Raises `ApiError` (400)."""
    row = store.row(
        "SELECT * FROM files WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)", file_id, now()
    )
    if row is None:
        invalid(f"invalid {param}: {file_id}: there is no such file", param=param, code="file_not_found")
    if row["purpose"] != purpose:
        invalid(
            f"invalid {param}: {file_id} has the purpose '{row['purpose']}', expected '{purpose}'",
            param=param,
            code="invalid_file_purpose",
        )
    return row


def add_file(
    store: Store, *, filename: str, purpose: str, keep_seconds: int | None, put: Callable[[Path], str]
) -> Row:
    """Make a file whose bytes `put` writes to the path given, returning their SHA-256."""
    file_id, created_at = new_id("file-"), now()
    if keep_seconds is None and purpose.startswith("batch"):
        keep_seconds = _BATCH_KEPT
    path = store.files / file_id
    digest = put(path)
    status, details = _processed(path, purpose)
    row = {
        "id": file_id,
        "purpose": purpose,
        "filename": filename,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "created_at": created_at,
        "expires_at": None if keep_seconds is None else created_at + keep_seconds,
        "status": status,
        "status_details": details,
    }
    try:
        store.insert("files", row)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return row


def _processed(path: Path, purpose: str) -> tuple[str, str | None]:
    """The status of a file that has arrived, and why it cannot be used."""
    if path.stat().st_size == 0:
        return "error", "The file is empty."
    if purpose == "fine-tune":
        with path.open("rb") as lines:
            refusal = read_training_file(lines, keep=False).refusal()
        if refusal is not None:
            return "error", refusal[1]
    return "processed", None


async def create(request: Request) -> Response:
    """POST /files."""
    store = context_of(request).store
    with received(await read_form(request, store, MAX_FILE)) as form:
        file = form.file("file")
        fields = form.read("file")
        purpose = fields.choice("purpose", PURPOSES, required=True)
        keep_seconds = fields.expiry("expires_after")
        fields.done()
        assert purpose is not None
        row = await asyncio.to_thread(
            add_file,
            store,
            filename=file.filename,
            purpose=purpose,
            keep_seconds=keep_seconds,
            put=file.move_to,
        )
    return json_reply(file_object(row))


async def list_files(request: Request) -> Response:
    """GET /files."""
    store = context_of(request).store
    after, limit = page_of(request, default=_MAX_PAGE, most=_MAX_PAGE)
    order = request.query_params.get("order", "desc")
    if order not in {"asc", "desc"}:
        invalid(
            "Invalid value for 'order': supported values are: 'asc', 'desc'.",
            param="order",
            code="invalid_value",
        )
    query, values = "SELECT * FROM files WHERE (expires_at IS NULL OR expires_at > ?)", [now()]
    purpose = request.query_params.get("purpose")
    found, more = store.page(
        query if purpose is None else f"{query} AND purpose = ?",
        tuple(values) if purpose is None else (*values, purpose),
        after=seq_of(store, "files", after),
        limit=limit,
        newest_first=order == "desc",
    )
    return json_reply(listing([file_object(row) for row in found], more=more, ends=""))


async def retrieve(request: Request) -> Response:
    """GET /files/{file_id}."""
    return json_reply(file_object(find_file(context_of(request).store, request.path_params["file_id"])))


async def content(request: Request) -> Response:
    """GET /files/{file_id}/content."""
    store = context_of(request).store
    row = find_file(store, request.path_params["file_id"])
    return _Content(
        store.files / row["id"],
        media_type="application/octet-stream",
        filename=row["filename"],
    )


async def delete(request: Request) -> Response:
    """DELETE /files/{file_id}: not while an unfinished job or batch needs it."""
    store = context_of(request).store
    with store.transaction():
        row = find_file(store, request.path_params["file_id"])
        refuse_file_in_use(store, row["id"])
        store.write("DELETE FROM files WHERE id = ?", row["id"])
    (store.files / row["id"]).unlink(missing_ok=True)
    return json_reply({"id": row["id"], "object": "file", "deleted": True})


ROUTES = [
    Route("/files", create, methods=["POST"]),
    Route("/files", list_files, methods=["GET"]),
    Route("/files/{file_id}", retrieve, methods=["GET"]),
    Route("/files/{file_id}", delete, methods=["DELETE"]),
    Route("/files/{file_id}/content", content, methods=["GET"]),
]
