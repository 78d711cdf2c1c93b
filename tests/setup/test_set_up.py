"""The set-up installs what the lock names, whatever is published later, on a machine with nothing installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import labeltune
from setup.fresh import Fresh, installed
from setup.locks import LOCKS, versions


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lock", LOCKS)
def test_the_set_up_installs_what_the_lock_names(lock: str, fresh: Fresh) -> None:
    make = subprocess.run(
        ["make", "VENV=.venv", f"PYTHON={sys.executable}", f".venv/.{lock}"],
        cwd=fresh.folder,
        env=fresh.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert make.returncode == 0, make.stdout + make.stderr
    assert installed(fresh.folder / ".venv") == {**versions(lock), "labeltune": labeltune.__version__}
