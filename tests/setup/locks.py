"""The lock files, and the packages that they name."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("demo", "dev")


def project() -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_lock(lock: str) -> list[Requirement]:
    """What a lock file names, for all platforms: `coverage[toml]==7.17.4`, with its marker if there is one."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [Requirement(line.partition(" --hash")[0]) for line in text.splitlines() if line.strip()]


def here(lock: str) -> dict[str, Requirement]:
    """What a lock file installs on this machine, by name."""
    return {canonicalize_name(one.name): one for one in read_lock(lock) if applies(one)}


def versions(lock: str) -> dict[str, str]:
    """The versions that a lock file installs on this machine, by name."""
    return {name: version_of(pin) for name, pin in here(lock).items()}


def version_of(pin: Requirement) -> str:
    """The one version that a line of a lock allows."""
    (only,) = pin.specifier
    assert only.operator == "==", f"{pin}: not pinned"
    return only.version


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    """Whether a requirement of a package, asked for with these extras, is one on this machine."""
    return requirement.marker is None or any(
        requirement.marker.evaluate({"extra": extra}) for extra in (*extras, "")
    )


def required_by(pin: Requirement) -> Iterator[Requirement]:
    """What a locked package asks for on this machine, as its installed metadata say."""
    for line in metadata.requires(pin.name) or ():
        requirement = Requirement(line)
        if applies(requirement, pin.extras):
            yield requirement


def group(name: str) -> Iterator[Requirement]:
    """A dependency group of `pyproject.toml`, with the groups that it includes."""
    for entry in project()["dependency-groups"][name]:
        if isinstance(entry, dict):
            yield from group(entry["include-group"])
        else:
            yield Requirement(entry)


UNLOCKED = "torch"
"""The extra of which each machine has a build of its own."""


def wanted(lock: str) -> list[Requirement]:
    """What `pyproject.toml` wants of a lock."""
    about = project()
    groups = ("build",) if lock == "demo" else ("build", "dev", "bench")
    lines = [*about["build-system"]["requires"], *about["project"]["dependencies"]]
    if lock == "dev":
        extras = about["project"]["optional-dependencies"].items()
        lines += [line for name, listed in extras if name != UNLOCKED for line in listed]
    return [*map(Requirement, lines), *(one for name in groups for one in group(name))]
