"""Trained models put together: LoRA's matrices beside the base model's layers, or merged into them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labeltune.errors import ModelDamagedError
from labeltune.files.writing import disk_errors
from labeltune.local.engines import Base
from labeltune.local.engines.common.folder import write_folder
from labeltune.local.engines.llm.adapter import put, quiet, read_base, with_lora
from labeltune.local.engines.llm.chat import Chat
from labeltune.local.engines.llm.manifest import ABOUT
from labeltune.local.engines.llm.saved import MERGED, Saved
from labeltune.local.engines.neural.base_model import find_base
from labeltune.local.engines.neural.device import Device, choose_device
from labeltune.local.engines.neural.saving import read_tensors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["merge", "read_model"]


def read_model(saved: Saved, base: Path, adapter: Path | None, device: Device | None = None) -> Any:
    """The model, ready to answer: on a GPU in 16 bits if it learnt so, else in 32.

    In 32 bits LoRA's matrices are added to the layers' own: less to compute, and no answer is off by more
    than rounding. In 16 bits the sum would lose what they hold beyond the layers' precision.
    """
    quiet()
    if device is None:
        device = choose_device("auto" if saved.half else "float32")
    module = read_base(base, device)
    if adapter is None:
        return module
    found = with_lora(module, rank=saved.rank, names=saved.layers, seed=0)
    try:
        put(found, read_tensors(adapter))
    except (KeyError, RuntimeError) as error:
        raise ModelDamagedError(
            f"{adapter}: does not fit the base model", hint="train the model again"
        ) from error
    found.eval()
    return found if device.half else found.merge_and_unload()


def merge(folder: Path, out: Path) -> None:
    """Write the model saved in `folder` to the folder `out` as one that transformers reads, in 32 bits.

    What labeltune needs besides is in a folder within it. Raises `ModelDamagedError`, `DiskError`.
    """
    saved, base, adapter = Saved.read(folder)
    model = read_model(saved, base, adapter, Device("cpu"))
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(out)
        Chat(base).tokenizer.save_pretrained(out)
    about = find_base(Base("llm", str(out))).to_json() | {
        "name": saved.base["name"],
        "licence": saved.base["licence"],
    }
    kept = replace(saved, base=about, rank=0, layers=())
    write_folder(out / MERGED, about=ABOUT, values={"model": kept.to_json()})
