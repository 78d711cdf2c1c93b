"""A task as the content of a task file, keys in the order in which the reference explains them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.task.model import Task

__all__ = ["format_task", "toml"]


def format_task(task: Task) -> str:
    """The content of a task file that `parse_task` reads back to an equal task."""
    document = task.document()
    lines = [f"{key} = {toml(document[key])}" for key in ("version", "text", "id") if key in document]
    for item in document["field"]:
        tables = {name: item.pop(name) for name in ("children", "describe") if name in item}
        lines += ["", "[[field]]", *(f"{key} = {toml(value)}" for key, value in item.items())]
        for name, table in tables.items():
            lines += [
                f"[field.{name}]",
                *(f"{toml(key)} = {toml(value)}" for key, value in table.items()),
            ]
    for table in ("prompt", "answer", "read", "defaults"):
        if table in document:
            lines += ["", f"[{table}]"]
            lines += [f"{key} = {toml(value)}" for key, value in document[table].items()]
    return "\n".join(lines) + "\n"


_WIDTH = 100


def toml(value: str | int | bool | list[str]) -> str:
    """A value as TOML; a basic string takes the escapes of JSON, and DEL besides."""
    if isinstance(value, list):
        items = [toml(item) for item in value]
        joined = f"[{', '.join(items)}]"
        return joined if len(joined) <= _WIDTH else "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
