"""The local provider: the OpenAI fine-tuning protocol over a directory, and a real training behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeltune.local.app import create_app
    from labeltune.local.serve import serve
    from labeltune.local.store import default_directory

__all__ = ["create_app", "default_directory", "serve"]

_HOMES = {"create_app": "app", "default_directory": "store", "serve": "serve"}


def __getattr__(name: str) -> Any:
    """Import on first use: the worker and the command line need only parts of the package."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A submodule of the same name would hide the function from then on: the name is bound to the function.
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
