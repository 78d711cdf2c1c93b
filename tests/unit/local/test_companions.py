"""Processes that learn together, and one of them that does not come."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from labeltune.errors import TrainingRefusedError
from labeltune.local.companions import check_there
from labeltune.local.engines.neural import processes
from unit.local.tiny_models import need_torch

if TYPE_CHECKING:
    from pathlib import Path

need_torch()


@pytest.mark.parametrize("code", [0, 3])
def test_who_ends_before_all_have_met_is_not_waited_for(code: int, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    ended.wait()
    with (
        processes.together(tmp_path, 0, 2, lambda: check_there([ended])),
        pytest.raises(TrainingRefusedError, match=f"process 1 .* ended with exit code {code}"),
    ):
        processes._meeting[-1].wait()


def test_nobody_is_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PATIENCE", timedelta(0))
    with (
        processes.together(tmp_path, 0, 3),
        pytest.raises(TrainingRefusedError, match="process 1 .* did not begin within an hour"),
    ):
        processes._meeting[-1].wait()


def test_all_who_are_there_go_on(tmp_path: Path) -> None:
    (tmp_path / "here-1").touch()
    with processes.together(tmp_path, 0, 2, lambda: pytest.fail("nobody is missing")):
        processes._meeting[-1].wait()
