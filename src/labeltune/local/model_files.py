"""The files of a trained model that answering needs: one list for what hashes, carries, exports and compares
models, the same before and after its job forgets what only going on needs.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from labeltune.errors import ModelDamagedError
from labeltune.files.writing import disk_errors, sha256_of
from labeltune.local import engines
from labeltune.local.engines import Base

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labeltune.local.engines import Lasting

__all__ = ["Files", "bytes_of", "digest_of", "files_of", "hashes_of", "size_of", "write_files"]

Files = dict[str, Path | bytes]
"""By their names in the folder, sorted: where each lies, or what is in it where that is to lie there."""


def files_of(base: str, folder: Path) -> Files:
    """The files of a model in `folder`, which a job with this base saved there.

    Raises `ModelDamagedError` if there are none, or what is there is not as it was saved.
    """
    engine = engines.get_engine(Base.parse(base).engine)
    found: Mapping[str, Path | bytes] = {}
    if folder.is_dir():
        if hasattr(engine, "lasting"):
            found = cast("type[Lasting]", engine).lasting(folder)
        else:
            found = {
                path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
            }
    if not found:
        raise ModelDamagedError(
            f"{folder}: holds no model, or cannot be seen from here",
            hint="a model above 100 MB must lie in a folder that every machine sees under the same path",
        )
    return dict(sorted(found.items()))


def bytes_of(file: Path | bytes) -> bytes:
    """What is in a file. Raises `ModelDamagedError` if it has gone meanwhile."""
    if isinstance(file, bytes):
        return file
    with _still_there(file):
        return file.read_bytes()


def size_of(file: Path | bytes) -> int:
    """How many bytes these are. Raises `ModelDamagedError` if the file has gone meanwhile."""
    if isinstance(file, bytes):
        return len(file)
    with _still_there(file):
        return file.stat().st_size


def hashes_of(files: Files) -> dict[str, str]:
    """The SHA-256 of each, by its name. Raises `ModelDamagedError` if one has gone meanwhile."""
    return {name: _hash(file) for name, file in files.items()}


def digest_of(files: Files) -> str:
    """One hash of names and contents. Raises `ModelDamagedError` if a file has gone meanwhile."""
    lines = (f"{name}\0{digest}\n" for name, digest in hashes_of(files).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_files(files: Files, folder: Path) -> None:
    """Copy them into a folder. Raises `ModelDamagedError` if one has gone meanwhile, `DiskError`."""
    for name, file in files.items():
        target = folder / name
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(file, bytes):
                target.write_bytes(file)
                continue
        with _still_there(file), disk_errors(target):
            shutil.copyfile(file, target)


def _hash(file: Path | bytes) -> str:
    if isinstance(file, bytes):
        return hashlib.sha256(file).hexdigest()
    with _still_there(file):
        return sha256_of(file)


@contextmanager
def _still_there(file: Path) -> Iterator[None]:
    """A checkpoint may be removed while it is read, and its folder with it."""
    try:
        yield
    except FileNotFoundError as error:
        raise ModelDamagedError(
            f"{file}: is gone: the model was removed meanwhile", hint="choose another model or checkpoint"
        ) from error
