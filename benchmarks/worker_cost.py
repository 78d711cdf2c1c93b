"""What the worker of the local provider costs while something is done, watched from outside."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labeltune.local.store import Store

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["WorkerCost"]

_EVERY_S = 0.2


class WorkerCost:
    """A context in which the workers of a directory are looked at several times a second.

    A worker ends soon after its work, and its figures with it: what was seen last is what counts.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._store: Store | None = None
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self.peak_mib: int | None = None
        """The most memory that one of them has had; None where the system does not tell."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look(known=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._over.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float | None:
        """CPU seconds within the context; None where the system does not tell."""
        spent = [self._last[pid] - self._first[pid] for pid in self._last]
        return round(sum(spent), 1) if spent else None

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            self._look()

    def _look(self, *, known: bool = False) -> None:
        """Read the worker's figures; one that was `known` before has had a past that does not count."""
        if self._store is None:
            if not (self._home / "labeltune.db").is_file():
                return
            self._store = Store(self._home, check=False)
        row = self._store.row("SELECT pid FROM worker")
        try:
            pid = int(row["pid"]) if row is not None else 0
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        self._first.setdefault(pid, cpu if known else 0.0)
        self._last[pid] = cpu
        peaks = [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
        self.peak_mib = max([*peaks, *([self.peak_mib] if self.peak_mib is not None else [])], default=None)
