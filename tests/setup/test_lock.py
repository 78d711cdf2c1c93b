"""The lock files hold all that is asked for, and `pyproject.toml` asks for what is used and no more."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from setup.locks import LOCKS, ROOT, here, project, read_lock, required_by, version_of, versions, wanted
from source_code import imports_of, modules

if TYPE_CHECKING:
    pass


def missing(asked: Requirement, pins: dict[str, Requirement]) -> bool:
    """Whether a lock does not give what is asked for: the package, a version that will do, its extras."""
    pin = pins.get(canonicalize_name(asked.name))
    if pin is None or not asked.specifier.contains(version_of(pin)):
        return True
    return not set(map(canonicalize_name, asked.extras)) <= set(map(canonicalize_name, pin.extras))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_complete(lock: str) -> None:
    """pip is told to resolve nothing, so whatever a locked package asks for is in the lock itself."""
    pins = here(lock)
    assert {
        f"{pin} asks for {asked}"
        for pin in pins.values()
        for asked in required_by(pin)
        if missing(asked, pins)
    } == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_what_pyproject_asks_for(lock: str) -> None:
    """Else `make lock` was forgotten."""
    pins = here(lock)
    assert [str(asked) for asked in wanted(lock) if missing(asked, pins)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_every_package(lock: str) -> None:
    for pin in read_lock(lock):
        assert version_of(pin)
    lines = (
        (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    )
    assert [line for line in lines if "--hash=sha256:" not in line] == []


def test_the_demo_s_versions_are_those_that_the_tests_run_with() -> None:
    assert versions("demo").items() <= versions("dev").items()


def test_this_environment_is_the_lock_s() -> None:
    """What the tests say about the lock's packages, they say about the installed ones."""
    assert {name: metadata.version(name) for name in versions("dev")} == versions("dev")


# -------------------------------------------------------------------------------------- what is asked for, and why


def imported() -> set[str]:
    """The top-level packages that some line under `src/labeltune` imports when it runs, ours and Python's left out."""
    found = {name for _, tree in modules() for name in imports_of(tree)}
    return found - sys.stdlib_module_names - {"labeltune"}


def packages_of(names: set[str]) -> dict[str, set[str]]:
    """The installed packages that bring each of these modules."""
    brought_by = metadata.packages_distributions()
    return {name: {canonicalize_name(one) for one in brought_by.get(name, ())} for name in names}


def test_every_dependency_is_imported() -> None:
    used = set().union(*packages_of(imported()).values())
    asked = {canonicalize_name(Requirement(line).name) for line in project()["project"]["dependencies"]}
    assert asked - used == set()


def test_every_import_is_a_dependency() -> None:
    """The other way round: nothing is used that comes by the way with something else."""
    about = project()["project"]
    lines = [
        *about["dependencies"],
        *(line for extra in about["optional-dependencies"].values() for line in extra),
    ]
    asked = {canonicalize_name(Requirement(line).name) for line in lines}
    assert {name for name, packages in packages_of(imported()).items() if not packages & asked} == set()
