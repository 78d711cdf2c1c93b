"""Networks of torch as ONNX graphs over windows of tokens that are full: nothing is filled up, and nothing
masked.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from labeltune.errors import SettingsError
from labeltune.local.engines.common.onnx_form import OPSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["INPUT", "export_tokens"]

INPUT = "input_ids"
"""The name of the input: int64, (windows, tokens)."""

_LARGEST = (1 << 31) - (1 << 25)
"""Bytes of weights: a graph is one file of less than 2 GB, by the format it is written in."""


class _OverTokens(nn.Module):
    """What a function makes of tokens and of a mask that leaves none out."""

    def __init__(self, network: nn.Module, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.network = network
        self._function = function

    def forward(self, ids: torch.Tensor) -> Any:
        return self._function(ids, torch.ones_like(ids))


def export_tokens(
    network: nn.Module,
    function: Callable[[Any, Any], Any],
    path: Path,
    *,
    output: str,
    shape: tuple[str, ...],
) -> None:
    """Write what `function` makes with `network` of tokens and mask, as the output of this name and shape.

    Raises `SettingsError` for a network that is too large, or that torch's exporter cannot write.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > _LARGEST:
        raise SettingsError(
            f"a model of {size / 1e9:.1f} GB has no ONNX form: that is one file of at most 2 GB",
            hint="export it without --to onnx",
        )
    module = _OverTokens(network, function).eval()
    example = torch.zeros((2, 3), dtype=torch.long)
    sizes = {
        name: dict(enumerate(names)) for name, names in ((INPUT, ("windows", "tokens")), (output, shape))
    }
    try:
        with _quiet(), torch.no_grad():
            # The older exporter: the newer one needs a package more, and writes the same.
            torch.onnx.export(
                module,
                (example,),
                str(path),
                input_names=[INPUT],
                output_names=[output],
                dynamic_axes=sizes,
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # its errors have no common root
        why = str(error).strip().partition("\n")[0][:200]
        raise SettingsError(
            f"torch cannot write this network as ONNX: {type(error).__name__}: {why}",
            hint="export it without --to onnx",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of shapes that it takes for constants: the proof compares answers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
