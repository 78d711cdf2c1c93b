"""What servers mean that do not keep to the protocol's types and words: the SDK hands on what they send."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["batch_status", "fields_of", "job_status", "whole_number"]

_DONE = frozenset({"succeeded", "success", "completed", "complete", "done", "ended", "finished"})
_OTHER_WORDS = {"canceled": "cancelled", "error": "failed", "errored": "failed", "failure": "failed"}


def job_status(status: object) -> str:
    """The protocol's word for a job's status; one that it has no word for as it is."""
    return _status(status, "succeeded")


def batch_status(status: object) -> str:
    """The same for a batch."""
    return _status(status, "completed")


def _status(status: object, done: str) -> str:
    word = str(status).lower()
    return done if word in _DONE else _OTHER_WORDS.get(word, word)


def whole_number(value: object) -> int | None:
    """A count or a time, whether it came as a number or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) else None


def fields_of(value: object) -> Mapping[str, Any]:
    """An object's fields; none where something else stands in its place."""
    return value if isinstance(value, Mapping) else {}
