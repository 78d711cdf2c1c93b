"""What a worker clears away before it begins: the expired, and what killed processes left behind."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from labeltune.files.writing import sweep_leftovers
from labeltune.local.store import now
from labeltune.local.stored_models import drop_unused_folders

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.store import Store

__all__ = ["sweep"]

_ORPHAN_S = 3600
"""Bytes are in place before their row: younger ones may be waiting for it."""

_UPLOAD_S = 24 * 3600


def sweep(store: Store) -> None:
    """Remove expired files, what cancelled and failed jobs saved, and bytes that belong to nothing."""
    store.write("DELETE FROM files WHERE expires_at <= ?", now())
    sweep_leftovers(store.files)
    known = {row["id"] for row in store.rows("SELECT id FROM files")}
    for path in store.files.iterdir():
        if path.name not in known and _age(path) > _ORPHAN_S:
            path.unlink(missing_ok=True)
    _sweep_models(store)
    for path in store.incoming.iterdir():
        if _age(path) > _UPLOAD_S:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _sweep_models(store: Store) -> None:
    """Remove what jobs left that have no model and go on no more: cancelled ones, and those forgotten."""
    over = "SELECT id FROM jobs WHERE status IN ('cancelled', 'failed')"
    for table in ("models", "checkpoints"):
        store.write(f"DELETE FROM {table} WHERE job_id IN ({over})")  # noqa: S608  (names of this package)
    jobs = {row["id"] for row in store.rows("SELECT id FROM jobs")}
    owned = {row["job_id"] for row in store.rows("SELECT DISTINCT job_id FROM models")}
    for root in store.models.iterdir():
        if root.name in jobs:
            drop_unused_folders(store, root.name)
        elif root.name not in owned and _age(root) > _ORPHAN_S:
            shutil.rmtree(root, ignore_errors=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
