"""Answers as decisions: which labels an answer names, and decisions written as an answer again.

A format turns answers into targets (bool, one column per label of every head) and decisions into answers with
the exact spelling of the training file. Formats are read from the answers in `formats.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

import numpy as np

from labeltune.local.engines import Answer, TokenLogprob
from labeltune.local.engines.common.subsets import INDEPENDENT, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["AnswerFormat", "Head", "LabelFormat", "ListFormat", "Verdict", "next_labels", "ranked", "splits"]

LEAST = 1e-9
"""No probability is written as smaller than this."""


@dataclass(frozen=True, slots=True)
class Head:
    """One question: exactly one of the labels (a choice) or any of them (a subset)."""

    kind: Literal["choice", "subset"]
    labels: tuple[str, ...]
    at_least_one: bool = False
    """A subset that was never empty in training, and so is never answered empty."""

    def to_json(self) -> dict[str, Any]:
        """The head as JSON values."""
        return {"kind": self.kind, "labels": list(self.labels), "at_least_one": self.at_least_one}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Head:
        """The inverse of `to_json`."""
        return cls(values["kind"], tuple(values["labels"]), values["at_least_one"])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided for one head, and how probable each label was."""

    chosen: NDArray[np.intp]
    """Numbers of the labels that hold, rising; of a choice exactly one."""
    probabilities: Floats
    """Of each label, shape (labels,)."""
    independent: Floats | None = None
    """Of a subset, where they differ: what they are before `counts`."""
    counts: Counts = INDEPENDENT


class AnswerFormat(Protocol):
    """A way to spell decisions."""

    kind: ClassVar[str]

    @property
    def heads(self) -> tuple[Head, ...]:
        """The questions that an answer answers."""
        ...

    def targets(self, answers: Sequence[str]) -> tuple[Bools, Bools]:
        """Which labels each answer names, bool (answers, labels), and which answers fit the format,
        (answers,).
        """
        ...

    def answer(self, verdicts: Sequence[Verdict], top: int) -> Answer:
        """The answer for one verdict per head, with `top` alternatives for each token that was a decision."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All that `from_json` needs."""
        ...


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """The answer is one label, whatever characters it has."""

    heads: tuple[Head, ...]
    kind: ClassVar[str] = "label"

    @classmethod
    def of(cls, labels: Sequence[str]) -> LabelFormat:
        """A format for these labels."""
        return cls((Head("choice", tuple(labels)),))

    def targets(self, answers: Sequence[str]) -> tuple[Bools, Bools]:
        """See `AnswerFormat`."""
        number = {label: place for place, label in enumerate(self.heads[0].labels)}
        found = np.zeros((len(answers), len(number)), dtype=np.bool_)
        for row, answer in enumerate(answers):
            if (place := number.get(answer)) is not None:
                found[row, place] = True
        return found, np.asarray(found.any(axis=1))

    def answer(self, verdicts: Sequence[Verdict], top: int) -> Answer:
        """See `AnswerFormat`. The label is one token."""
        (verdict,) = verdicts
        labels = self.heads[0].labels
        place = int(verdict.chosen[0])
        text = labels[place]
        token = TokenLogprob(
            text, logarithm(verdict.probabilities[place]), ranked(labels, verdict.probabilities, top)
        )
        return Answer(text, (token,))

    def to_json(self) -> dict[str, Any]:
        """See `AnswerFormat`."""
        return {"kind": self.kind, "labels": list(self.heads[0].labels)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LabelFormat:
        """The inverse of `to_json`."""
        return cls.of(values["labels"])


@dataclass(frozen=True, slots=True)
class ListFormat:
    """The answer is a list of labels with a separator between them, in a fixed order."""

    heads: tuple[Head, ...]
    separator: str
    none: str
    """What is answered when no label applies."""
    kind: ClassVar[str] = "list"

    @classmethod
    def of(cls, labels: Sequence[str], *, separator: str, none: str, at_least_one: bool) -> ListFormat:
        """A format for these labels in this order."""
        return cls((Head("subset", tuple(labels), at_least_one),), separator, none)

    def targets(self, answers: Sequence[str]) -> tuple[Bools, Bools]:
        """See `AnswerFormat`."""
        number = {label: place for place, label in enumerate(self.heads[0].labels)}
        found = np.zeros((len(answers), len(number)), dtype=np.bool_)
        fits = np.ones(len(answers), dtype=np.bool_)
        for row, answer in enumerate(answers):
            if answer in ("", self.none):
                continue
            parts = splits(answer, self.separator)
            places = [number[part] for part in parts if part in number]
            found[row, places] = True
            fits[row] = len(places) == len(parts)
        return found, fits

    def answer(self, verdicts: Sequence[Verdict], top: int) -> Answer:
        """See `AnswerFormat`.

        The list is written as a language model would write it, label after label, each a token with its
        separator before it: a token's probability is that of this label coming next, given those that came
        before. That of the last one is that the list ends with it, since an end of no characters would spell
        nothing, and who adds up an answer's probability counts what spells it.
        """
        (verdict,) = verdicts
        (head,) = self.heads
        tokens: list[TokenLogprob] = []
        for place in (*verdict.chosen.tolist(), None):
            first = not tokens
            logprob, options = next_labels(head, verdict, place, top)
            lead, end = ("", self.none) if first else (self.separator, "")
            spelled = tuple(
                (end if label is None else lead + head.labels[label], value) for label, value in options
            )
            tokens.append(TokenLogprob(end if place is None else lead + head.labels[place], logprob, spelled))
        if len(tokens) > 1:
            end_of_list = tokens.pop()
            tokens[-1] = _ended(tokens[-1], end_of_list.logprob)
        return Answer("".join(token.token for token in tokens), tuple(tokens))

    def to_json(self) -> dict[str, Any]:
        """See `AnswerFormat`."""
        (head,) = self.heads
        return {
            "kind": self.kind,
            "labels": list(head.labels),
            "separator": self.separator,
            "none": self.none,
            "at_least_one": head.at_least_one,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ListFormat:
        """The inverse of `to_json`."""
        return cls.of(
            values["labels"],
            separator=values["separator"],
            none=values["none"],
            at_least_one=values["at_least_one"],
        )


def splits(answer: str, separator: str) -> list[str]:
    """The labels of a list; spaces around a separator that has other characters do not count."""
    bare = separator.strip()
    if not bare:
        return answer.split(separator)
    return [part.strip() for part in answer.split(bare)]


def logarithm(probability: float) -> float:
    """The natural logarithm, at least that of `LEAST` and at most 0."""
    return min(0.0, float(np.log(max(probability, LEAST))))


def ranked(tokens: Sequence[str], probabilities: Floats, top: int) -> tuple[tuple[str, float], ...]:
    """The `top` likeliest tokens with their log-probabilities."""
    if top <= 0:
        return ()
    order = np.argsort(-probabilities, kind="stable")[:top]
    logprobs = np.minimum(0.0, np.log(np.maximum(probabilities[order], LEAST))).tolist()
    return tuple(zip(map(tokens.__getitem__, order.tolist()), logprobs, strict=True))


def _ended(token: TokenLogprob, logprob: float) -> TokenLogprob:
    """The token as the last one, whose end has this log-probability; its alternatives as they were."""
    found = ((text, value + logprob if text == token.token else value) for text, value in token.top)
    top = tuple(sorted(found, key=lambda one: -one[1]))
    return TokenLogprob(token.token, token.logprob + logprob, top)


def next_labels(
    head: Head, verdict: Verdict, chosen: int | None, top: int
) -> tuple[float, list[tuple[int | None, float]]]:
    """The log-probability that `chosen` is the next label of a list, None being its end, and the likeliest
    nexts. Before it stand the labels of the verdict that come before it.

    The labels come in their order, so that the next one is j if j holds and none between the last one and j
    does. If a list cannot be empty, its first label is given that there is one. The product over a list is
    the probability of its set, as `Counts` has it.
    """
    before = verdict.chosen if chosen is None else verdict.chosen[verdict.chosen < chosen]
    start = int(before[-1]) + 1 if len(before) else 0
    p = verdict.probabilities if verdict.independent is None else verdict.independent
    p = np.clip(p[start:], LEAST, 1 - LEAST)
    absent = np.concatenate([[1.0], np.cumprod(1 - p)])
    following = np.append(p * absent[:-1], absent[-1])
    following *= verdict.counts.of_next(len(before), p)
    if not len(before) and head.at_least_one:
        following[-1] = 0.0
    following /= following.sum()
    place = len(p) if chosen is None else chosen - start
    options: list[tuple[int | None, float]] = []
    if top > 0:
        likeliest = cast("list[int]", np.argsort(-following, kind="stable")[:top].tolist())
        options = [
            (None if option == len(p) else start + option, logarithm(following[option]))
            for option in likeliest
        ]
    return logarithm(following[place]), options
