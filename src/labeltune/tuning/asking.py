"""One question to a provider, from synchronous code: asked until it answers, its errors told as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from labeltune.providers import START_PATIENCE, connect, persist, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai import AsyncOpenAI

    from labeltune.providers import Provider

__all__ = ["ask", "with_client"]

T = TypeVar("T")


def ask(provider: Provider, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    """What a call answers that may be made twice."""
    return with_client(
        provider, lambda client: persist(lambda: call(client), provider, patience=START_PATIENCE)
    )


def with_client(provider: Provider, call: Callable[[AsyncOpenAI], Awaitable[T]]) -> T:
    """What a coroutine returns that is given a client; it sees to its errors itself."""

    async def connected() -> T:
        async with connect(provider) as client:
            return await call(client)

    return run(connected())
