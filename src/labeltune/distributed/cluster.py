"""A cluster to hand parts out to: one at an address, or one that is started here and ends with the command.

Whoever reaches a Ray cluster can run anything on it. One that is started here listens on the loopback address
only, and answers to a token of its own.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.distributed.processes import Family, guarded
from labeltune.errors import SettingsError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

__all__ = ["Cluster", "Running", "cluster_named", "cpus_here", "on_cluster"]

_SHORT = Path("/tmp")  # noqa: S108  # names of sockets below it may have 107 characters in all
_KNOCK_S = 10.0
_OURS = {"RAY_USAGE_STATS_ENABLED": "0"}
_OF_A_CLUSTER_HERE = {
    "RAY_AUTH_MODE": "token",
    # Ray's servers then listen on the loopback address, all of them.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where parts are handed out, as `--distributed` names it."""

    address: str | None = None
    """`HOST:PORT` of a cluster that is there; None for one that is started here"""

    @classmethod
    def parse(cls, text: str) -> Cluster:
        """From `ray` or `ray:HOST:PORT`. Raises `SettingsError`."""
        name, colon, address = text.partition(":")
        host, _, port = address.rpartition(":")
        if name != "ray" or (
            colon and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536)
        ):
            raise SettingsError(
                f"--distributed {text}: expected ray, or ray:HOST:PORT of a cluster that runs",
                hint="without --distributed, this process does one part after the other",
            )
        return cls(address or None)


def cluster_named(distributed: str | None, workers: int | None) -> Cluster | None:
    """What `--distributed` and `--workers` name; None for this process. Raises `SettingsError`."""
    if distributed is not None:
        return Cluster.parse(distributed)
    if workers is not None:
        raise SettingsError(
            "--workers is for --distributed", hint="without it, one process does one part after the other"
        )
    return None


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that this process drives."""

    on_ray: ModuleType
    """the module that hands out parts"""
    workers: int
    """how many there are to be"""
    folder: str | None
    """where workers may put files, which goes with the cluster; None where it was there before"""


def cpus_here() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def on_cluster(cluster: Cluster, workers: int | None) -> Iterator[Running]:
    """While it is open, this process drives the cluster; what was started here has ended when the block has.

    There are to be so many workers, or one for each CPU. Raises `SettingsError` where Ray is not installed or
    runs in this process for something else, and `TemporaryError` where it cannot be reached or started.
    """
    if find_spec("ray") is None:
        raise SettingsError(
            "--distributed ray needs Ray, which is not installed", hint="pip install 'labeltune[ray]'"
        )
    _refuse_other_use(here=cluster.address is None)
    address = cluster.address
    with _started_here(workers) if address is None else _there(address, workers) as running:
        yield running


@functools.cache
def _first_use() -> list[bool]:
    """Whether Ray was first imported for a cluster started here; empty where it was not imported by us."""
    return []


def _refuse_other_use(*, here: bool) -> None:
    """Raise `SettingsError` where Ray was imported for something else: it reads its variables just then."""
    used = _first_use()
    if "ray" in sys.modules and used != [here]:
        raise SettingsError(
            "Ray is in use in this process already", hint="run this as a command, or in a process of its own"
        )
    used[:] = [here]


@functools.cache
def _token() -> str:
    """What a cluster started by this process answers to. Ray reads it once in a process."""
    return secrets.token_hex(32)


@contextmanager
def _started_here(workers: int | None) -> Iterator[Running]:
    cpus = workers or cpus_here()
    above = _SHORT if _SHORT.is_dir() else Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=f"lt-{os.getpid()}-", dir=above))
    token = folder / "token"
    try:
        token.touch(0o600)
        token.write_text(_token(), encoding="ascii")
        told = {**_OURS, **_OF_A_CLUSTER_HERE, "RAY_AUTH_TOKEN_PATH": str(token)}
        with guarded(folder) as tell, _ended() as family, _told(told):
            from labeltune.distributed import on_ray

            with on_ray.started(folder / "ray", cpus):
                tell(family.look())
                try:
                    yield Running(on_ray, cpus, str(folder))
                finally:
                    family.look()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended() -> Iterator[Family]:
    """The processes that are started in the block, none of which is left behind it."""
    family = Family()
    try:
        yield family
    finally:
        family.end()


def _knock(address: str) -> None:
    """Raise `TemporaryError` where nobody listens: Ray itself would try for minutes, and say nothing."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except OSError as error:
        raise TemporaryError(
            f"Ray at {address} cannot be reached: {error.strerror or error}",
            hint="is it the port of the head node, where Ray was started? See docs/how-to/ray.md",
        ) from error


@contextmanager
def _there(address: str, workers: int | None) -> Iterator[Running]:
    _knock(address)
    with _told(_OURS):
        from labeltune.distributed import on_ray

        with on_ray.connected(address) as cpus:
            yield Running(on_ray, workers or max(1, cpus), None)


@contextmanager
def _told(variables: Mapping[str, str]) -> Iterator[None]:
    """With these environment variables, which what is started inherits."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
