"""What says that a saved model is one of `encoder`."""

from __future__ import annotations

__all__ = ["ABOUT"]

ABOUT = {"engine": "encoder", "format": 1}
