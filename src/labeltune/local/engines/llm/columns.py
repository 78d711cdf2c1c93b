"""Logits of those tokens alone that are asked for, not of a whole vocabulary.

An output layer of 50,000 tokens costs a small model a quarter of its time, and a legal answer can have a few
dozen of them at most points.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Ids = tuple[int, ...]

__all__ = ["Columns", "OutputLayer"]


class Columns:
    """Which token stands in which column of some logits."""

    def __init__(self, tokens: NDArray[np.intp] | None = None) -> None:
        """`tokens`, rising; None: each stands in its own."""
        self.tokens = tokens

    def places(self, tokens: Ids) -> NDArray[np.intp]:
        """The columns of tokens that were asked for."""
        wanted = np.array(tokens, dtype=np.intp)
        return wanted if self.tokens is None else np.searchsorted(self.tokens, wanted)


class OutputLayer:
    """The output layer of a language model, which for a while may compute some columns alone."""

    def __init__(self, model: Any) -> None:
        import torch

        layer = model.get_output_embeddings()
        # What a layer of another kind does with its weights is its own affair.
        self._layer: Any = layer if type(layer) is torch.nn.Linear else None

    @contextmanager
    def only(self, asked: Sequence[Ids]) -> Iterator[Columns]:
        """Within it the model's logits are those of these tokens, in the columns that are given.

        Whatever the model does with logits after this layer, a cap or a scale, it does with each by itself.
        """
        if self._layer is None:
            yield Columns()
            return
        import torch

        layer = self._layer
        tokens = np.unique(np.concatenate([np.array(ids, dtype=np.intp) for ids in asked]))
        rows = torch.from_numpy(tokens).to(layer.weight.device)
        weight, bias = layer.weight[rows], None if layer.bias is None else layer.bias[rows]
        # An attribute of the object hides the method of its class.
        layer.forward = lambda hidden: torch.nn.functional.linear(hidden, weight, bias)
        try:
            yield Columns(tokens)
        finally:
            del layer.forward
