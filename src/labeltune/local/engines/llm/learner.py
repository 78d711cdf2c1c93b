"""What the loop trains: LoRA's matrices, by the loss of the answers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.local.engines.llm.adapter import trainable
from labeltune.local.engines.neural.loop import Group, Loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from labeltune.local.engines.llm.examples import Example
    from labeltune.local.engines.neural.device import Device

__all__ = ["OUTSIDE", "Learner"]

OUTSIDE = 0.1
"""What a nat of probability outside the legal answers counts beside a nat within: answers are chosen among
the legal ones alone, but an exported model should come to write them unaided."""


class Learner:
    """A model with its examples; see `Trainable`.

    The loss of an answer is its negative log-likelihood among the legal answers: at each token where there is
    a choice, the softmax over what may stand there. With the probability outside added in full it would be
    the usual loss over all tokens.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        training: Sequence[Example],
        validation: Sequence[Example],
        *,
        pad: int,
        device: Device,
    ) -> None:
        self.module, self.training, self.validation = module, training, validation
        self._pad, self._device = pad, device

    def length(self, example: Example) -> int:
        """See `Trainable`."""
        return example.tokens

    def groups(self) -> Sequence[Group]:
        """See `Trainable`."""
        return [Group(trainable(self.module))]

    def loss(self, examples: Sequence[Example]) -> Loss:
        """See `Trainable`."""
        import torch

        logits = self._logits(examples)
        objective = nats = torch.zeros((), device=logits.device)
        right = decisions = 0
        for row, example in zip(logits, examples, strict=True):
            ids, allowed = example.answer.ids, example.answer.allowed
            # In full precision: differences of large numbers.
            own = row[-len(ids) :].float()
            written = own.gather(1, torch.tensor(ids, device=own.device)[:, None])[:, 0]
            within = torch.zeros((), device=own.device)
            for place, (token, legal) in enumerate(zip(ids, allowed, strict=True)):
                if len(legal) > 1:
                    values = own[place, list(legal)]
                    within = within + values.logsumexp(0) - written[place]
                    right += int(legal[int(values.detach().argmax())] == token)
                    decisions += 1
            # All that the usual loss has more: where nothing could be chosen, and beside what could.
            outside = (own.logsumexp(1) - written).sum() - within
            objective = objective + example.weight * (within + OUTSIDE * outside)
            nats = nats + within.detach()
        return Loss(objective, nats, right, decisions)

    def _logits(self, examples: Sequence[Example]) -> torch.Tensor:
        """Those before each token of the answers, filled up at the left: (rows, answer, vocabulary)."""
        import torch

        rows = [example.prompt + example.answer.ids[:-1] for example in examples]
        width = max(map(len, rows))
        tokens = torch.tensor([[self._pad] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        module: Any = self.module
        return module(
            input_ids=tokens.to(self._device.torch),
            attention_mask=mask.to(self._device.torch),
            position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0).to(self._device.torch),
            use_cache=False,
            logits_to_keep=max(len(example.answer.ids) for example in examples),
        ).logits
