"""What the manifest of a saved model says of itself."""

from __future__ import annotations

__all__ = ["ABOUT"]

ABOUT = {"engine": "embed", "format": 1}
