"""Saved models: plain arrays, JSON and files that cannot run, named by their content and listed with their
hashes in a manifest.

The manifest is written last and read first: a folder holds what its manifest says or nothing. Nothing in it
can run: arrays are read without pickle, after their hash matched.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from labeltune.errors import DiskError, ModelDamagedError
from labeltune.files.writing import atomic_write, disk_errors, sha256_of, sweep_leftovers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "ForgetsState",
    "copied_files",
    "files_without",
    "read_folder",
    "remove_from_folder",
    "write_folder",
]

MANIFEST = "manifest.json"

_KINDS = (".json", ".npy", ".safetensors", ".onnx", ".txt")
"""What a saved model is made of; anything else in its folder is left alone."""

_HINT = "train the model again, or restore its folder from a copy"


def write_folder(
    folder: Path,
    *,
    about: Mapping[str, Any],
    values: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    copies: Mapping[str, Path] = MappingProxyType({}),
) -> dict[str, Path]:
    """Save `values` as JSON, `arrays` as `.npy`, and copy files, each under its name with its ending, such as
    `weights.safetensors`. What the folder held before goes when all is written. Returns where the copies lie.

    Raises `DiskError`.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # One after the other: all contents together would be as large as the training itself.
    contents = chain(
        ((f"{name}.json", _json(value)) for name, value in values.items()),
        ((f"{name}.npy", _npy(array)) for name, array in arrays.items()),
    )
    files: dict[str, dict[str, Any]] = {}
    for name, content in contents:
        digest = hashlib.sha256(content).hexdigest()
        stem, _, kind = name.rpartition(".")
        stored = f"{stem}-{digest[:12]}.{kind}"
        files[name] = {"file": stored, "sha256": digest}
        with atomic_write(folder / stored) as handle:
            handle.write(content)
    for name, source in copies.items():
        stem, _, kind = name.rpartition(".")
        digest = sha256_of(source)
        stored = f"{stem}-{digest[:12]}.{kind}"
        files[name] = {"file": stored, "sha256": digest}
        with source.open("rb") as original, atomic_write(folder / stored) as handle:
            shutil.copyfileobj(original, handle, 1 << 20)
    manifest = {**about, "files": files}
    _write_manifest(folder, manifest)
    _sweep(folder, manifest)
    return {name: folder / files[name]["file"] for name in copies}


def remove_from_folder(folder: Path, *, about: Mapping[str, Any], names: AbstractSet[str]) -> None:
    """Remove what is saved under these names, each with its ending, from a folder that stays whole at every
    moment. Nothing of these names is no error.

    Raises `ModelDamagedError`, `DiskError`.
    """
    manifest = _read_manifest(folder, about)
    left = _without(manifest, names)
    if left != manifest:
        _write_manifest(folder, left)
    # Also what a process that was killed between the two had no time to remove.
    _sweep(folder, left)


def files_without(folder: Path, *, names: AbstractSet[str]) -> dict[str, Path | bytes]:
    """The files of a folder, by name, as `remove_from_folder` would leave them: where each lies, and what the
    manifest would hold. Before the removal, within it and behind it they are the same.

    Raises `ModelDamagedError`.
    """
    left = _without(_read_manifest(folder, {}), names)
    files = [entry["file"] for entry in left["files"].values()]
    return {MANIFEST: _manifest_bytes(left), **{file: _inside(folder, file) for file in files}}


class ForgetsState:
    """See `Lasting`: for an engine whose `Run.save` writes by `write_folder`."""

    about: ClassVar[Mapping[str, Any]]
    """What the manifest says of the model."""
    state: ClassVar[AbstractSet[str]]
    """The names, each with its ending, of what only a training that goes on needs."""

    @classmethod
    def forget_state(cls, folder: Path) -> None:
        """See `Lasting`."""
        remove_from_folder(folder, about=cls.about, names=cls.state)

    @classmethod
    def lasting(cls, folder: Path) -> dict[str, Path | bytes]:
        """See `Lasting`."""
        return files_without(folder, names=cls.state)


def _without(manifest: Mapping[str, Any], names: AbstractSet[str]) -> dict[str, Any]:
    kept = {name: entry for name, entry in manifest["files"].items() if name not in names}
    return {**manifest, "files": kept}


def _sweep(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Remove what a manifest does not name."""
    kept = {MANIFEST, *(entry["file"] for entry in manifest["files"].values())}
    with disk_errors(folder):
        sweep_leftovers(folder)
        for path in folder.iterdir():
            if path.name not in kept and path.suffix in _KINDS:
                path.unlink(missing_ok=True)


def read_folder(
    folder: Path, *, about: Mapping[str, Any], names: frozenset[str] | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The values and arrays of a folder, or only those in `names`, each under its name. Copied files are not
    among them: see `copied_files`.

    Raises `ModelDamagedError` if something is missing, its hash does not match, or `about` is another one.
    """
    manifest = _read_manifest(folder, about)
    values: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, entry in manifest["files"].items():
        stem, _, kind = name.rpartition(".")
        if kind not in ("json", "npy") or (names is not None and stem not in names):
            continue
        content = _read_file(folder, entry)
        try:
            if kind == "npy":
                arrays[stem] = np.load(io.BytesIO(content), allow_pickle=False)
            else:
                values[stem] = json.loads(content)
        except ValueError as error:
            raise ModelDamagedError(f"{folder / entry['file']}: {error}", hint=_HINT) from error
    return values, arrays


def copied_files(
    folder: Path, *, about: Mapping[str, Any], names: frozenset[str] | None = None
) -> dict[str, Path]:
    """The files that were copied into a folder, or only those in `names`, each under its name, looked through
    for their hashes.

    A `.json` that was copied is read as a value, too. Raises `ModelDamagedError` as `read_folder` does.
    """
    found: dict[str, Path] = {}
    for name, entry in _read_manifest(folder, about)["files"].items():
        if name.endswith(".npy") or (names is not None and name not in names):
            continue
        path = _inside(folder, entry["file"])
        try:
            digest = sha256_of(path)
        except (OSError, DiskError) as error:
            raise ModelDamagedError(f"{path}: cannot be read", hint=_HINT) from error
        if digest != entry["sha256"]:
            raise ModelDamagedError(f"{path}: its bytes are not those that were saved", hint=_HINT)
        found[name] = path
    return found


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    with atomic_write(folder / MANIFEST) as handle:
        handle.write(_manifest_bytes(manifest))


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    return _json({**manifest, "sha256": hashlib.sha256(_json(manifest)).hexdigest()})


def _read_manifest(folder: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        digest = manifest.pop("sha256")
        entries = manifest["files"].values()
        good = all(isinstance(e["file"], str) and isinstance(e["sha256"], str) for e in entries)
        good &= digest == hashlib.sha256(_json(manifest)).hexdigest()
    except OSError as error:
        raise ModelDamagedError(f"{path}: cannot be read: {error.strerror}", hint=_HINT) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelDamagedError(f"{path}: is not a manifest", hint=_HINT) from error
    if not good:
        raise ModelDamagedError(f"{path}: its bytes are not those that were saved", hint=_HINT)
    for key, expected in about.items():
        if manifest.get(key) != expected:
            raise ModelDamagedError(
                f"{path}: {key} is {manifest.get(key)!r}, expected {expected!r}", hint=_HINT
            )
    return dict(manifest)


def _read_file(folder: Path, entry: Mapping[str, str]) -> bytes:
    path = _inside(folder, entry["file"])
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ModelDamagedError(f"{path}: cannot be read", hint=_HINT) from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ModelDamagedError(f"{path}: its bytes are not those that were saved", hint=_HINT)
    return content


def _inside(folder: Path, name: str) -> Path:
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        raise ModelDamagedError(f"{folder / MANIFEST}: {name!r} is not the name of a file", hint=_HINT)
    return folder / name


def _json(value: Any) -> bytes:
    # Escaped, since a label may hold a lone surrogate, which UTF-8 cannot say.
    return json.dumps(value, ensure_ascii=True, sort_keys=False, separators=(",", ":")).encode()


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
