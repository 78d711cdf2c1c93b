"""What engines that take a base model from a hub share: names there, where it is, and licences."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from labeltune.errors import AccessError

__all__ = ["endpoint", "folder_named", "hub", "is_commit", "is_offline", "licence_of", "name_and_revision"]

_HUB_NAME = re.compile(
    r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@(?!.*\.\.)[A-Za-z0-9][\w.-]*(/[\w.-]+)*)?\Z", re.ASCII
)
"""How models are called in a hub: `OWNER/NAME`, or a name alone; behind an `@` a branch, tag or commit."""

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_USUAL = "https://huggingface.co"


def folder_named(source: str, *, hint: str) -> Path | None:
    """The folder of this disk that a base's source names; None for a name that a hub may have.

    Raises `AccessError`, with this hint, for what is neither.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file() or folder.suffix == ".gguf":
        raise AccessError(f"{source}: is a file, expected a folder", hint=hint)
    if folder.is_absolute() or not _HUB_NAME.match(source):
        raise AccessError(f"{source}: there is no such folder", hint=hint)
    return None


def name_and_revision(source: str) -> tuple[str, str | None]:
    """The two parts of `OWNER/NAME@REVISION`; None where no revision is named."""
    name, _, revision = source.partition("@")
    return name, revision or None


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a commit, which never changes."""
    return revision is not None and _COMMIT.match(revision) is not None


def endpoint() -> str | None:
    """The hub that `HF_ENDPOINT` names; None for the usual one."""
    return (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None


def hub() -> str:
    """The hub's address, as it may be told: without a password that stands in `HF_ENDPOINT`."""
    parts = urlsplit(endpoint() or _USUAL)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
