"""Uploads: a large file in parts."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from labeltune.files.writing import atomic_write, disk_errors, sha256_of
from labeltune.local.context import context_of
from labeltune.local.errors import invalid, not_found
from labeltune.local.files import PURPOSES, add_file, file_object
from labeltune.local.multipart import read_form, received
from labeltune.local.store import new_id, now
from labeltune.local.wire import json_fields, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from labeltune.local.store import Row, Store

__all__ = ["ROUTES"]

MAX_UPLOAD = 8 << 30
MAX_PART = 64 << 20
_OPEN_S = 3600


def _upload_object(store: Store, row: Row) -> dict[str, Any]:
    shown = {
        key: row[key] for key in ("id", "bytes", "created_at", "expires_at", "filename", "purpose", "status")
    }
    file = store.row("SELECT * FROM files WHERE id = ?", row["file_id"])
    if file is not None:
        shown["file"] = file_object(file)
    return {"object": "upload", **shown}


def _find(store: Store, upload_id: str) -> Row:
    store.write("UPDATE uploads SET status = 'expired' WHERE status = 'pending' AND expires_at <= ?", now())
    row = store.row("SELECT * FROM uploads WHERE id = ?", upload_id)
    if row is None:
        not_found("upload", upload_id, param="upload_id")
    return row


def _find_pending(store: Store, upload_id: str) -> Row:
    row = _find(store, upload_id)
    if row["status"] != "pending":
        invalid(
            f"The upload {upload_id} is {row['status']}.", param="upload_id", code="invalid_upload_status"
        )
    return row


async def create(request: Request) -> Response:
    """POST /uploads."""
    store = context_of(request).store
    fields = await json_fields(request)
    created_at = now()
    row: Row = {
        "id": new_id("upload_"),
        "filename": fields.needed_text("filename"),
        "purpose": fields.choice("purpose", PURPOSES, required=True),
        "bytes": fields.integer("bytes", least=1, most=MAX_UPLOAD, required=True),
        "keep_seconds": fields.expiry("expires_after"),
        "created_at": created_at,
        "expires_at": created_at + _OPEN_S,
        "status": "pending",
        "file_id": None,
    }
    fields.needed_text("mime_type")
    fields.done()
    store.insert("uploads", row)
    return json_reply(_upload_object(store, row))


async def add_part(request: Request) -> Response:
    """POST /uploads/{upload_id}/parts."""
    store = context_of(request).store
    upload = _find_pending(store, request.path_params["upload_id"])
    with received(await read_form(request, store, MAX_PART)) as form:
        data = form.file("data")
        form.read("data").done()
        row = {
            "id": new_id("part_"),
            "upload_id": upload["id"],
            "bytes": data.size,
            "created_at": now(),
        }
        await asyncio.to_thread(_put_part, store, upload, data.move_to, row)
    return json_reply(
        {
            "object": "upload.part",
            **{key: row[key] for key in ("id", "created_at", "upload_id")},
        }
    )


def _put_part(store: Store, upload: Row, put: Callable[[Path], str], row: Row) -> None:
    folder = store.incoming / upload["id"]
    with disk_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    put(folder / row["id"])
    store.insert("parts", row)


async def complete(request: Request) -> Response:
    """POST /uploads/{upload_id}/complete."""
    store = context_of(request).store
    upload = _find_pending(store, request.path_params["upload_id"])
    fields = await json_fields(request)
    part_ids = fields.items("part_ids", required=True)
    md5 = fields.text("md5")
    fields.done()
    parts = {row["id"]: row for row in store.rows("SELECT * FROM parts WHERE upload_id = ?", upload["id"])}
    if (
        not part_ids
        or not all(isinstance(name, str) for name in part_ids)
        or len(set(part_ids)) != len(part_ids)
    ):
        invalid("Expected the ids of the parts, each once.", param="part_ids", code="invalid_value")
    for name in part_ids:
        if name not in parts:
            invalid(f"No such part: {name}", param="part_ids", code="invalid_value")
    size = sum(parts[name]["bytes"] for name in part_ids)
    if size != upload["bytes"]:
        invalid(
            f"The parts have {size} bytes, but the upload was announced with {upload['bytes']}.",
            param="part_ids",
            code="invalid_value",
        )
    folder = store.incoming / upload["id"]

    def put(path: Path) -> str:
        digest = hashlib.md5(usedforsecurity=False)
        with atomic_write(path) as target:
            for name in part_ids:
                with (folder / name).open("rb") as part:
                    while chunk := part.read(1 << 20):
                        digest.update(chunk)
                        target.write(chunk)
            if md5 is not None and digest.hexdigest() != md5.lower():
                invalid("The MD5 checksum does not match the parts.", param="md5", code="invalid_value")
        path.chmod(0o600)
        return sha256_of(path)

    row = await asyncio.to_thread(
        add_file,
        store,
        filename=upload["filename"],
        purpose=upload["purpose"],
        keep_seconds=upload["keep_seconds"],
        put=put,
    )
    store.write("UPDATE uploads SET status = 'completed', file_id = ? WHERE id = ?", row["id"], upload["id"])
    _drop_parts(store, upload["id"])
    return json_reply(_upload_object(store, _find(store, upload["id"])))


async def cancel(request: Request) -> Response:
    """POST /uploads/{upload_id}/cancel."""
    store = context_of(request).store
    upload = _find_pending(store, request.path_params["upload_id"])
    store.write("UPDATE uploads SET status = 'cancelled' WHERE id = ?", upload["id"])
    _drop_parts(store, upload["id"])
    return json_reply(_upload_object(store, _find(store, upload["id"])))


def _drop_parts(store: Store, upload_id: str) -> None:
    store.write("DELETE FROM parts WHERE upload_id = ?", upload_id)
    shutil.rmtree(store.incoming / upload_id, ignore_errors=True)


ROUTES = [
    Route("/uploads", create, methods=["POST"]),
    Route("/uploads/{upload_id}/parts", add_part, methods=["POST"]),
    Route("/uploads/{upload_id}/complete", complete, methods=["POST"]),
    Route("/uploads/{upload_id}/cancel", cancel, methods=["POST"]),
]
