"""Answers that are JSON objects: strings, arrays of strings and true/false, spelled as in training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from labeltune.local.engines import Answer, TokenLogprob
from labeltune.local.engines.common.answers import Head, Verdict, logarithm, next_labels, ranked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]

__all__ = ["STYLES", "ObjectFormat", "Slot", "Style", "parse_object"]


def parse_object(answer: str) -> dict[str, Any] | None:
    """The object that an answer is, or None."""
    if not answer.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class Style:
    """How JSON is spaced and escaped."""

    comma: str = ", "
    colon: str = ": "
    indent: int | None = None
    ascii_only: bool = False

    def scalar(self, value: Any) -> str:
        """A value on one line."""
        return json.dumps(value, ensure_ascii=self.ascii_only, separators=(self.comma, self.colon))

    def line(self, depth: int) -> str:
        """What stands after an opening bracket at this depth, and before a closing one a level up."""
        return "" if self.indent is None else "\n" + " " * (self.indent * depth)

    def between(self, depth: int) -> str:
        """What stands between two members."""
        return self.comma if self.indent is None else self.comma.rstrip() + self.line(depth)

    def whole(self, value: Any) -> str:
        """A value as `json.dumps` writes it in this style."""
        separators = (self.comma if self.indent is None else self.comma.rstrip(), self.colon)
        return json.dumps(value, ensure_ascii=self.ascii_only, separators=separators, indent=self.indent)


STYLES = tuple(
    Style(comma, colon, indent, ascii_only)
    for indent in (None, 2, 4, 1, 0)
    for comma, colon in ((", ", ": "), (",", ":"), (",", ": "), (", ", ":"))
    for ascii_only in (False, True)
    if indent is None or comma == ", "
)
"""The styles that are tried, the commonest first."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One member of the object. Slots with the same head are decided together."""

    key: str
    kind: Literal["value", "array", "flag"]
    head: int
    values: tuple[str, ...] = ()
    """Of a value: the JSON of this member for each label of the head. Of an array: of each label."""
    label: int = 0
    """Of a flag: its label in the head of all flags."""


@dataclass(frozen=True, slots=True)
class ObjectFormat:
    """The answer is an object with the same keys in the same order.

    Members that depend on each other, as parent and child do, are one choice among the combinations that
    occurred in training: no other one is ever answered.
    """

    heads: tuple[Head, ...]
    slots: tuple[Slot, ...]
    style: Style
    kind: ClassVar[str] = "object"

    def targets(self, answers: Sequence[str]) -> tuple[Bools, Bools]:
        """See `AnswerFormat`."""
        starts = np.cumsum([0, *(len(head.labels) for head in self.heads)]).tolist()
        found = np.zeros((len(answers), starts[-1]), dtype=np.bool_)
        fits = np.zeros(len(answers), dtype=np.bool_)
        combinations = [self._combinations(number) for number in range(len(self.heads))]
        members = [{value: n for n, value in enumerate(slot.values)} for slot in self.slots]
        for row, answer in enumerate(answers):
            value = parse_object(answer)
            if value is None or value.keys() != {slot.key for slot in self.slots}:
                continue
            combined: dict[int, list[str]] = {}
            good = True
            for slot, known in zip(self.slots, members, strict=True):
                member = value[slot.key]
                start = starts[slot.head]
                if slot.kind == "flag":
                    found[row, start + slot.label] = member is True
                    good &= isinstance(member, bool)
                elif slot.kind == "array":
                    items = [self.style.scalar(item) for item in member] if isinstance(member, list) else [""]
                    places = [start + known[item] for item in items if item in known]
                    found[row, places] = True
                    good &= len(places) == len(items)
                else:
                    combined.setdefault(slot.head, []).append(self.style.scalar(member))
            for number, parts in combined.items():
                place = combinations[number].get(tuple(parts))
                good &= place is not None
                if place is not None:
                    found[row, starts[number] + place] = True
            fits[row] = good
        return found, fits

    def answer(self, verdicts: Sequence[Verdict], top: int) -> Answer:
        """See `AnswerFormat`.

        Each value, each item of an array and each true or false is a token, the signs and keys between them
        are tokens without a choice. The values of one combination follow one another: the second one's
        probability is given the first one.
        """
        writer = _Writer(top)
        possible: dict[int, Bools] = {}
        style = self.style
        writer.fixed("{" + style.line(1))
        for number, slot in enumerate(self.slots):
            lead = style.between(1) if number else ""
            writer.fixed(lead + style.scalar(slot.key) + style.colon)
            verdict = verdicts[slot.head]
            if slot.kind == "flag":
                writer.flag(verdict, slot.label)
            elif slot.kind == "array":
                writer.array(self.heads[slot.head], verdict, slot.values, style)
            else:
                still = possible.get(slot.head)
                if still is None:
                    still = np.ones(len(slot.values), dtype=np.bool_)
                possible[slot.head] = writer.value(slot.values, verdict, still)
        writer.fixed(style.line(0) + "}")
        return writer.answer()

    def _combinations(self, head: int) -> dict[tuple[str, ...], int]:
        parts = [slot.values for slot in self.slots if slot.head == head and slot.kind == "value"]
        return {combination: number for number, combination in enumerate(zip(*parts, strict=True))}

    def to_json(self) -> dict[str, Any]:
        """See `AnswerFormat`."""
        return {
            "kind": self.kind,
            "heads": [head.to_json() for head in self.heads],
            "slots": [asdict(slot) for slot in self.slots],
            "style": asdict(self.style),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ObjectFormat:
        """The inverse of `to_json`."""
        slots = (Slot(**{**slot, "values": tuple(slot["values"])}) for slot in values["slots"])
        heads = (Head.from_json(head) for head in values["heads"])
        return cls(tuple(heads), tuple(slots), Style(**values["style"]))


class _Writer:
    """Collects the tokens of one answer."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._tokens: list[TokenLogprob] = []
        self._fixed = ""

    def fixed(self, text: str) -> None:
        self._fixed += text

    def decided(self, text: str, logprob: float, options: tuple[tuple[str, float], ...]) -> None:
        self._flush()
        self._tokens.append(TokenLogprob(text, logprob, options))

    def flag(self, verdict: Verdict, label: int) -> None:
        p = float(verdict.probabilities[label])
        both = np.array([p, 1 - p])
        held = bool((verdict.chosen == label).any())
        self.decided(
            "true" if held else "false",
            logarithm(both[0] if held else both[1]),
            ranked(("true", "false"), both, self._top),
        )

    def array(self, head: Head, verdict: Verdict, items: Sequence[str], style: Style) -> None:
        self.fixed("[")
        first = True
        for place in (*verdict.chosen.tolist(), None):
            logprob, options = next_labels(head, verdict, place, self._top)
            lead = style.line(2) if first else style.between(2)
            end = "]" if first else style.line(1) + "]"
            spelled = tuple(
                (end if label is None else lead + items[label], value) for label, value in options
            )
            self.decided(end if place is None else lead + items[place], logprob, spelled)
            first = False

    def value(self, values: Sequence[str], verdict: Verdict, possible: Bools) -> Bools:
        """Write one value of a combination; returns which combinations are possible after it.

        `possible`: bool (combinations,), those that agree with the values before it.
        """
        chosen = values[int(verdict.chosen[0])]
        totals: dict[str, float] = {}
        for place in np.flatnonzero(possible).tolist():
            value = values[place]
            totals[value] = totals.get(value, 0.0) + float(verdict.probabilities[place])
        # A value is told from the others inside its quotes.
        quoted = all(value.startswith('"') for value in values)
        spelled = [value[1:-1] if quoted else value for value in totals]
        shares = np.array(list(totals.values()))
        shares /= max(float(shares.sum()), 1e-300)
        share = shares[list(totals).index(chosen)]
        self.fixed('"' if quoted else "")
        self.decided(chosen[1:-1] if quoted else chosen, logarithm(share), ranked(spelled, shares, self._top))
        self.fixed('"' if quoted else "")
        return np.array([value == chosen for value in values]) & possible

    def answer(self) -> Answer:
        self._flush()
        return Answer("".join(token.token for token in self._tokens), tuple(self._tokens))

    def _flush(self) -> None:
        if self._fixed:
            self._tokens.append(TokenLogprob(self._fixed, 0.0, ((self._fixed, 0.0),) if self._top else ()))
            self._fixed = ""
