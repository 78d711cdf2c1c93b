"""Exports of models: what stands in such a folder, and that it is what was written.

    manifest.json    what the model is, and the hash of every other file
    model/           what the engine saved; or model.onnx and what is needed beside it
    README.md        the model card
    task.toml        the task, where it is known

Nothing in it can run: only files of known kinds are taken, by names that stay inside the folder. A chat
template is text that transformers renders in a sandbox: its hash is looked at as any other's.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labeltune.errors import DiskError, ModelDamagedError
from labeltune.files.writing import disk_errors, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT", "MANIFEST", "MODEL", "Export", "copy_checked", "export_in", "read_manifest", "seal"]

MANIFEST = "manifest.json"
MODEL = "model"
FORMAT = "labeltune-model-1"

_LARGEST_MANIFEST = 16 << 20
_INNER = frozenset({MODEL, f"{MODEL}/labeltune", f"{MODEL}/additional_chat_templates"})
"""The folders there may be: what labeltune keeps of a merged language model stands apart from the model."""

_NAME = re.compile(rf"((?:{'|'.join(sorted(_INNER))})/)?[A-Za-z0-9][A-Za-z0-9._-]{{0,199}}")
_KINDS = frozenset({".json", ".npy", ".safetensors", ".onnx", ".txt", ".md", ".toml", ".jinja"})
_HINT = "export it again where it comes from, or get the folder once more"


def seal(folder: Path, about: dict[str, Any]) -> bool:
    """Write the manifest of a folder that is complete: `about`, and the hash of every file. Returns whether
    all of them are of the kinds that an import takes.
    """
    files = {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = {"format": FORMAT, **about, "files": files}
    manifest["sha256"] = _digest(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return all(map(_is_name, files))


@dataclass(frozen=True, slots=True)
class Export:
    """What a folder that `seal` wrote says of itself."""

    name: str
    form: str
    changed: str | None
    """the first file that is not as it was written, or was not written at all"""


def export_in(folder: Path) -> Export | None:
    """The export in a folder, whole or not; None where there is none. Raises `DiskError`."""
    try:
        manifest = _parsed(folder / MANIFEST)
    except (OSError, ValueError, RecursionError):
        return None
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        return None
    return Export(str(manifest.get("name")), str(manifest.get("form")), _changed(folder, files))


def _changed(folder: Path, files: dict[str, Any]) -> str | None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(found.symmetric_difference({*files, MANIFEST})):
        return name
    with disk_errors(folder):
        return next((name for name in sorted(files) if sha256_of(folder / name) != files[name]), None)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, whose own hash is right and which names every file of the folder, of known kinds only.

    The files' hashes are for who copies them to look at. Raises `ModelDamagedError`.
    """
    path = folder / MANIFEST
    try:
        manifest = _parsed(path)
    except OSError as error:
        raise ModelDamagedError(
            f"{path}: cannot be read: {error.strerror}", hint="give a folder that `models export` wrote"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelDamagedError(f"{path}: is no manifest of a model", hint=_HINT) from error
    digest, files = manifest.get("sha256"), manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        raise ModelDamagedError(f"{path}: is no manifest of a model", hint=_HINT)
    if digest != _digest({key: value for key, value in manifest.items() if key != "sha256"}):
        raise ModelDamagedError(f"{path}: its bytes are not those that were written", hint=_HINT)
    for name, hash_ in files.items():
        if not _is_name(name) or not isinstance(hash_, str):
            raise ModelDamagedError(f"{path}: {name!r} is no file of a model", hint=_HINT)
    _check_folder(folder, {*files, MANIFEST})
    return manifest


def _parsed(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        content = handle.read(_LARGEST_MANIFEST + 1)
    if len(content) > _LARGEST_MANIFEST:
        raise ValueError("too long")
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  # one error for all that is no manifest
    return value


def _is_name(name: str) -> bool:
    kind = "." + name.rpartition(".")[2]
    return _NAME.fullmatch(name) is not None and ".." not in name and kind in _KINDS


def _check_folder(folder: Path, named: set[str]) -> None:
    """Raise `ModelDamagedError` for what the manifest does not name, links, and what is missing."""
    found = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or (path.is_dir() and name in _INNER)):
            raise ModelDamagedError(f"{path}: is no file of a model: {_kind(path)}", hint=_HINT)
        if path.is_file():
            found.add(name)
    for name in sorted(found - named):
        raise ModelDamagedError(f"{folder / name}: is not in the manifest", hint="remove it if it is yours")
    for name in sorted(named - found):
        raise ModelDamagedError(f"{folder / name}: is missing", hint=_HINT)


def _kind(path: Path) -> str:
    return "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a device"


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def copy_checked(source: Path, target: Path, expected: str) -> None:
    """Copy a file and look at the hash of what was copied. Raises `ModelDamagedError`, `DiskError`."""
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with source.open("rb") as original, target.open("xb") as copy:
            while data := original.read(1 << 20):
                digest.update(data)
                copy.write(data)
    except OSError as error:
        raise DiskError(f"{source}: cannot be copied to {target.parent}: {error.strerror}") from error
    if digest.hexdigest() != expected:
        raise ModelDamagedError(f"{source}: its bytes are not those that were written", hint=_HINT)
