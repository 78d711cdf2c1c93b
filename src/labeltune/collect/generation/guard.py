"""What may be kept of the texts that a model wrote: no row, nothing of a test part, and nothing twice.

The rule is that of near duplicates (docs/decisions/0003). It cannot be switched off.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.collect.generation.language import Language
from labeltune.prepare.duplicates import duplicate_groups, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.collect.generation.drawing import Request

__all__ = [
    "COPIES_ROW",
    "NEAR",
    "OTHER_LANGUAGE",
    "PROMPT",
    "REPEATS",
    "UNSEEN",
    "Draft",
    "Guard",
    "unseen_seeds",
]

UNSEEN, COPIES_ROW, REPEATS = "of_a_part_to_keep_away_from", "copies_a_row", "repeats_another"
NEAR = (UNSEEN, COPIES_ROW, REPEATS)
"""The reasons of near duplicates."""
PROMPT, OTHER_LANGUAGE = "the_prompt_itself", "another_language"

_QUOTED_WORDS = 8
"""So many words of the prompt, one after the other, are no accident."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that a model wrote: its columns, joined as the task joins them, and the request it answers."""

    cells: tuple[str, ...]
    text: str
    request: Request


@dataclass(slots=True)
class Guard:
    """Compares with the rows of the training part and those to keep away from, each by name."""

    rows: Sequence[str]
    away: Mapping[str, Sequence[str]]
    left_out: Counter[str] = field(default_factory=Counter)
    """Texts that may not be kept, by reason."""
    met: Counter[str] = field(default_factory=Counter)
    """Of those that were near a text to keep away from: how many, by file."""

    def keep(self, drafts: Sequence[Draft]) -> tuple[list[Draft], list[tuple[Draft, str]]]:
        """The drafts that may be kept, in their order, and those that people should look at, with the reason.

        All drafts of a run are given, so that none repeats an earlier one.
        """
        self.left_out, self.met = Counter(), Counter()
        language = Language(self.rows)
        plain_rows = [draft for draft in drafts if not self._is_quoted(draft)]
        groups = duplicate_groups([*self._known(), *(draft.text for draft in plain_rows)])
        first: dict[int, str] = {}
        names = [name for name, texts in self.away.items() for _ in texts] + [""] * len(self.rows)
        for group, name in zip(groups, names, strict=False):
            first.setdefault(group, name)
        kept: list[Draft] = []
        doubtful: list[tuple[Draft, str]] = []
        seen: set[int] = set()
        for draft, group in zip(plain_rows, groups[len(names) :], strict=True):
            if group in first:
                self.left_out[UNSEEN if first[group] else COPIES_ROW] += 1
                self.met.update([first[group]] if first[group] else [])
            elif group in seen:
                self.left_out[REPEATS] += 1
            elif language.is_other(draft.text):
                self.left_out[OTHER_LANGUAGE] += 1
                doubtful.append((draft, OTHER_LANGUAGE))
            else:
                kept.append(draft)
            seen.add(group)
        return kept, doubtful

    def _known(self) -> list[str]:
        return [*(text for texts in self.away.values() for text in texts), *self.rows]

    def _is_quoted(self, draft: Draft) -> bool:
        """Whether a text repeats what it was asked with, besides the rows there."""
        asked = plain(draft.request.frame)
        own = plain(draft.text).split()
        runs = (
            " ".join(own[start : start + _QUOTED_WORDS])
            for start in range(max(0, len(own) - _QUOTED_WORDS + 1))
        )
        quoted = f" {asked} "
        if any(f" {run} " in quoted for run in runs):
            self.left_out[PROMPT] += 1
            return True
        return False


def unseen_seeds(texts: Sequence[str], away: Mapping[str, Sequence[str]]) -> list[bool]:
    """Of each row, whether it may be shown: not if it is nearly the same as a text to keep away from."""
    kept = [text for own in away.values() for text in own]
    if not kept:
        return [True] * len(texts)
    groups = duplicate_groups([*kept, *texts])
    hidden = set(groups[: len(kept)])
    return [group not in hidden for group in groups[len(kept) :]]
