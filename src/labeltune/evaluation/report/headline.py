"""The first thing that is asked of a report, answered in one or two sentences made of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labeltune.evaluation.report.shares import Share, per_cent
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.quality import Shape

__all__ = ["Checked", "Headline", "Noun", "labels_right", "noun_of"]

Noun = tuple[str, str]
"""One of them, and several."""

_ROWS: Noun = ("row", "rows")
_NOUNS = {
    "inquiry": "inquiries",
    "query": "queries",
    "story": "stories",
    "summary": "summaries",
    **{
        one: f"{one}s"
        for one in (
            *("abstract", "article", "chat", "claim", "comment", "complaint", "description", "document"),
            *("email", "headline", "message", "note", "paragraph", "post", "question", "request", "review"),
            *("sentence", "ticket", "title", "tweet", "utterance", "text"),
        )
    },
}
"""Names of text columns that name a thing one can count; of others nobody knows what a row is."""


def noun_of(columns: Sequence[str]) -> Noun:
    """What the rows of a table are: what its only text column is called, if that is such a thing; else rows.

    Of `comment_text` it is comments: what a text is comes before that it is one.
    """
    if len(columns) != 1:
        return _ROWS
    words = columns[0].casefold().replace("-", "_").replace(" ", "_").split("_")
    known = sorted((word for word in words if word in _NOUNS), key=lambda word: word == "text")
    return (known[0], _NOUNS[known[0]]) if known else _ROWS


def labels_right(shapes: Sequence[Shape]) -> str:
    """What a row got that is right as a whole: the right label, both labels right, and so on."""
    if len(shapes) == 1:
        return "the right label" if shapes[0].single else "exactly the right labels"
    if len(shapes) == 2 and all(shape.single for shape in shapes):
        return "both labels right"
    return "all labels right"


@dataclass(frozen=True, slots=True)
class Checked:
    """What it brings that people check the answers which are least sure."""

    rows: int
    """how many they check; those without a valid answer or a confidence are among them"""
    rest: Share | None
    """right ones of the others; None where too little is known to say"""
    chosen: Literal["unsure", "promise", "third"]
    """which they check: those that a limit from other rows says are unsure; as few as leave a promise that
    is kept; or about a third, because nothing can be promised
    """
    promised: float
    """the accuracy that was asked of the others, 0 to 1"""
    more_rows: bool = False
    """where nothing can be promised: whether more rows might change that"""

    def sentence(self, noun: Noun, rows: int) -> str:
        """What can be said honestly of so many rows; empty where there is nothing to check."""
        if self.chosen == "promise":
            return self._promise()
        if self.rest is None:
            return f"{counted(rows, *noun)} {_are(rows)} too few to say what checking the least sure brings."
        if not self.rows:
            return ""
        share = self.rest
        return (
            f"If people check {self._those()}, {per_cent(share.value, share.of)} % of the rest "
            f"{_are(share.of)} right ({_spread(share)}).{self._why_no_promise(noun, rows)}"
        )

    def _promise(self) -> str:
        wanted = f"at least {_of_a_hundred(self.promised)} %"
        if not self.rows:
            return f"Nobody has to check for {wanted} to be right."
        return f"If people check {self._those()}, {wanted} of the rest are right."

    def _those(self) -> str:
        return f"the {'one' if self.rows == 1 else f'{self.rows:,}'} least sure"

    def _why_no_promise(self, noun: Noun, rows: int) -> str:
        if self.chosen != "third" or (self.rest and self.rest.interval.low >= self.promised):
            return ""
        wanted = f"{_of_a_hundred(self.promised)} %"
        if self.more_rows:
            return f" {counted(rows, *noun)} are too few to promise {wanted} on new ones."
        return f" However many are checked, less than {wanted} of the rest are right here."


@dataclass(frozen=True, slots=True)
class Headline:
    """How many rows are right as a whole, and what checking the least sure brings."""

    right: Share
    labels: str
    """what they got, see `labels_right`"""
    noun: Noun = _ROWS
    checked: Checked | None = None
    """None where confidences are not known"""

    @property
    def sentences(self) -> tuple[str, ...]:
        """One, or two."""
        share = self.right
        # Of a hundred rows the count is the per cent.
        shown = "" if share.of == 100 else f": {per_cent(share.value, share.of)} %"
        first = (
            f"{share.count:,} of {counted(share.of, *self.noun)} got {self.labels}{shown} ({_spread(share)})."
        )
        second = "" if self.checked is None else self.checked.sentence(self.noun, share.of)
        return (first, second) if second else (first,)

    def __str__(self) -> str:
        return " ".join(self.sentences)


def _spread(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f"{per_cent(low, share.of)} to {per_cent(high, share.of)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _of_a_hundred(share: float) -> str:
    return f"{100 * share:g}"
