"""A key in a file, for servers that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_key"]


def read_key(path: Path) -> str:
    """The key: the one line of the file. Raises `SettingsError`, without the key in it."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: the key cannot be read: {error.strerror}",
            hint="give a file that holds one line, the key: openssl rand -hex 24 > key.txt",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: expected one line of plain characters, the key") from error
    if not key or not key.isprintable() or not key.isascii():
        raise SettingsError(f"{path}: expected one line of plain characters, the key")
    return key
