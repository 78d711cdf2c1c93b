"""What all tests share: no network but loopback, no keys, a home of their own, and the real data if it is there."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

_LOOPBACK = ("127.", "::1", "localhost")
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _guard(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is not None and not str(host).startswith(_LOOPBACK):
        # Not an OSError: that would be retried by clients and hidden in their own errors.
        raise RuntimeError(f"a test tried to reach {host}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _guard(address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _guard(address)
    return _connect_ex(self, address)


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only loopback, no keys or settings from outside, and a local provider of the test's own."""
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_", "NEBIUS_", "LABELTUNE_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets beside the checkout; tests that need them are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not beside this checkout")
    return SHARED
