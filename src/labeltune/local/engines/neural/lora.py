"""LoRA, as `encoder` and `llm` have it: the options after a base's name, and the layers beside which it is.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labeltune.errors import AccessError, SettingsError

if TYPE_CHECKING:
    import torch

    from labeltune.local.engines import Base

__all__ = ["LORA", "Lora", "exactly"]

LORA = {
    "rank": "of the matrices that LoRA learns, from 1 to 512; 16 if not given",
    "lora": "all: LoRA beside every linear layer but the output; attention: beside those of the attention",
}
"""The options, for the tables of engines that know them."""

_ATTENTION = re.compile(r"(^|[._])(self_)?(attn|attention)([._]|$)", re.IGNORECASE)
_RANKS = 512


@dataclass(frozen=True, slots=True)
class Lora:
    """How much LoRA learns, and where."""

    rank: int
    where: str
    """`all` or `attention`."""

    @classmethod
    def of(cls, base: Base) -> Lora:
        """The options of a base, read. Raises `SettingsError`."""
        rank = base.options.get("rank", "16")
        if not rank.isascii() or not rank.isdigit() or not 1 <= int(rank) <= _RANKS:
            raise SettingsError(f"rank={rank}: expected a whole number from 1 to {_RANKS}")
        where = base.options.get("lora", "all")
        if where not in ("all", "attention"):
            raise SettingsError(f"lora={where}: expected all or attention")
        return cls(int(rank), where)

    @classmethod
    def asked(cls, base: Base) -> Lora | None:
        """The same for an engine that learns without LoRA, too: None if no option speaks of it."""
        return cls.of(base) if base.options.keys() & LORA.keys() else None

    def layers(self, model: torch.nn.Module) -> list[str]:
        """The names of the layers beside which it learns. Raises `AccessError` if there are none."""
        import torch

        whole: Any = model
        output = whole.get_output_embeddings()
        found = [
            name
            for name, layer in model.named_modules()
            if isinstance(layer, torch.nn.Linear)
            and layer is not output
            and (self.where == "all" or _ATTENTION.search(name.rpartition(".")[0]))
        ]
        if not found:
            raise AccessError(f"the model has no layers for lora={self.where}", hint="use lora=all")
        return found


def exactly(names: list[str]) -> str:
    """What peft is told to learn beside layers of these names and no others: a name alone would fit every
    layer that ends so.
    """
    return "|".join(re.escape(name) for name in names)
