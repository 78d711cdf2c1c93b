"""The base model with LoRA's matrices beside its layers (Hu et al., "LoRA", ICLR 2022)."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError
from labeltune.local.engines.neural.lora import exactly

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import torch

    from labeltune.local.engines.neural.device import Device

__all__ = ["put", "quiet", "read_base", "read_config", "trainable", "with_lora"]


def read_base(folder: Path, device: Device) -> torch.nn.Module:
    """The model of a folder: safetensors alone, none of its code. Raises `AccessError`."""
    import torch
    from transformers import AutoModelForCausalLM

    with _reading(folder):
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.bfloat16 if device.half else torch.float32,
        )
    found: torch.nn.Module = model.to(device.torch).eval()
    return found


def read_config(folder: Path) -> Any:
    """What the config of a folder says of the part that reads and writes text. Raises `AccessError`."""
    from transformers import AutoConfig

    with _reading(folder):
        found = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config = found.get_text_config()
        for needed in ("hidden_size", "num_hidden_layers", "vocab_size"):
            if not isinstance(getattr(config, needed, None), int):
                raise ValueError(f"config.json names no {needed}")  # noqa: TRY004  # told like the others
    return config


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise AccessError(
            f"{folder}: is no language model that transformers reads ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''})",
            hint="give a chat model's folder, one with ...ForCausalLM under architectures in config.json",
        ) from error


def with_lora(model: Any, *, rank: int, names: Sequence[str], seed: int) -> Any:
    """The model with matrices of this rank beside the layers of these names; nothing else learns.

    Scaled by alpha / rank with alpha twice the rank, so that one learning rate serves every rank. They begin
    as a function of the seed.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.05,
        target_modules=exactly(list(names)),
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft asks models for names that transformers is about to rename.
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, config)


def trainable(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """What learns, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def put(module: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Set what learns. Raises `KeyError` if something is missing."""
    import torch

    with torch.no_grad():
        for name, parameter in trainable(module).items():
            parameter.copy_(weights[name])


def quiet() -> None:
    """Keep transformers from telling its own story on standard error."""
    from transformers.utils import logging

    own: Any = logging
    own.set_verbosity_error()
    own.disable_progress_bar()
