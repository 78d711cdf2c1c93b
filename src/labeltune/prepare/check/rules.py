"""The rules for examples: each sees every batch of every file once, and says what it noticed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.prepare.check.neighbours import Neighbours
from labeltune.prepare.check.private import Private
from labeltune.prepare.check.rule import Rule
from labeltune.pricing.tokens import TOKENS_PER_MESSAGE, TOKENS_PER_RECORD
from labeltune.task.records import MIN_EXAMPLES
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.prepare.check.part import Batch, Part
    from labeltune.prepare.check.setting import Setting
    from labeltune.task.labels import Labels

__all__ = ["REFUSALS", "RULES"]

FEWEST_ROWS = 10
"""A label with fewer rows in training is hardly learnt."""
ADVISED_ROWS = 100
"""About so many rows of each label are advised."""
NAMED = 8
"""So many labels are named in one finding."""
CELL_OF_EXCEL = 32_767
"""Characters of the longest text of a workbook; what is longer was cut when it was saved."""
IMBALANCE = 20
"""So many times as many rows may one label of a field have as another."""


class Texts(Rule):
    """Examples without text, with space around it, or with a text that was cut off on its way."""

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        for line, text in zip(batch.lines, batch.texts, strict=True):
            if len(text) == CELL_OF_EXCEL:
                part.add("cut_text", f"{CELL_OF_EXCEL:,} characters, as many as a cell of Excel holds", line)
        spaced = part.kind == "chat" and self.setting.task is not None
        bares = list(map(str.strip, batch.texts))
        if bares == batch.texts and "" not in bares:
            return
        for line, text, bare in zip(batch.lines, batch.texts, bares, strict=True):
            if not bare:
                part.add("empty_text", "there is no text", line)
            elif spaced and len(bare) != len(text):
                part.add("spaced_text", "space before or after the text", line)


class Length(Rule):
    """Examples over the model's token limit, whose answer would be cut off."""

    _left = 0
    """How many tokens of the limit are left for what differs between examples."""

    def begin(self, part: Part) -> None:
        """See `Rule`."""
        if self.setting.limit is None:
            return
        fixed = self.setting.counter.total(part.fixed)
        self._left = self.setting.limit - round(fixed) - 3 * TOKENS_PER_MESSAGE - TOKENS_PER_RECORD

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        limit, counter = self.setting.limit, self.setting.counter
        if limit is None:
            return
        # No token is shorter than a byte, and no character longer than four: most need not be counted.
        harmless = self._left // 8
        if max(map(len, batch.prompts), default=0) <= harmless:
            return
        for line, prompt, answer in zip(batch.lines, batch.prompts, batch.answers, strict=True):
            if len(prompt) > harmless:
                tokens = limit - self._left + round(counter.total((prompt, answer or "")))
                if tokens > limit:
                    about = "about " if counter.estimated else ""
                    over = f"over the limit of {limit:,}: the answer would be cut off"
                    part.add("too_long", f"{about}{tokens:,} tokens, {over}", line)


class Amount(Rule):
    """Training files with too few examples."""

    def end_of(self, part: Part) -> None:
        """See `Rule`."""
        if part.role == "train" and part.examples < MIN_EXAMPLES and not part.misformed:
            thing = "record" if part.kind == "chat" else "example"
            number = f"{part.examples} {thing}{'' if part.examples == 1 else 's'}"
            part.add("too_few_examples", f"{number}, expected at least {MIN_EXAMPLES}")


class Variety(Rule):
    """Training files in which all examples have the same labels: there is nothing to tell apart."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._seen: set[Labels] = set()

    def batch(self, part: Part, batch: Batch) -> None:
        """See `Rule`."""
        if part.role == "train" and len(self._seen) < 2:
            self._seen.update(labels for labels in batch.labels if labels is not None)

    def end_of(self, part: Part) -> None:
        """See `Rule`."""
        seen, self._seen = self._seen, set()
        if len(seen) == 1 and part.examples > 1:
            found = [label for labels in seen.pop() for label in labels]
            named = ", ".join(f'"{label}"' for label in found[:NAMED]) or "none"
            part.add("nothing_to_learn", f"nothing to learn: the labels of all rows are the same: {named}")


class LabelCounts(Rule):
    """How many rows each label has: none, too few, or far more than the others."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._sets: Counter[Labels | None] = Counter()
        self._left_out = 0

    def batch(self, part: Part, batch: Batch) -> None:  # noqa: ARG002  # the rule of all rules
        """See `Rule`."""
        self._sets.update(batch.labels)
        if None in batch.answers:
            pairs = zip(batch.answers, batch.labels, strict=True)
            self._left_out += sum(answer is None and labels is not None for answer, labels in pairs)

    def end_of(self, part: Part) -> None:
        """See `Rule`."""
        sets, self._sets = self._sets, Counter()
        left_out, self._left_out = self._left_out, 0
        if left_out:
            have = counted(left_out, "row has", "rows have")
            part.add("left_out", f"{have} no label, and the task no answer for it: left out of training")
        task = self.setting.task
        if task is None or not part.examples:
            return
        advised: list[str] = []
        for place, field in enumerate(task.fields):
            rows_of = dict.fromkeys(field.labels, 0)
            for labels, rows in sets.items():
                for label in () if labels is None else labels[place]:
                    rows_of[label] += rows
            of = f" of {field.name}" if len(task.fields) > 1 else ""
            advised += _few(part, rows_of, of)
            if part.role == "train":
                _balance(part, rows_of, of)
        if advised:
            have = counted(len(advised), "label has", "labels have")
            rest = f" and {len(advised) - NAMED} more" if len(advised) > NAMED else ""
            names = ", ".join(advised[:NAMED])
            part.add("few_rows", f"{have} fewer than {ADVISED_ROWS} rows: {names}{rest}")


def _few(part: Part, rows_of: dict[str, int], of: str) -> list[str]:
    """Tell labels without rows and with too few; returns those with fewer than are advised."""
    advised = []
    for label, rows in rows_of.items():
        if not rows:
            part.add("absent_label", f'no row has the label "{label}"{of}')
        elif part.role != "train":
            continue
        elif rows < FEWEST_ROWS:
            has = counted(rows, "row has", "rows have")
            part.add("rare_label", f'{has} the label "{label}"{of}, expected at least {FEWEST_ROWS}')
        elif rows < ADVISED_ROWS:
            advised.append(f'"{label}" {rows}')
    return advised


def _balance(part: Part, rows_of: dict[str, int], of: str) -> None:
    present = [(rows, label) for label, rows in rows_of.items() if rows]
    if len(present) > 1:
        (most, often), (least, seldom) = max(present), min(present)
        if most > IMBALANCE * least:
            times = f"{most / least:,.0f} times as many"
            part.add(
                "imbalance", f'label "{often}"{of} has {counted(most, "row")}, "{seldom}" {least:,}: {times}'
            )


RULES: tuple[type[Rule], ...] = (
    Texts,
    Length,
    Amount,
    Variety,
    LabelCounts,
    Neighbours,
    Private,
)
"""A new rule is a class here, and its codes in `catalogue.CATALOGUE`."""

REFUSALS: tuple[type[Rule], ...] = (Texts, Length, Amount)
"""Those that find errors in a file by itself."""
