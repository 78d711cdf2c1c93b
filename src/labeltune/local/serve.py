"""The local provider on a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["serve"]


def serve(directory: Path) -> None:
    """TO COME."""
