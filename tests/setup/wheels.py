"""A folder of made wheels that stands for a package index on the day after tomorrow.

It offers every locked package at its locked version, asking for what the real one asks for, and a newer release of
each. The packages are empty, but for those that build labeltune itself: these are the installed ones, packed again.
"""

from __future__ import annotations

import hashlib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from setup.locks import group, here, read_lock, required_by, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement

_NOT_PACKED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_ELSEWHERE = "0" * 64
"""The hash of a package for another platform: nobody asks for it here."""


def make_index(folder: Path) -> dict[str, str]:
    """Make the wheels; returns the SHA-256 of each package's locked version, by name."""
    builders = builders_of_labeltune()
    hashes = {}
    for name, pin in here("dev").items():
        version = version_of(pin)
        asked = tuple(metadata.requires(name) or ())
        extras = tuple(metadata.metadata(name).get_all("Provides-Extra") or ())
        files = installed_files(name) if name in builders else {}
        wheel = write_wheel(folder, name, version, asked=asked, extras=extras, files=files)
        hashes[name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        write_wheel(folder, name, newer(version), asked=asked, extras=extras)
    return hashes


def builders_of_labeltune() -> set[str]:
    """The packages that take part in building it."""
    pins = here("dev")
    found: set[str] = set()
    todo = [canonicalize_name(one.name) for one in group("build")]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [canonicalize_name(one.name) for one in required_by(pins[name])]
    return found


def newer(version: str) -> str:
    """The next release."""
    *first, last = Version(version).release
    return ".".join(map(str, (*first, last + 1)))


def installed_files(name: str) -> dict[str, bytes]:
    """The files of an installed package, as its wheel held them."""
    files = metadata.files(name)
    assert files is not None, f"{name}: its files are not recorded"
    return {
        file.as_posix(): Path(str(file.locate())).read_bytes()
        for file in files
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in _NOT_PACKED
    }


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    asked: Iterable[str] = (),
    extras: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel that asks for `asked`, and holds `files` or nothing."""
    stem = f"{name.replace('-', '_')}-{version}"
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    headers += [f"Provides-Extra: {extra}" for extra in extras]
    headers += [f"Requires-Dist: {requirement}" for requirement in asked]
    tags = "Wheel-Version: 1.0\nGenerator: labeltune-tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    own = {
        f"{stem}.dist-info/METADATA": "\n".join([*headers, "", ""]).encode(),
        f"{stem}.dist-info/WHEEL": tags.encode(),
    }
    content = {**own, **(files or {})}
    record = f"{stem}.dist-info/RECORD"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, data in content.items():
            archive.writestr(place, data)
        archive.writestr(record, "".join(f"{place},,\n" for place in (*content, record)))
    return path


def lock_on(lock: str, hashes: Mapping[str, str]) -> str:
    """A lock file whose every line is the real one's, with the hash of the made wheel."""
    return "".join(f"{pin} --hash=sha256:{_hash_of(pin, hashes)}\n" for pin in read_lock(lock))


def _hash_of(pin: Requirement, hashes: Mapping[str, str]) -> str:
    return hashes.get(canonicalize_name(pin.name), _ELSEWHERE)
