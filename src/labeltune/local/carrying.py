"""A model of the local provider carried to other processes, on this machine or another: as bytes with their
hash, or, where it is large, as the path of a folder that all of them see, with the hash of what is in it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from labeltune.errors import AccessError, ModelDamagedError
from labeltune.files.writing import disk_errors
from labeltune.local.cards import card_of, keep_card
from labeltune.local.errors import ApiError
from labeltune.local.model_files import Files, bytes_of, digest_of, files_of, size_of
from labeltune.local.store import Store
from labeltune.local.stored_models import find_model

__all__ = ["LARGEST_CARRIED", "CarriedModel", "pack_model", "unpack_model"]

LARGEST_CARRIED = 100 << 20
"""Bytes of a model that is carried itself."""

_JOB = "carried"
_HINT = "run the command again; if the model lies on a shared folder, let nothing change it meanwhile"


@dataclass(frozen=True, slots=True)
class CarriedModel:
    """A model on its way. Either `content`, an archive of its files, or `folder`, where they lie."""

    name: str
    engine: str
    created_at: int
    sha256: str
    """of `content`, or of the names and hashes of the files in `folder`"""
    content: bytes = field(default=b"", repr=False)
    folder: str = ""
    card: dict[str, Any] = field(default_factory=dict, repr=False)


def pack_model(directory: Path, name: str, *, largest: int = LARGEST_CARRIED) -> CarriedModel:
    """The model of that name of the local provider in `directory`, without what only its job needs.

    Raises `AccessError` if there is none, `ModelDamagedError`.
    """
    store = Store(directory, check=False)
    try:
        row = find_model(store, name)
    except ApiError as error:
        raise AccessError(
            error.message, hint="see which models there are: labeltune models list --provider local"
        ) from error
    folder = store.model_folder(row["job_id"], row["step"])
    files = files_of(row["engine"], folder)
    about = {
        "name": name,
        "engine": row["engine"],
        "created_at": row["created_at"],
        "card": card_of(store, row["job_id"]),
    }
    if sum(map(size_of, files.values())) > largest:
        return CarriedModel(sha256=digest_of(files), folder=str(folder.absolute()), **about)
    content = _archived(files)
    return CarriedModel(sha256=hashlib.sha256(content).hexdigest(), content=content, **about)


def unpack_model(carried: CarriedModel, directory: Path) -> None:
    """Make a local provider in `directory` that has this model.

    Raises `ModelDamagedError` where the bytes are not those that were sent off.
    """
    store = Store(directory)
    target = store.model_folder(_JOB, 0)
    with disk_errors(directory):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if carried.folder:
            folder = Path(carried.folder)
            _compare(carried, digest_of(files_of(carried.engine, folder)))
            target.symlink_to(folder, target_is_directory=True)
        else:
            _compare(carried, hashlib.sha256(carried.content).hexdigest())
            _unarchive(carried, target)
    with store.transaction():
        row = {"name": carried.name, "engine": carried.engine, "job_id": _JOB, "step": 0}
        store.insert("models", {**row, "created_at": carried.created_at})
        keep_card(store, _JOB, carried.card)


def _compare(carried: CarriedModel, digest: str) -> None:
    if digest != carried.sha256:
        raise ModelDamagedError(
            f"{carried.name}: what arrived is not the model that was sent off "
            f"(SHA-256 {digest[:12]}…, not {carried.sha256[:12]}…)",
            hint=_HINT,
        )


def _archived(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files.items():
            # A date of its own would change the hash of the same model.
            archive.writestr(zipfile.ZipInfo(name), bytes_of(file))
    return buffer.getvalue()


def _unarchive(carried: CarriedModel, target: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(carried.content)) as archive:
        for name in archive.namelist():
            inside = PurePosixPath(name)
            if inside.is_absolute() or ".." in inside.parts or "\\" in name:
                raise ModelDamagedError(f"{carried.name}: {name!r} is no file of a model", hint=_HINT)
            path = target / inside
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(archive.read(name))
