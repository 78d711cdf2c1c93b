"""Work for the workers of a cluster that needs no model: run with `python ray_work.py`, it drives them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from labeltune.distributed.cluster import Cluster, on_cluster
from labeltune.errors import DataError, LabeltuneError
from labeltune.version import __version__

DEADLY = 7
BAD = 3


@dataclass(frozen=True)
class Squares:
    """Squares numbers; at one it ends its process, one it refuses."""

    def start(self) -> Callable[[int], int]:
        def square(number: int) -> int:
            if number == DEADLY:
                os.kill(os.getpid(), signal.SIGKILL)
            if number == BAD:
                raise DataError(f"in/{number}.csv:1: is bad", hint="mend it")
            return number * number

        return square


def drive(numbers: list[int]) -> str:
    told = []
    try:
        for number, outcome in running.on_ray.run_parts(numbers, Squares(), running.workers):
            told.append((number, getattr(outcome, "result", None) or str(outcome.error)))
    except LabeltuneError as error:
        return f"{type(error).__name__}: {error}"
    return repr(sorted(told))


if __name__ == "__main__":
    with on_cluster(Cluster(), 2) as running:
        lines = [drive([1, 2, BAD, 4, 5]), drive([1, DEADLY, 2])]
        running.on_ray.__version__ = "0.0"  # type: ignore[attr-defined]  # as if ours were another one
        lines.append(drive([1]))
        running.on_ray.__version__ = __version__  # type: ignore[attr-defined]
    # A second cluster in the same process.
    with on_cluster(Cluster(), 1) as running:
        lines.append(drive([6]))
    sys.stdout.write("\n".join(lines) + "\n")
