"""Predict the rows of a table with a model, and lose no answer that was paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeltune.predict.options import DEFAULT_OUTPUT, PredictOptions
    from labeltune.predict.run import Predicted, Preview, predict, preview
    from labeltune.predict.story import Silence, Story

__all__ = [
    "DEFAULT_OUTPUT",
    "PredictOptions",
    "Predicted",
    "Preview",
    "Silence",
    "Story",
    "predict",
    "preview",
]

_HOMES = {
    "options": ("DEFAULT_OUTPUT", "PredictOptions"),
    "run": ("Predicted", "Preview", "predict", "preview"),
    "story": ("Silence", "Story"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line's help needs the defaults, not the network."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
