"""Tables that were made for something else, which is still seen: what to do before they are learned from."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from labeltune.prepare.infer.telling import all_of, quoted
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables import Table
    from labeltune.prepare.infer.profile import Profile
    from labeltune.task import Task

__all__ = ["other_uses"]

_UNJUDGED = "-1"


def other_uses(table: Table, profile: Profile, task: Task) -> Iterator[str]:
    """Sentences about a proposal whose columns carry the marks of another use."""
    is_json = table.format in ("jsonl", "json")
    way_on = f"labeltune import {pasted(table.source)} takes that off" if is_json else "take that off"
    if {"prompt", "completion"} <= profile.columns.keys() and (endings := _endings(profile)):
        yield (
            "columns prompt and completion are those of the older fine-tuning, and all end with "
            f"{endings}: {way_on}"
        )
    unjudged = [
        field.name
        for field in task.fields
        if field.type == "single" and {*field.labels} == {_UNJUDGED, "0", "1"}
    ]
    if len(unjudged) > 1:
        yield (
            f"{all_of([quoted(name) for name in unjudged])} hold {_UNJUDGED} beside 0 and 1: if it says that "
            "nobody judged the row, take such rows out, and the columns are labels of one field"
        )


def _endings(profile: Profile) -> str:
    """The separator that all prompts end with and the stop of all completions, for a message."""
    prompt, completion = (_common_end(profile.columns[name].sample) for name in ("prompt", "completion"))
    separates = "\n" in prompt or any(not sign.isalnum() and not sign.isspace() for sign in prompt)
    stops = "\n" in completion or completion.strip()
    return " and ".join([repr(prompt)] * separates + [repr(completion)] * bool(stops))


def _common_end(values: Sequence[str]) -> str:
    """What all of several values end with, from a space or line break on."""
    if len(values) < 2:
        return ""
    signs = takewhile(lambda signs: len({*signs}) == 1, zip(*map(reversed, values), strict=False))
    end = "".join(sign for sign, *_ in signs)[::-1]
    return end[next((place for place, sign in enumerate(end) if sign.isspace()), len(end)) :]
