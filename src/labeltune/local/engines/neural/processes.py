"""Training by several processes: each learns from its share of every batch.

`torchrun` may have started them, from a program in Python, or the worker of the local provider, which leads
and has companions (`together`).
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError, TrainingRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TypeVar

    import torch

    from labeltune.local.engines import Base
    from labeltune.local.engines.neural.device import Device

    E = TypeVar("E")

__all__ = ["PROCESSES", "Processes", "join", "learning_together", "processes_of", "together"]

PROCESSES: Mapping[str, str] = {
    "processes": "so many processes learn together, on a GPU of this machine each; 1 if not given"
}
"""The option, for the tables of engines that know it."""

_MOST = 64
_PATIENCE = timedelta(hours=1)
"""The leader saves and calibrates alone, and the others wait in an exchange for so long; so long all wait for
one that has not begun."""
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class _Meeting:
    folder: Path
    rank: int
    size: int
    check: Callable[[], None]

    def wait(self) -> None:
        """Until all are there. Whoever waited in the exchange itself would not hear of one that failed.

        Raises what `check` raises, and `TrainingRefusedError` where somebody does not come for an hour.
        """
        (self.folder / f"here-{self.rank}").touch()
        until = time.monotonic() + _PATIENCE.total_seconds()
        while missing := [rank for rank in range(self.size) if not (self.folder / f"here-{rank}").exists()]:
            self.check()
            if time.monotonic() > until:
                raise TrainingRefusedError(
                    f"process {missing[0]} of those that learn together did not begin within an hour; "
                    "see worker.log",
                    hint="train again, with fewer processes if memory is short",
                )
            time.sleep(_LOOK_EVERY_S)


_meeting: list[_Meeting] = []
"""Where the processes of the training in hand meet; empty if there is but one."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Which process of how many that train together; alone, there is one."""

    rank: int = 0
    size: int = 1

    def share(self, batch: Sequence[E]) -> Sequence[E]:
        """The part of a batch that is for this process."""
        return batch[self.rank :: self.size]

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up the gradients of all processes, in one exchange."""
        if self.size == 1:
            return
        import torch

        learning = list(parameters)
        flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in learning])
        torch.distributed.all_reduce(flat)
        place = 0
        for parameter in learning:
            count = parameter.numel()
            parameter.grad = flat[place : place + count].reshape(parameter.shape).clone()
            place += count

    def sum(self, numbers: Sequence[float], device: Device) -> list[float]:
        """Each number added up over the processes."""
        if self.size == 1:
            return list(numbers)
        import torch

        # A GPU of Apple's has no float64, but processes exchange over other devices only.
        total = torch.tensor(numbers, dtype=torch.float64, device=device.torch)
        torch.distributed.all_reduce(total)
        return [float(number) for number in total.tolist()]


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    import torch

    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def processes_of(base: Base) -> int:
    """How many processes are to learn together. Raises `SettingsError` for what is no such number."""
    word = base.options.get("processes", "1")
    if not (word.isascii() and word.isdigit() and 1 <= int(word) <= _MOST):
        raise SettingsError(f"processes={word}: expected a whole number from 1 to {_MOST}")
    return int(word)


@contextmanager
def together(folder: Path, rank: int, size: int, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Trainings that begin within it learn with those of the other ranks that meet in this folder.

    `check` is called while one waits for the others, and may raise.
    """
    _meeting.append(_Meeting(folder, rank, size, check))
    try:
        yield
    finally:
        _meeting.pop()
        import torch

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def join(device: Device) -> Processes:
    """Meet the other processes, if there are any: over NCCL on GPUs, over gloo else.

    Raises `SettingsError` if there are fewer GPUs than processes.
    """
    import torch

    distributed = torch.distributed
    backend = "nccl" if device.kind == "cuda" else "gloo"
    if _meeting:
        met = _meeting[-1]
        _check_devices(device, met.size)
        met.wait()
        store = distributed.FileStore(os.fspath(met.folder / "meeting"), met.size)
        distributed.init_process_group(
            backend, store=store, rank=met.rank, world_size=met.size, timeout=_PATIENCE
        )
    elif int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    elif not distributed.is_initialized():
        distributed.init_process_group(backend)
    return Processes(distributed.get_rank(), distributed.get_world_size())


def learning_together() -> int:
    """How many processes met for the training in hand; 1 if it is learnt alone."""
    if not _meeting:
        return 1
    import torch

    return int(torch.distributed.get_world_size()) if torch.distributed.is_initialized() else 1


def _check_devices(device: Device, size: int) -> None:
    import torch

    if device.kind == "mps":
        raise SettingsError(
            f"processes={size}: on this machine's GPU one process learns", hint="leave it out"
        )
    if device.kind == "cuda" and size > (count := torch.cuda.device_count()):
        raise SettingsError(
            f"processes={size}: this machine has {count} GPUs, and each process takes one",
            hint="ask for so many processes at the most",
        )
