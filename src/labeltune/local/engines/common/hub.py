"""What engines that take a base model from a hub share."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HUB_NAME", "is_offline", "licence_of"]

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?\Z")
"""How models are called in a hub: `OWNER/NAME`, or a name alone."""


def is_offline() -> bool:
    """Whether the environment says that nothing is to be fetched from a hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def licence_of(folder: Path) -> str:
    """The licence that the card in a model's folder names, in its front matter; empty if it names none."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    front = re.match(r"---\s*\n(.*?)\n---", card, re.DOTALL)
    found = re.search(r"^license(?:_name)?:\s*(.+)$", front[1], re.MULTILINE) if front else None
    return found[1].strip().strip("'\"") if found else ""
