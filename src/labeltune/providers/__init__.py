"""The one door to the remote: a name or URL becomes a `Provider`, and a provider an SDK client.

    provider = resolve_provider("local")
    async with connect(provider) as client:
        with api_errors(provider):
            await client.files.list()

Everything remote is the OpenAI protocol as the `openai` SDK speaks it; what differs between providers is data
on `Provider`. `api_errors` is the one map from the SDK's errors to ours, `run` the one bridge from
synchronous code, and `persist` the one loop that asks again where asking twice does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeltune.providers.client import DEFAULT_TIMEOUT, connect
    from labeltune.providers.failures import TRAINING_CLOSED, api_errors, redact, translate
    from labeltune.providers.pages import every, take
    from labeltune.providers.profiles import DEFAULT_PROVIDER, PROFILES, Provider, resolve_provider
    from labeltune.providers.running import START_PATIENCE, Patience, persist, run

__all__ = [
    "DEFAULT_PROVIDER",
    "DEFAULT_TIMEOUT",
    "PROFILES",
    "START_PATIENCE",
    "TRAINING_CLOSED",
    "Patience",
    "Provider",
    "api_errors",
    "connect",
    "every",
    "persist",
    "redact",
    "resolve_provider",
    "run",
    "take",
    "translate",
]

_HOMES = {
    "client": ("DEFAULT_TIMEOUT", "connect"),
    "failures": ("TRAINING_CLOSED", "api_errors", "redact", "translate"),
    "pages": ("every", "take"),
    "profiles": ("DEFAULT_PROVIDER", "PROFILES", "Provider", "resolve_provider"),
    "running": ("START_PATIENCE", "Patience", "persist", "run"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line's help needs the default provider, not asyncio and ssl."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
