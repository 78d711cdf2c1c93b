"""What says that a saved model is one of `encoder`."""

from __future__ import annotations

__all__ = ["ABOUT", "STATE"]

ABOUT = {"engine": "encoder", "format": 1}

STATE = "training.safetensors"
"""The file that only a training that goes on needs."""
