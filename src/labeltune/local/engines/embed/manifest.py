"""What the manifest of a saved model says of itself."""

from __future__ import annotations

from labeltune.local.engines.linear import manifest as of_linear

__all__ = ["ABOUT", "STATE"]

ABOUT = {"engine": "embed", "format": 1}

STATE = of_linear.STATE | {"all_heads.npy", "shown.npy"}
"""What only a training that goes on needs."""
