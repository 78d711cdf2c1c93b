"""`python -m labeltune` and the `labeltune` command."""

from __future__ import annotations

import atexit
import gc
import os

__all__ = ["main"]

_GARBAGE = 100_000
"""How many new objects make Python look for cycles: a start makes nearly as many, and all of them stay."""


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_GARBAGE)
    # What is left at the end goes with the process: to look for cycles in it would take a sixth of a start.
    atexit.register(gc.freeze)
    # Typer brings pydantic, which would look through every installed package for plugins at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from labeltune.cli.app import run

    run()


if __name__ == "__main__":
    main()
