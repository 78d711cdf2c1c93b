"""What the fault tests of predict share."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.fault_folder import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    return Folder(tmp_path)
