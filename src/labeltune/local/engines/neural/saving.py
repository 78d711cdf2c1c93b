"""Tensors in files of their own, safetensors alone."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import ModelDamagedError
from labeltune.files.writing import disk_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch

__all__ = ["read_tensors", "tensor_files"]


@contextmanager
def tensor_files(
    folder: Path, tensors: Mapping[str, Mapping[str, torch.Tensor]]
) -> Iterator[dict[str, Path]]:
    """Files with these tensors, for `write_folder` to copy into `folder`; each under its name, such as
    `weights.safetensors`. They are gone after the block. Raises `DiskError`.
    """
    from safetensors.torch import save_file

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="saving-", dir=folder) as place:
            paths = {}
            for name, content in tensors.items():
                paths[name] = Path(place) / name
                # Each in memory of its own: two names of one tensor, or a part of one, would be refused.
                save_file(
                    {key: value.detach().cpu().contiguous() for key, value in content.items()}, paths[name]
                )
            yield paths


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file whose hash was checked. Raises `ModelDamagedError` if it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelDamagedError(f"{path}: is not a safetensors file", hint="train the model again") from error
    return tensors
