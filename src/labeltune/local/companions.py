"""The other processes of a training that several learn together: started, watched and ended.

The worker leads: it is the first of them, and alone writes and saves. The others are told all by the store.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from labeltune.errors import TrainingRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.local.store import Row, Store

__all__ = ["check_there", "companions"]


@contextmanager
def companions(store: Store, job: Row) -> Iterator[None]:
    """Within it the job is learnt with as many companions as its base asks for.

    They end with it, and with this process however it ends. Raises `TrainingRefusedError` if one of them
    failed.
    """
    size = _size(job)
    if size == 1:
        yield
        return
    from labeltune.local.engines.neural.processes import together

    with tempfile.TemporaryDirectory(prefix="labeltune-") as folder:
        meeting = Path(folder)
        started = [_start(store.directory, job["id"], rank, size, meeting) for rank in range(1, size)]
        try:
            with _own_threads(size), together(meeting, 0, size, lambda: check_there(started)):
                yield
        except RuntimeError:
            # An exchange fails as soon as one of them ends, and it may take a moment to be known as ended.
            with contextlib.suppress(subprocess.TimeoutExpired):
                started[0].wait(timeout=2.0)
            _check(started)
            raise
        finally:
            # They write nothing, and what they know the worker knows.
            for companion in started:
                companion.kill()
                companion.communicate()


def _size(job: Row) -> int:
    # An engine of somebody else's may have an option of this name, and mean another thing.
    from labeltune.local.engines import Base, get_engine

    base = Base.parse(job["model"])
    if "processes" not in base.options:
        return 1
    from labeltune.local.engines.neural.processes import PROCESSES, processes_of

    known = get_engine(base.engine).options
    return processes_of(base) if known.get("processes") == PROCESSES["processes"] else 1


def _start(directory: Path, job_id: str, rank: int, size: int, meeting: Path) -> subprocess.Popen[bytes]:
    """Start one; its standard input ends when this process does, which is how it hears of it."""
    command = [sys.executable, "-P", "-m", "labeltune.local.companion", os.fspath(directory), job_id]
    # Where nobody says how many threads a process has, each would take all processors.
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // size))}
    return subprocess.Popen(  # noqa: S603  (our own command line, no shell)
        [*command, str(rank), str(size), os.fspath(meeting)],
        stdin=subprocess.PIPE,
        cwd=directory,
        env={**threads, **os.environ, "LOCAL_RANK": str(rank)},
    )


@contextmanager
def _own_threads(size: int) -> Iterator[None]:
    """Within it this process computes with its share of the processors, unless its threads were counted."""
    import torch

    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, before // size))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_there(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Raise `TrainingRefusedError` if one of those that are waited for has ended, well or not: one whose job
    was deleted ends without an error.
    """
    for rank, companion in enumerate(started, start=1):
        if companion.poll() is not None:
            _refuse(rank, companion)


def _check(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Raise `TrainingRefusedError` if one of them has failed."""
    for rank, companion in enumerate(started, start=1):
        if companion.poll():
            _refuse(rank, companion)


def _refuse(rank: int, companion: subprocess.Popen[bytes]) -> NoReturn:
    raise TrainingRefusedError(
        f"process {rank} of those that learn together ended with exit code {companion.returncode}; "
        "see worker.log",
        hint="train again, with fewer processes if memory is short",
    )
