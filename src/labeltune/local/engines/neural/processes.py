"""Training by several processes that `torchrun` started: each learns from its share of every batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    import torch

    from labeltune.local.engines.neural.device import Device

    E = TypeVar("E")

__all__ = ["Processes", "join"]


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


def join(device: Device) -> Processes:
    """Meet the other processes, if torchrun started several: over NCCL on GPUs, over gloo else."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    import torch

    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.kind == "cuda" else "gloo")
    return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())
