"""Where a model computes, in which numbers, and whether it fits into the memory that is free."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labeltune.errors import SettingsError, TrainingRefusedError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

    from labeltune.local.engines import Base

__all__ = ["PRECISION", "Device", "Need", "choose_device", "free_memory", "precision_of"]

PRECISION = {
    "precision": "bf16 or float32: the numbers that training computes in; auto: bf16 where a GPU has it"
}
"""The option, for the tables of engines that know it."""

_RESERVE = 0.9
"""The share of the free memory that a training may plan with."""


@dataclass(frozen=True, slots=True)
class Device:
    """A processor or a GPU, and the numbers that matrices are multiplied in."""

    kind: Literal["cuda", "mps", "cpu"]
    number: int = 0
    half: bool = False
    """Whether training computes in bfloat16. Weights and optimiser keep float32."""

    @property
    def torch(self) -> torch.device:
        """As torch has it."""
        import torch

        return torch.device(self.kind, self.number) if self.kind == "cuda" else torch.device(self.kind)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a loss is computed."""
        import torch

        context: AbstractContextManager[object] = torch.autocast(
            self.kind, dtype=torch.bfloat16, enabled=self.half
        )
        return context

    def free(self) -> int:
        """Bytes that are free on it."""
        if self.kind == "cuda":
            import torch

            return int(torch.cuda.mem_get_info(self.number)[0])
        return free_memory()


def precision_of(base: Base) -> str:
    """The option of a base, read. Raises `SettingsError` for another word than `PRECISION` names."""
    precision = base.options.get("precision", "auto")
    if precision not in ("auto", "bf16", "float32"):
        raise SettingsError(f"precision={precision}: expected auto, bf16 or float32")
    return precision


def choose_device(precision: str = "auto") -> Device:
    """A GPU if there is one, else the processor. `precision`: see `PRECISION`.

    Under torchrun each process takes the GPU of its local rank. Raises `SettingsError` for bf16 on a GPU
    without it.
    """
    import torch

    if torch.cuda.is_available():
        number = int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()
        torch.cuda.set_device(number)
        has = torch.cuda.is_bf16_supported(including_emulation=False)
        if precision == "bf16" and not has:
            raise SettingsError("precision=bf16: this GPU has no such numbers", hint="leave the option out")
        return Device("cuda", number, half=has and precision != "float32")
    if torch.backends.mps.is_available():
        return Device("mps", half=precision == "bf16")
    # bfloat16 is slower than float32 on most processors.
    return Device("cpu", half=precision == "bf16")


def free_memory() -> int:
    """Bytes of main memory that are free: of the machine, or of the container if that has fewer."""
    found = [_of_machine()]
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            # Pages of files that are cached are given back when memory is needed.
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / "memory.current").read_text()) - int(stat.get("inactive_file", 0))
            found.append(max(int(limit) - used, 0))
    except (OSError, ValueError):
        pass
    return min(found)


def _of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        # Where that is not told, half of what is there: the rest is somebody else's.
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (AttributeError, OSError, ValueError):
            return 1 << 62


@dataclass(frozen=True, slots=True)
class Need:
    """What a training takes of memory, in bytes, about.

    Activations are those of the standard transformer layer, s·h·(34 + 5·a·s/h) bytes a layer in 16 bits
    without the attention matrix's recomputation (Korthikanti et al., "Reducing Activation Recomputation in
    Large Transformer Models", 2022, section 4.1); twice that in 32 bits. Attention kernels that keep no
    matrix save its second term.
    """

    weights: int
    """How many there are."""
    trainable: int
    """How many of them learn: each has a gradient and Adam's two moments, all in float32."""
    hidden: int
    layers: int
    outputs: int = 0
    """Numbers that are computed for each token beside the layers, such as logits over a vocabulary."""
    weight_bytes: int = 4
    kept: int = 0
    """Copies of the trainable weights beside those that learn, such as the best so far."""

    def bytes(self, tokens: int, *, half: bool) -> int:
        """With so many tokens in a micro-batch."""
        fixed = self.weights * self.weight_bytes + self.trainable * (12 + 4 * self.kept)
        size = 1 if half else 2
        activations = tokens * (34 * self.hidden * self.layers * size + 4 * self.outputs * size)
        return fixed + activations

    def micro_tokens(self, device: Device, *, most: int, least: int, advice: str) -> int:
        """How many tokens a micro-batch may have: `most`, or fewer so that all fits into what is free.

        `least` are those of the longest example. Raises `TrainingRefusedError` if even these do not fit;
        `advice` says what else could be tried.
        """
        free = device.free()
        tokens = max(most, least)
        while tokens > least and self.bytes(tokens, half=device.half) > _RESERVE * free:
            tokens = max(tokens // 2, least)
        needed = self.bytes(tokens, half=device.half)
        if needed > _RESERVE * free:
            where = "GPU memory" if device.kind == "cuda" else "memory"
            raise TrainingRefusedError(
                f"training needs about {_size(needed)} of {where}, and {_size(free)} are free", hint=advice
            )
        return tokens


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
