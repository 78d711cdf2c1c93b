"""The network with its examples, as the training loop sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from labeltune.local.engines.neural.batches import micro_batches
from labeltune.local.engines.neural.loop import Group, Loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.layout import Layout
    from labeltune.local.engines.encoder.examples import Example
    from labeltune.local.engines.encoder.network import Network

    Floats = NDArray[np.float32]

__all__ = ["EncoderModel", "scores_of"]

_HEAD_RATE = 10.0
"""The head begins from nothing, the encoder does not: it learns with so many times the rate."""
_WEIGHT_DECAY = 0.01


class EncoderModel:
    """See `Trainable`."""

    def __init__(
        self,
        network: Network,
        layout: Layout,
        *,
        training: Sequence[Example],
        validation: Sequence[Example],
        tilt: Floats | None,
        adapted: bool,
    ) -> None:
        self.module = network
        self.training, self.validation = training, validation
        self._network, self._layout, self._adapted = network, layout, adapted
        device = network.head.weight.device
        self._tilt = None if tilt is None else torch.from_numpy(tilt).to(device)

    def length(self, example: Example) -> int:
        """See `Trainable`."""
        return example.tokens

    def groups(self) -> list[Group]:
        """See `Trainable`. Biases and norms are not drawn towards 0."""
        own = {name: p for name, p in self._network.named_parameters() if p.requires_grad}
        of_head = {name for name in own if name.startswith("head.")}
        rate = 1.0 if self._adapted else _HEAD_RATE
        return [
            Group({n: p for n, p in own.items() if n in of_head}, rate=rate),
            Group(
                {n: p for n, p in own.items() if n not in of_head and p.dim() > 1}, weight_decay=_WEIGHT_DECAY
            ),
            Group({n: p for n, p in own.items() if n not in of_head and p.dim() <= 1}),
        ]

    def loss(self, examples: Sequence[Example]) -> Loss:
        """See `Trainable`."""
        learnt = self._network([example.windows for example in examples])
        device = learnt.device
        targets = torch.from_numpy(np.stack([example.target for example in examples])).to(device)
        weighted = examples[0].weight is not None
        objective = _nats(self._layout, learnt, targets)
        if weighted:
            weights = np.stack([example.weight for example in examples if example.weight is not None])
            objective = objective * torch.from_numpy(weights).to(device)
        with torch.no_grad():
            scores = learnt.detach() if self._tilt is None else learnt.detach() - self._tilt
            nats = _nats(self._layout, scores, targets).sum()
            right, decisions = _right(self._layout, scores, targets)
        return Loss(objective.sum(), nats, right, decisions)


def _nats(layout: Layout, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The negative log-likelihood at each output, shape (n, k); of a choice it stands at its label."""
    parts = []
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        z, y = scores[:, part], targets[:, part].float()
        if kind == "choice":
            parts.append(-functional.log_softmax(z, dim=1) * y)
        else:
            parts.append(functional.binary_cross_entropy_with_logits(z, y, reduction="none"))
    return torch.cat(parts, dim=1)


def _right(layout: Layout, scores: torch.Tensor, targets: torch.Tensor) -> tuple[int, int]:
    right = decisions = 0
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        z, y = scores[:, part], targets[:, part]
        if kind == "choice":
            right += int(y.gather(1, z.argmax(dim=1, keepdim=True)).sum())
            decisions += len(y)
        else:
            right += int(((z >= 0) == y).sum())
            decisions += y.numel()
    return right, decisions


def scores_of(network: Network, texts: Sequence[list[list[int]]], *, tokens: int) -> NDArray[np.float64]:
    """Scores of texts as windows, float (n, k), computed in float32 and in batches of texts of like length.

    A score depends on its company in its last bits only.
    """
    lengths = [len(windows) * max(map(len, windows)) for windows in texts]
    found = np.zeros((len(texts), network.head.out_features))
    network.eval()
    with torch.inference_mode():
        for part in micro_batches(range(len(texts)), lengths, tokens):
            found[part] = network([texts[number] for number in part]).cpu().numpy()
    return found
