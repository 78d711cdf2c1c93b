"""The text of values that are not text in their format: JSON, Parquet, Excel, DataFrames."""

from __future__ import annotations

import math
from datetime import date, time
from typing import Any

__all__ = ["LIST_JOINER", "cell_text"]

LIST_JOINER = "|"
"""Lists of labels become one text, joined by this: a multi field with `delimiter = "|"`."""


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
            return _joined([cell_text(item) for item in value])
        case dict() | bytes():
            raise ValueError(f"a value of type {type(value).__name__}, expected text")
        case _:
            return str(value)


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character (a lone surrogate) at character {error.start + 1}") from error
    return text


def _joined(items: list[str]) -> str:
    if any(LIST_JOINER in item for item in items):
        raise ValueError(f'an item of a list holds "{LIST_JOINER}", by which the items are joined')
    return LIST_JOINER.join(items)
