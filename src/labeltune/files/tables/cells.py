"""The text of values that are not text in their format: JSON, Parquet, Excel, DataFrames."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

__all__ = ["NOTHING", "NoTextError", "Typed", "cell_text", "plain_value", "row_of_text"]


class Typed(str):
    """The text of a value that is no text, and the `value`: formats that know types are written with it."""

    __slots__ = ("value",)
    value: Any

    def __new__(cls, text: str, value: Any) -> Self:  # noqa: D102  # see the class
        self = super().__new__(cls, text)
        self.value = value
        return self


NOTHING = Typed("", None)
"""Nothing: None, NaN, a key that is not there."""


class NoTextError(ValueError):
    """A value that no text stands for, such as an object: a sentence. `cell` is what stands in a column that
    nobody asks about.
    """

    def __init__(self, message: str, cell: Typed) -> None:
        super().__init__(message)
        self.cell = cell


def row_of_text(
    values: Iterable[Any],
    header: Sequence[str],
    text_of: Callable[[Any], str] | None = None,
    passed_over: Callable[[str], bool] = lambda _: False,
) -> list[str]:
    """The texts of a row's values. Raises `ValueError`, which names the column, where one has none.

    `passed_over` is asked about the column of an object or the like: whether it may stand there as it is.
    """
    text_of = text_of or cell_text
    row: list[str] = []
    for value in values:
        try:
            row.append(text_of(value))
        except NoTextError as error:
            name = header[len(row)]
            if not passed_over(name):
                raise ValueError(f'column "{name}" holds {error}') from error
            row.append(error.cell)
        except ValueError as error:
            raise ValueError(f'column "{header[len(row)]}" holds {error}') from error
    return row


def cell_text(value: Any) -> str:
    """The text that stands for a value. Raises `ValueError`, with a sentence, where none does.

    Nothing (None, NaN) is the empty text; true and false are the 1 and 0 of label columns; dates are
    ISO 8601; a list of texts is a JSON array, as `task.cells.list_items` reads it.
    """
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        value = value.tolist()
    match value:
        case str():
            return _whole(value)
        case bool():
            return Typed(str(int(value)), value)
        case None | float() if value is None or math.isnan(value):
            return NOTHING
        case date() | time():
            return Typed(value.isoformat(), value)
        case list() | tuple() | set():
            items = sorted(value) if isinstance(value, set) else value
            joined = Typed(_list_text(items), plain_value(list(items)))
            if any(isinstance(item, list | tuple | dict | bytes) for item in items):
                raise NoTextError("a list of lists or objects, expected text or a list of labels", joined)
            return joined
        case dict():
            raise NoTextError("an object, expected text", Typed(_json_text(value), plain_value(value)))
        case bytes():
            raise NoTextError("bytes, expected text", Typed(base64.b64encode(value).decode(), value))
        case _:
            return Typed(str(value), value)


def _list_text(items: Collection[Any]) -> str:
    """A list as JSON, its numbers as they are written; nothing if it is empty."""
    texts = [str(item) if isinstance(item, Typed) else _json_text(item) for item in items]
    return f"[{', '.join(texts)}]" if items else ""


def _json_text(value: Any) -> str:
    try:
        return _whole(json.dumps(plain_value(value), ensure_ascii=False, default=str))
    except RecursionError:
        raise ValueError("a value that is nested too deep") from None


def plain_value(value: Any) -> Any:
    """A value in which no text stands for another value any more, however deep it is nested."""
    match value:
        case Typed():
            return value.value
        case dict():
            return {key: plain_value(item) for key, item in value.items()}
        case list() | tuple():
            return [plain_value(item) for item in value]
        case _:
            return value


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character (a lone surrogate) at character {error.start + 1}") from error
    return text
