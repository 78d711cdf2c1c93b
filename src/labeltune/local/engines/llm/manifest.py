"""What the manifest of a saved model says of itself, and the options after the base model's name."""

from __future__ import annotations

from labeltune.local.engines.common.class_weight import CLASS_WEIGHT
from labeltune.local.engines.neural.device import PRECISION
from labeltune.local.engines.neural.lora import LORA

__all__ = ["ABOUT", "OPTIONS", "SCORING"]

ABOUT = {"engine": "llm", "format": 1}

OPTIONS = {
    **LORA,
    "window": "tokens of a conversation, its answer included, that are read; longer texts lose their middle",
    **PRECISION,
    **CLASS_WEIGHT,
}

SCORING = frozenset({"model"})
"""The values that answering needs."""
