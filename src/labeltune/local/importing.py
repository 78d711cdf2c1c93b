"""A model that was exported elsewhere becomes one of this machine's local provider."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from labeltune.errors import ConflictError, LabeltuneError, ModelDamagedError, SettingsError
from labeltune.files.writing import sha256_of
from labeltune.local import engines
from labeltune.local.cards import keep_card
from labeltune.local.engines import Base
from labeltune.local.model_files import files_of, hashes_of
from labeltune.local.portable import MANIFEST, MODEL, copy_checked, read_manifest
from labeltune.local.store import new_id, now

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.local.store import Row, Store

__all__ = ["import_model"]

_NAME = re.compile(r"ft:[A-Za-z0-9._-]{1,100}:local:[a-z0-9._-]{0,64}:[A-Za-z0-9]{1,24}(:ckpt-step-\d{1,9})?")


def import_model(store: Store, folder: Path) -> str:
    """Take a model in; returns its name. The same model again has the same name.

    Raises `ModelDamagedError` for what is not as it was written, `AccessError` for an engine that is not
    here, `ConflictError` if another model has that name.
    """
    manifest = read_manifest(folder)
    name, base = _described(folder, manifest)
    engine = engines.get_engine(base.engine)
    files = {
        path.removeprefix(f"{MODEL}/"): digest
        for path, digest in manifest["files"].items()
        if path.startswith(f"{MODEL}/")
    }
    known = store.row("SELECT * FROM models WHERE name = ?", name)
    if known is not None and _holds(store, known, files):
        # Looked through all the same: a folder that was tampered with is not called the same model.
        _check(folder, files)
        return name
    stage = store.incoming / new_id("import-")
    stage.mkdir(mode=0o700)
    try:
        for path, digest in files.items():
            copy_checked(folder / MODEL / path, stage / path, digest)
        _check(folder, {path: digest for path, digest in manifest["files"].items() if "/" not in path}, "")
        _load(engine, stage, folder)
        _take_in(store, stage, name, manifest)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return name


def _described(folder: Path, manifest: dict[str, Any]) -> tuple[str, Base]:
    name, base = manifest.get("name"), manifest.get("base")
    if manifest.get("form") != "labeltune":
        raise SettingsError(
            f"{folder}: is the ONNX form of a model, which cannot be imported",
            hint="export it without --to onnx",
        )
    good = isinstance(name, str) and _NAME.fullmatch(name) and isinstance(base, str)
    if not good or not isinstance(manifest.get("facts"), dict):
        raise ModelDamagedError(f"{folder / MANIFEST}: {name!r} is no name of a model")
    return str(name), Base.parse(str(base))


def _holds(store: Store, model: Row, files: dict[str, str]) -> bool:
    """Whether what answering needs of a model are just these files."""
    folder = store.model_folder(model["job_id"], model["step"])
    try:
        return hashes_of(files_of(model["engine"], folder)) == files
    except ModelDamagedError:
        return False


def _check(folder: Path, files: dict[str, str], inside: str = MODEL) -> None:
    for name, digest in files.items():
        if sha256_of(folder / inside / name) != digest:
            raise ModelDamagedError(f"{folder / inside / name}: its bytes are not those that were written")


def _load(engine: type[engines.Engine], stage: Path, folder: Path) -> None:
    """Load it once. Raises `ModelDamagedError` if the engine cannot."""
    try:
        engine.load(stage)
    except LabeltuneError:
        raise
    except Exception as error:
        # Files of other makers, whose hashes are right: whatever the engine stumbles over, it is no model.
        raise ModelDamagedError(f"{folder}: the engine cannot load it ({type(error).__name__})") from error


def _take_in(store: Store, stage: Path, name: str, manifest: dict[str, Any]) -> None:
    job_id = f"imported-{manifest['sha256'][:24]}"
    target = store.model_folder(job_id, 0)
    with store.transaction():
        if store.row("SELECT 1 FROM models WHERE name = ?", name) is not None:
            raise ConflictError(
                f"there is another model named {name}",
                hint=f"delete it first: labeltune models delete {name} --provider local",
            )
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stage.rename(target)
        row = {"name": name, "engine": manifest["base"], "job_id": job_id, "step": 0, "created_at": now()}
        store.insert("models", row)
        keep_card(store, job_id, {**manifest["facts"], "imported": True})
