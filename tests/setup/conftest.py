"""A machine with nothing installed, and the index of the day after tomorrow."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from setup.fresh import Fresh
from setup.locks import LOCKS, ROOT
from setup.wheels import lock_on, make_index

if TYPE_CHECKING:
    from pathlib import Path

_COPIED = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "action.yml")


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The index, and the hashes of the locked versions in it."""
    folder = tmp_path_factory.mktemp("index")
    return folder, make_index(folder)


@pytest.fixture
def fresh(tmp_path: Path, index: tuple[Path, dict[str, str]]) -> Fresh:
    """The locks of the copy hold the hashes of the made wheels."""
    wheels, hashes = index
    folder = tmp_path / "project"
    (folder / "requirements").mkdir(parents=True)
    for name in _COPIED:
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for lock in LOCKS:
        (folder / "requirements" / f"{lock}.txt").write_text(lock_on(lock, hashes), encoding="utf-8")
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return Fresh(folder, {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **pip})
