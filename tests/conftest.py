"""What all tests share: no network but loopback, no keys, a home of their own, and the real data if it is there;
and the same results on an idle machine and a busy one, on a terminal and under `nohup`.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Set before a library starts its threads, for this process and its children. Matrices of tests are tiny: threads
# gain nothing on them, and beside other work they wait for each other many times longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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


@pytest.fixture(autouse=True, scope="session")
def _default_signals() -> None:
    """Whatever this process was started to ignore (`nohup`, a script's background job), its children are not.

    A signal that is ignored is so in every child; one that has a handler is not. A handler that does nothing lets
    the tests themselves go on under `nohup` all the same.
    """
    # Python ignores these itself, and gives its children the defaults.
    of_python = {getattr(signal, name, None) for name in ("SIGPIPE", "SIGXFSZ")}
    for number in signal.valid_signals() - of_python:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only loopback, no keys or settings from outside, and a local provider of the test's own."""
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_", "NEBIUS_", "LABELTUNE_", "GITHUB_", "HF_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LABELTUNE_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets beside the checkout; tests that need them are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("the shared data sets are not beside this checkout")
    return SHARED
