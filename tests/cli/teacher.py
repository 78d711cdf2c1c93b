"""What a large model says in tests: texts made of words of each label. It stands for no quality whatever."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

from faults.fake_provider import Fate

WORDS = {
    "delivery": ["parcel", "courier", "street", "door", "box", "late", "week", "arrived"],
    "refund": ["money", "paid", "card", "price", "return", "bank", "shoes", "back"],
    "bug": ["app", "crash", "screen", "button", "login", "update", "phone", "error"],
}
_OTHERS = ["please", "now", "help", "me", "today", "why", "it", "is", "so", "very", "and", "the"]

Script = Callable[[str, int], Fate]


def a_text(label: str, chance: random.Random) -> str:
    return " ".join([*chance.choices(WORDS[label], k=4), *chance.choices(_OTHERS, k=5)])


def rows(count: int, *, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [(a_text(label, chance), label) for label in WORDS for _ in range(count)]


def label_of(text: str) -> str:
    return max(WORDS, key=lambda label: sum(word in WORDS[label] for word in text.split()))


def wanted(request: str) -> tuple[str, int] | None:
    """The label and the number of texts that a request is for; None if it is for no texts."""
    found = re.search(r"Write (\d+) new texts .* rightly labelled: (\w+)", request)
    return None if found is None else (found[2], int(found[1]))


def written(request: str) -> list[str]:
    """The same texts for the same request."""
    asked = wanted(request)
    assert asked is not None
    label, count = asked
    chance = random.Random(request)
    return [a_text(label, chance) for _ in range(count)]


def teacher(
    texts: Callable[[str], object] = lambda request: {"texts": written(request)},
    *,
    judge: Callable[[str], str] = label_of,
    plan: object = None,
) -> Script:
    """Answers to all that `generate` asks; `texts` may give a Fate, a string, or what becomes JSON."""
    proposed = {"dimensions": [{"name": "tone", "values": ["calm", "cross"]}]} if plan is None else plan

    def script(request: str, _attempt: int) -> Fate:
        if "In what do texts of this collection differ" in request:
            said: object = proposed
        elif wanted(request):
            said = texts(request)
        else:
            said = {"intent": judge(request)}
        if isinstance(said, Fate):
            return said
        return Fate(answer=said if isinstance(said, str) else json.dumps(said))

    return script
