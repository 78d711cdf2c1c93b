"""Which format a file has: told by what is in it, never by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.collect.exchange.formats import FORMATS
from labeltune.errors import DataError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from labeltune.collect.exchange.given import Given, Sample

__all__ = ["choose"]

_SHOWN = 8


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
        keys = ", ".join(sorted(sample.keys)[:_SHOWN]) or "no keys"
        is_table = bool(sample.objects) and all(isinstance(one, dict) for one in sample.objects)
        hint = f"labeltune init {given.path} takes tables of texts and labels as they are; else {known}"
        return DataError(
            f"{given.path}: no format fits objects with {keys}", hint=hint if is_table else known
        )
    if len(sample.header) > 1:
        return DataError(
            f"{given.path}: no export of another tool, but a table with {', '.join(sample.header[:_SHOWN])}",
            hint=f"labeltune init {given.path} takes tables as they are; else {known}",
        )
    return DataError(f"{given.path}: no format fits these lines", hint=known)
