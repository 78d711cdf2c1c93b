"""Fixtures of the tests of the local provider."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

import pytest

from labeltune.local.stored_models import base_models
from protocol import tally_engine
from protocol.harness import Provider, Server, end_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def tally_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package that offers the engine `tally`."""
    site = tmp_path_factory.mktemp("site")
    tally_engine.install(site)
    return site


@pytest.fixture(autouse=True)
def _tally(tally_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the engine here and in the workers started from here."""
    monkeypatch.syspath_prepend(str(tally_site))
    others = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{tally_site}{os.pathsep}{others}" if others else str(tally_site))
    importlib.invalidate_caches()
    base_models.cache_clear()
    yield
    base_models.cache_clear()


@pytest.fixture
def allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """How many steps of a job, or answers, the engine `tally` may take: before the next one it waits for more.

    Of workers that are started after the first call; without one, there is no limit.
    """
    told = tmp_path / "allowed"

    def allow(count: int) -> None:
        new = told.with_suffix(".new")
        new.write_text(str(count))
        new.replace(told)
        monkeypatch.setenv("TALLY_ALLOWED", str(told))

    return allow


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """The directory of a local provider, whose worker is gone afterwards."""
    yield tmp_path / "provider"
    end_work(tmp_path / "provider")


@pytest.fixture
def provider(directory: Path) -> Provider:
    return Provider(directory)


@pytest.fixture
def server(directory: Path) -> Iterator[Server]:
    started = Server(directory)
    yield started
    started.end()
