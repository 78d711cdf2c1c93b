"""Rich's console for one of our streams, and whether to colour it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["colours", "console_on"]

_PLAIN_WIDTH = 120


def colours(stream: TextIO) -> bool:
    """Whether to colour: on a terminal, unless `NO_COLOR` is set or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console_on(stream: TextIO) -> Console:
    """A console that takes no text for markup; without colour where there is no terminal."""
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if colours(stream) else None,
        no_color=not colours(stream),
        width=None if terminal else _PLAIN_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
    )
