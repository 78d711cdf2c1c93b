"""A lock in a store that has none: a claim that is renewed, and counts for nothing when it no longer is.

Whoever wants the lock puts a claim beside those that are there, and then looks: if there is another one that
is alive, the own one is taken back. A store whose listing shows what was put before (S3 and Google's do)
shows at least one of two that come at once the other; it may show both, and then both go, and come again.

Ages are told by the store's times alone: those of two claims are compared, no clock of a machine is. A claim
tells the machine and the process, so that a command that was killed is known for dead on its own machine
without waiting.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from labeltune.errors import ConflictError, DiskError
from labeltune.files.writing import is_running

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from labeltune.files.parts.place import Entry

__all__ = ["ALIVE_S", "RENEW_S", "ObjectLock"]

RENEW_S = 10.0
"""How often a claim is put again."""
ALIVE_S = 45.0
"""A claim that is older than another by so many seconds is dead: it was renewed four times too few."""

_AT_ONCE_S = 0.3


class Store(Protocol):
    """What a lock asks of a store; see `Place`."""

    root: str

    def entry(self, name: str) -> Entry | None: ...

    def exists(self, name: str) -> bool: ...

    def list_folder(self, name: str) -> list[Entry]: ...

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]: ...

    def put(self, content: bytes, name: str) -> None: ...

    def remove(self, name: str) -> None: ...


class ObjectLock:
    """One claim to the lock `name`: the object `NAME.TOKEN`."""

    def __init__(self, place: Store, name: str) -> None:
        self._place, self._name = place, name
        self._folder = name.rpartition("/")[0]
        self._claim = f"{name}.{secrets.token_hex(8)}"
        self._content = json.dumps(
            {
                "machine": _machine(),
                "process": os.getpid(),
                "since": datetime.now(UTC).isoformat("T", "seconds"),
            }
        ).encode()
        self._over = threading.Event()
        self._renewed = 0.0
        self._thread: threading.Thread | None = None

    def take(self) -> bool:
        """Hold the lock until `release`; False where somebody else has it. Raises `DiskError`."""
        self._put()
        own = self._place.entry(self._claim)
        try:
            mine = own is not None and all(self._dead(entry, own) for entry in self._others())
        except BaseException:
            self._place.remove(self._claim)
            raise
        if not mine:
            self._place.remove(self._claim)
            # Of two that met, each waits for a time of its own.
            time.sleep(random.uniform(0, _AT_ONCE_S))  # noqa: S311
            return False
        self._thread = threading.Thread(target=self._renew, name=f"lock {self._name}", daemon=True)
        self._thread.start()
        return True

    def release(self) -> None:
        """Let it go."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        # It would be dead by itself.
        with contextlib.suppress(DiskError):
            self._place.remove(self._claim)

    def check(self) -> None:
        """Raise `ConflictError` where the claim could not be renewed, and may be somebody else's by now."""
        if self._is_late() or not self._place.exists(self._claim):
            raise ConflictError(
                f"{self._place.root}: another command may have taken over: the lock could not be renewed",
                hint="run the same command again: what is there is kept",
            )

    # the claims

    def _put(self) -> None:
        begun = time.monotonic()
        self._place.put(self._content, self._claim)
        self._renewed = begun

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            # One that is gone was taken for dead: putting it back would take the lock from its new holder.
            with contextlib.suppress(DiskError):
                if self._is_late() or not self._place.exists(self._claim):
                    return
                self._put()

    def _is_late(self) -> bool:
        return time.monotonic() - self._renewed > ALIVE_S

    def _others(self) -> list[Entry]:
        begun = f"{self._name}."
        below = self._place.list_folder(self._folder)
        return [entry for entry in below if entry.name.startswith(begun) and entry.name != self._claim]

    def _dead(self, other: Entry, own: Entry) -> bool:
        """Whether nobody renews that claim; then it is removed."""
        dead = own.modified - other.modified > ALIVE_S * 1e9 or self._died_here(other)
        if dead:
            self._place.remove(other.name)
        return dead

    def _died_here(self, other: Entry) -> bool:
        claim = self._read(other)
        process = claim.get("process")
        return claim.get("machine") == _machine() and isinstance(process, int) and not is_running(process)

    def _read(self, other: Entry) -> dict[str, Any]:
        """What a claim says; nothing if it is gone, or is no claim."""
        try:
            with self._place.open(other.name) as handle:
                read = json.loads(handle.read())
        except (DiskError, ValueError):
            return {}
        return read if isinstance(read, dict) else {}


def _machine() -> str:
    """Where process ids mean the same: a machine since it was started, and in it a container."""
    told = [platform.node()]
    with contextlib.suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(told)
