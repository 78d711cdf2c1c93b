"""What may stand after the name of an encoder, and the numbers that are left to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from labeltune.errors import SettingsError
from labeltune.local.engines.common.class_weight import CLASS_WEIGHT, is_balanced
from labeltune.local.engines.neural.device import PRECISION, precision_of
from labeltune.local.engines.neural.lora import LORA, Lora
from labeltune.local.engines.neural.processes import PROCESSES, processes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.local.engines import Base, Hyperparameters

__all__ = ["OPTIONS", "Options", "base_rate", "positions", "resolved"]

OPTIONS: Mapping[str, str] = {
    **LORA,
    "window": "tokens that are read at once; longer texts are read in several windows",
    "pooling": "mean of the tokens, or cls, the first one; auto: what the model was made for",
    **PRECISION,
    **PROCESSES,
    **CLASS_WEIGHT,
}

_WINDOW = 256
"""Tokens of a window where nothing is said: attention's cost grows with its square."""
_LEAST_WINDOW = 16
_LORA_RATE = 10.0
"""LoRA learns best with about ten times the rate of full fine-tuning (Schulman et al., "LoRA Without Regret",
2025)."""
_SEEN = 8_000
"""Examples times epochs, about, where the number of epochs is left to the engine."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a base, read."""

    lora: Lora | None = None
    """None: every weight learns."""
    window: int = 0
    """0: as the model allows, at most `_WINDOW`."""
    pooling: Literal["auto", "mean", "cls"] = "auto"
    precision: str = "auto"
    balanced: bool = False

    @classmethod
    def of(cls, base: Base) -> Options:
        """Raises `SettingsError` for an option or a value that makes no sense."""
        base.check_options(OPTIONS)
        processes_of(base)
        pooling = base.options.get("pooling", "auto")
        if pooling not in ("auto", "mean", "cls"):
            raise SettingsError(f"pooling={pooling}: expected mean, cls or auto")
        return cls(
            lora=Lora.asked(base),
            window=_whole(base, "window", least=_LEAST_WINDOW, most=1 << 20),
            pooling=pooling,  # type: ignore[arg-type]
            precision=precision_of(base),
            balanced=is_balanced(base),
        )

    def window_of(self, config: Mapping[str, Any]) -> int:
        """Tokens of a window, special ones counted. Raises `SettingsError` for more than the model has."""
        most = positions(config)
        if self.window > most:
            raise SettingsError(f"window={self.window}: this model reads {most} tokens at once at the most")
        return self.window or min(_WINDOW, most)


def _whole(base: Base, option: str, *, least: int, most: int) -> int:
    """The whole number of an option, 0 if it is not there."""
    word = base.options.get(option)
    if word is None:
        return 0
    if not (word.isascii() and word.isdigit() and least <= int(word) <= most):
        raise SettingsError(f"{option}={word}: expected a whole number from {least} to {most}")
    return int(word)


def positions(config: Mapping[str, Any]) -> int:
    """How many tokens a model reads at once, special ones counted."""
    found = config.get("max_position_embeddings")
    if not isinstance(found, int) or found <= 0:
        return 512
    # In these the numbers of positions begin after the padding's.
    offset = any(kind in config["model_type"] for kind in ("roberta", "mpnet", "longformer", "camembert"))
    return found - 2 if offset else found


def base_rate(hidden: int, *, lora: bool) -> float:
    """The learning rate that a multiplier of 1 stands for: 5e-5 at the width of BERT's base, the smaller the
    wider a model is; ten times that for LoRA.

    Devlin et al., "BERT", 2019, appendix A.3, tried 2e-5 to 5e-5 on a width of 768.
    """
    return 5e-5 * 768 / hidden * (_LORA_RATE if lora else 1.0)


def resolved(asked: Hyperparameters, examples: int) -> dict[str, int | float]:
    """The numbers for what was asked, every `"auto"` chosen.

    Epochs so that about 8,000 examples are learnt from, at least 4 and at most 20; 16 examples a batch, 32
    from 5,000 on.
    """
    epochs, size, rate = asked.n_epochs, asked.batch_size, asked.learning_rate_multiplier
    return {
        "n_epochs": min(20, max(4, round(_SEEN / examples))) if isinstance(epochs, str) else epochs,
        "batch_size": (16 if examples < 5_000 else 32) if isinstance(size, str) else size,
        "learning_rate_multiplier": 1.0 if isinstance(rate, str) else rate,
    }
