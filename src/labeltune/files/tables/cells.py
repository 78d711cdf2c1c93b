"""The text of values that are not text in their format: JSON, Parquet, Excel, DataFrames."""

from __future__ import annotations

import math
from datetime import date, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["LIST_JOINER", "cell_text", "row_of_text"]

LIST_JOINER = "|"
"""Lists of labels become one text, joined by this: a multi field with `delimiter = "|"`."""


def row_of_text(
    values: Iterable[Any], header: Sequence[str], text_of: Callable[[Any], str] | None = None
) -> list[str]:
    """The texts of a row's values. Raises `ValueError`, which names the column, where one has none."""
    text_of = text_of or cell_text
    row: list[str] = []
    try:
        for value in values:
            row.append(text_of(value))  # noqa: PERF401  # how far it came says which column it is
    except ValueError as error:
        raise ValueError(f'column "{header[len(row)]}" holds {error}') from error
    return row


def cell_text(value: Any) -> str:
    """The text that stands for a value. Raises `ValueError`, with a sentence, where none does.

    Nothing (None, NaN) is the empty text; true and false are the 1 and 0 of label columns; dates are
    ISO 8601; the items of a list are joined by `LIST_JOINER`.
    """
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        value = value.tolist()
    match value:
        case str():
            return _whole(value)
        case bool():
            return str(int(value))
        case None | float() if value is None or math.isnan(value):
            return ""
        case date() | time():
            return value.isoformat()
        case list():
            return _joined(value)
        case dict():
            raise ValueError("an object, expected text")
        case bytes():
            raise ValueError("bytes, expected text")
        case _:
            return str(value)


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character (a lone surrogate) at character {error.start + 1}") from error
    return text


def _joined(items: list[Any]) -> str:
    if any(isinstance(item, list | dict) for item in items):
        raise ValueError("a list of lists or objects, expected text or a list of labels")
    texts = [cell_text(item) for item in items]
    if any(LIST_JOINER in text for text in texts):
        raise ValueError(f'a list with "{LIST_JOINER}" in an item, by which the items are joined')
    return LIST_JOINER.join(texts)
