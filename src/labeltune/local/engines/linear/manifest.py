"""What the manifest of a saved model says of itself."""

from __future__ import annotations

__all__ = ["ABOUT", "STATE"]

ABOUT = {"engine": "linear", "format": 2}

STATE = frozenset({"all_weights.npy", "all_bias.npy", "shares.npy"})
"""What only a training that goes on needs."""
