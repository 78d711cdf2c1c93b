"""What the routes share: the store, the loaded models, and the way to wake the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from labeltune.local.answerer import Answerer
    from labeltune.local.launcher import Launcher
    from labeltune.local.store import Store

__all__ = ["CONTEXT_KEY", "Context", "context_of"]

CONTEXT_KEY = "labeltune.context"
"""Where the app puts its context into the scope of a request."""


@dataclass(frozen=True, slots=True)
class Context:
    """One running app."""

    store: Store
    answerer: Answerer
    launcher: Launcher


def context_of(request: Request) -> Context:
    """The context of the app that got the request."""
    context: Context = request.scope[CONTEXT_KEY]
    return context
