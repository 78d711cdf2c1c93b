"""Pieces of exports that several formats have in common: texts, labels, and what else is known of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labeltune.collect.exchange.items import Item, Path, Tally
    from labeltune.errors import Where

__all__ = [
    "expect_object",
    "is_spans",
    "keep_or_drop",
    "label_paths",
    "listed",
    "mapped",
    "scalars",
    "text_at",
    "wrong_shape",
]

_SHOWN = 8


def expect_object(where: Where, value: Any, format: str) -> dict[str, Any]:
    """The value, if it is an object. Raises `DataError`."""
    if isinstance(value, dict):
        return value
    raise wrong_shape(where, value, format, "an object on each line")


def wrong_shape(where: Where, value: Any, format: str, expected: str) -> DataError:
    """The error of a value that is not as the format has it."""
    if isinstance(value, dict):
        keys = ", ".join(map(str, list(value)[:_SHOWN])) + (", …" if len(value) > _SHOWN else "")
        found = f"an object with {keys}" if value else "an empty object"
    else:
        found = {list: "an array", str: "a text", type(None): "null"}.get(type(value), "a number")
    return DataError(
        f"{where}: expected {expected}, as {format} has it, found {found}",
        hint="are two formats mixed in the file? split it, or name its format with --from",
    )


def text_at(where: Where, record: Mapping[str, Any], key: str, format: str) -> str:
    """The text under a key; nothing for null. Raises `DataError` for what is none."""
    value = record.get(key)
    if value is None and key in record:
        return ""
    if isinstance(value, str):
        return value
    raise wrong_shape(where, record, format, f'a text under "{key}"')


def scalars(
    record: Mapping[str, Any], tally: Tally, *, but: Iterable[str] = (), of: str = ""
) -> dict[str, object]:
    """The values of an object that are texts, numbers or truth values; others are counted as lost."""
    passed = frozenset(but)
    kept: dict[str, object] = {}
    for key, value in record.items():
        if key in passed or value is None:
            continue
        if isinstance(value, str | int | float | bool):
            kept[str(key)] = value
        elif value:
            tally.lose(f'"{of}{key}" (nested)')
    return kept


def label_paths(value: Any) -> tuple[Path, ...] | None:
    """The labels of a value: a text, a number, or a list of them; None if it is something else."""
    if value is None or value == "":
        return ()
    if isinstance(value, bool):
        return ((str(int(value)),),)
    if isinstance(value, str | int | float):
        return ((str(value),),)
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return tuple(dict.fromkeys((str(one),) for one in value))
    return None


def listed(value: Any) -> list[Any]:
    """The value, if it is a list; else nothing: what should be a list and is none says nothing."""
    return value if isinstance(value, list) else []


def mapped(value: Any) -> dict[str, Any]:
    """The value, if it is an object; else nothing."""
    return value if isinstance(value, dict) else {}


def is_spans(value: Any) -> bool:
    """Whether a value is a list of pieces of the text: `[[0, 5, "A"]]`, or objects with their places."""
    if not isinstance(value, list) or not value:
        return False
    return all(
        (isinstance(one, list | tuple) and len(one) >= 3 and isinstance(one[0], int))
        or (isinstance(one, dict) and ("start" in one or "start_offset" in one))
        for one in value
    )


def keep_or_drop(item: Item, tally: Tally, *, keep_empty: bool) -> bool:
    """Whether an item is kept; one without a text, or without any label, is counted as dropped."""
    if not any(text.strip() for text in item.texts.values()):
        tally.drop("empty text", item.where)
    elif not keep_empty and not any(item.labels.values()):
        tally.drop("no label", item.where)
    else:
        return True
    return False
