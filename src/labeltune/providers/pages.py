"""Lists that come in pages, read to their end by whatever server.

The SDK asks for the next page as long as one comes that is not empty. A server that ignores `after`, or says
nothing of `has_more`, answers with the same page for ever; here a page that brings nothing new is the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from labeltune.errors import NoListError
from labeltune.providers.failures import NOT_THE_API, shown_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable

__all__ = ["every", "take"]

T = TypeVar("T")


async def every(pages: AsyncIterable[T]) -> AsyncIterator[T]:
    """Each item of a list once, page after page; `pages` is what a `list` method of the SDK returns.

    The list is over where the server says so, and where a page holds nothing that was not seen before or
    begins again from the start. Items without an id cannot be told apart: their page is the last. Raises
    `NoListError` for an answer that is no list, and the SDK's errors.
    """
    seen: dict[str, None] = {}
    page = await cast("Awaitable[Any]", pages)
    while True:
        known, over = len(seen), False
        for item in _items(page):
            name = getattr(item, "id", None)
            if not isinstance(name, str) or not name:
                over = True
                yield item
            elif name not in seen:
                seen[name] = None
                yield item
            else:
                over = over or name == next(iter(seen))
        if over or len(seen) == known or not page.has_next_page():
            return
        page = await page.get_next_page()


async def take(pages: AsyncIterable[T], limit: int) -> list[T]:
    """The first `limit` items of a list; see `every`."""
    taken: list[T] = []
    async for item in every(pages):
        taken.append(item)
        if len(taken) == limit:
            break
    return taken


def _items(page: Any) -> list[Any]:
    data = getattr(page, "data", page)
    if data is None and ("data" in page.model_fields_set or not page.model_extra):
        return []
    if not isinstance(data, list) or any(not hasattr(item, "model_dump") for item in data):
        raise NoListError(f"{NOT_THE_API}: expected a list, not {shown_start(str(page))}")
    return data
