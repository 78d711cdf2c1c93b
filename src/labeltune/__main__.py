"""`python -m labeltune` and the `labeltune` command."""

from __future__ import annotations

import gc
import os

__all__ = ["main"]

_GARBAGE = 50_000
"""How many new objects make Python look for cycles: a start makes as many, and all of them stay."""


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_GARBAGE)
    # Typer brings pydantic, which would look through every installed package for plugins at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from labeltune.cli.app import run

    run()


if __name__ == "__main__":
    main()
