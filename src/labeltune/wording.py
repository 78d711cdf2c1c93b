"""Words that depend on a number."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, or with noun and verb: `1 row`, `1,200 rows`.

    `many` is what stands for more than one, if it is not `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
