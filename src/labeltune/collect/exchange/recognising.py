"""Which format a file has: told by what is in it, never by its name."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from labeltune.collect.exchange.formats import FORMATS
from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labeltune.collect.exchange.given import Given, Sample

__all__ = ["choose"]

_SHOWN, _MOST_LEAVES = 8, 8
_LONGEST_KEY = 40
_SPLIT = {"columns", "data"}


def choose(given: Given, told: str | None) -> tuple[str, str]:
    """The name of the format, and why it is that one.

    Raises `SettingsError` for a name that is none, and where several formats or none fit.
    """
    if told is not None:
        if told not in FORMATS:
            raise SettingsError(
                f"--from {told}: no such format{did_you_mean(told, FORMATS)}",
                hint=f"known are {', '.join(FORMATS)}",
            )
        return told, "as --from says"
    sample = given.sample
    reasons = {name: format.recognise(sample) for name, format in FORMATS.items()}
    found = {name: reason for name, reason in reasons.items() if reason is not None}
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        told_apart = "; or ".join(f"--from {name}: {reason}" for name, reason in found.items())
        raise SettingsError(
            f"{given.path}: the content fits {len(found)} formats", hint=f"say which it is: {told_apart}"
        )
    raise _unknown(given, sample)


def _unknown(given: Given, sample: Sample) -> DataError:
    known = f"name its format with --from: {', '.join(FORMATS)}"
    if sample.kind == "folder":
        return DataError(f"{given.path}: no format of a folder fits what is in it", hint=known)
    if sample.kind == "json":
        keys = ", ".join(key[:_LONGEST_KEY] for key in sorted(sample.keys)[:_SHOWN]) or "no keys"
        is_table = bool(sample.objects) and all(isinstance(one, dict) for one in sample.objects)
        hint = _flat(given, sample) or (
            f"labeltune init {given.path} takes tables of texts and labels as they are; else {known}"
        )
        return DataError(
            f"{given.path}: no format fits objects with {keys}", hint=hint if is_table else known
        )
    if len(sample.header) > 1:
        return DataError(
            f"{given.path}: no export of another tool, but a table with {', '.join(sample.header[:_SHOWN])}",
            hint=f"labeltune init {given.path} takes tables as they are; else {known}",
        )
    return DataError(f"{given.path}: no format fits these lines", hint=known)


def _flat(given: Given, sample: Sample) -> str | None:
    """How objects with others in them become a table; None if there are none."""
    first = sample.objects[0] if sample.objects else None
    if not isinstance(first, dict) or not any(isinstance(value, dict | list) for value in first.values()):
        return None
    if first.keys() >= _SPLIT or any("0" in value for value in first.values() if isinstance(value, dict)):
        return 'this is how pandas writes columns; write rows: to_json(…, orient="records", lines=True)'
    places = list(islice(_leaves(first, ()), _MOST_LEAVES))
    if all(len(place) == 1 for place in places):
        return None
    last = Counter(place[-1] for place in places)
    names = ["_".join(map(str, place)) if last[place[-1]] > 1 else str(place[-1]) for place in places]
    named = ", ".join(
        f"{json.dumps(name)}: {_path(place)}" for name, place in zip(names, places, strict=True)
    )
    each = "" if given.path.endswith((".jsonl", ".ndjson")) else ".[] | "
    command = f"jq -c '{each}{{{named}}}' {pasted(given.path)} > flat.jsonl"
    return f"write what counts under names of its own: {command}"


def _leaves(value: Any, above: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The places of all values that hold no objects."""
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        inner = enumerate(value)
    else:
        yield above
    for key, one in inner:
        yield from _leaves(one, (*above, key))


def _path(place: tuple[str | int, ...]) -> str:
    """A place as jq writes it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_step(step)}" for step in place)


def _step(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key)
