"""The legal answers of a format as a machine: from each state some steps, each a text and a decision.

The 2^n subsets of a list are a machine of n states. What an answer decides, its text and its probability are
all read off the steps that it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from labeltune.local.engines.common.answers import LabelFormat, ListFormat
from labeltune.local.engines.common.json_answers import ObjectFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.common.answers import AnswerFormat

__all__ = ["START", "Block", "Decision", "Grammar", "State", "Step", "text_of"]


@dataclass(frozen=True, slots=True)
class State:
    """How far an answer has come."""

    block: int = 0
    """The block whose decision is next; the number of blocks when all are made."""
    before: int = -1
    """The label of this block's list that was named last."""
    left: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """By head: of a choice made in part, a parent without its child, the labels that are possible yet; of
    flags that cannot all be false, one that is true."""


START = State()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a step says of the labels of a head."""

    head: int
    labels: tuple[int, ...]
    """Of a choice, those that are possible after it; of a subset, the one that is named, or none."""


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of an answer, what it decides, and the state after it; None is the end of the answer."""

    text: str
    decision: Decision
    after: State | None


@dataclass(frozen=True, slots=True)
class Block:
    """One place of an answer where something is decided."""

    kind: str
    """`choice`, `list` or `flag`."""
    head: int
    lead: str
    """What stands before it, whatever is decided."""
    texts: tuple[str, ...]
    """Of a choice, for each label of the head; of a list, of each label; of a flag, for no and yes."""
    label: int = 0
    """Of a flag, its label."""
    first: str = ""
    """Of a list: what stands before its first label."""
    between: str = ""
    end: str = ""
    empty: str = ""
    """All of a list without a label."""
    last: bool = False
    """Whether its head has no block after it."""


class Grammar:
    """The answers of a format."""

    def __init__(self, answer_format: AnswerFormat) -> None:
        self.heads = answer_format.heads
        self.blocks, self._close = _blocks(answer_format)
        self.steps = lru_cache(maxsize=100_000)(self._steps)

    def _steps(self, state: State) -> tuple[Step, ...]:
        """What can follow a state, in the order of the labels; the end of a list comes last."""
        block = self.blocks[state.block]
        if block.kind == "choice":
            return self._choices(state, block)
        return self._next_labels(state, block) if block.kind == "list" else self._flags(state, block)

    def _choices(self, state: State, block: Block) -> tuple[Step, ...]:
        left = dict(state.left)
        possible = left.pop(block.head, tuple(range(len(block.texts))))
        groups: dict[str, list[int]] = {}
        for label in possible:
            groups.setdefault(block.texts[label], []).append(label)
        return tuple(
            self._step(
                block.lead + text,
                Decision(block.head, tuple(labels)),
                state.block,
                left if block.last else {**left, block.head: tuple(labels)},
            )
            for text, labels in groups.items()
        )

    def _next_labels(self, state: State, block: Block) -> tuple[Step, ...]:
        head, before = block.head, state.before
        first = before < 0
        lead = block.lead + block.first if first else block.between
        steps = [
            Step(lead + block.texts[label], Decision(head, (label,)), State(state.block, label, state.left))
            for label in range(before + 1, len(block.texts))
        ]
        if not (first and self.heads[head].at_least_one):
            end = block.lead + block.empty if first else block.end
            steps.append(self._step(end, Decision(head, ()), state.block, dict(state.left)))
        return tuple(steps)

    def _flags(self, state: State, block: Block) -> tuple[Step, ...]:
        left = dict(state.left)
        held = left.pop(block.head, ())
        counts = self.heads[block.head].at_least_one
        steps = []
        for holds in (True,) if counts and block.last and not held else (False, True):
            true = (block.label,) if holds else ()
            kept = {block.head: held or true} if counts and not block.last and (held or true) else {}
            text = block.lead + block.texts[holds]
            steps.append(self._step(text, Decision(block.head, true), state.block, left | kept))
        return tuple(steps)

    def _step(self, text: str, decision: Decision, block: int, left: dict[int, tuple[int, ...]]) -> Step:
        """The step that ends a block."""
        if block + 1 < len(self.blocks):
            return Step(text, decision, State(block + 1, -1, tuple(sorted(left.items()))))
        return Step(text + self._close, decision, None)

    def before(self, state: State) -> str:
        """Some text that may stand right before what follows a state; empty at the start."""
        block = self.blocks[state.block]
        if state.before >= 0:
            return block.texts[state.before]
        if state.block == 0:
            return ""
        earlier = self.blocks[state.block - 1]
        return earlier.end if earlier.kind == "list" else earlier.texts[0]

    def walk(self, targets: NDArray[np.bool_]) -> list[Step]:
        """The steps of the answer that says this, bool (labels of all heads,)."""
        starts = np.cumsum([0, *(len(head.labels) for head in self.heads)]).tolist()
        state: State | None = START
        taken: list[Step] = []
        while state is not None:
            block = self.blocks[state.block]
            own = targets[starts[block.head] : starts[block.head + 1]]
            taken.append(self._taken(state, block, own))
            state = taken[-1].after
        return taken

    def _taken(self, state: State, block: Block, own: NDArray[np.bool_]) -> Step:
        steps = self.steps(state)
        if block.kind == "choice":
            label = int(own.argmax())
            return next(step for step in steps if label in step.decision.labels)
        if block.kind == "flag":
            return next(step for step in steps if bool(step.decision.labels) == bool(own[block.label]))
        named = np.flatnonzero(own[state.before + 1 :]).tolist()
        wanted = (state.before + 1 + named[0],) if named else ()
        return next(step for step in steps if step.decision.labels == wanted)


def _blocks(answer_format: AnswerFormat) -> tuple[tuple[Block, ...], str]:
    """The blocks of a format, and what stands behind the last one."""
    if isinstance(answer_format, LabelFormat):
        return (Block("choice", 0, "", answer_format.heads[0].labels, last=True),), ""
    if isinstance(answer_format, ListFormat):
        labels = answer_format.heads[0].labels
        return (Block("list", 0, "", labels, between=answer_format.separator, empty=answer_format.none),), ""
    assert isinstance(answer_format, ObjectFormat)
    return _object_blocks(answer_format)


def _object_blocks(found: ObjectFormat) -> tuple[tuple[Block, ...], str]:
    style = found.style
    blocks: list[Block] = []
    lead = "{" + style.line(1)
    for number, slot in enumerate(found.slots):
        lead += (style.between(1) if number else "") + style.scalar(slot.key) + style.colon
        if slot.kind == "array":
            opened = "[" + style.line(2)
            block = Block(
                "list",
                slot.head,
                lead,
                slot.values,
                first=opened,
                between=style.between(2),
                end=style.line(1) + "]",
                empty="[]",
            )
        elif slot.kind == "flag":
            block = Block("flag", slot.head, lead, ("false", "true"), label=slot.label)
        else:
            block = Block("choice", slot.head, lead, slot.values)
        blocks.append(block)
        lead = ""
    return _cut_between_words(_joined(blocks), style.line(0) + "}")


def _joined(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, with those of one choice that follow one another as one: its whole text is known."""
    found: list[Block] = []
    for block in blocks:
        if found and block.kind == "choice" == found[-1].kind and block.head == found[-1].head:
            texts = zip(found[-1].texts, block.texts, strict=True)
            whole = tuple(one + block.lead + other for one, other in texts)
            found[-1] = Block("choice", block.head, found[-1].lead, whole)
        else:
            found.append(block)
    return found


def _cut_between_words(blocks: Sequence[Block], close: str) -> tuple[tuple[Block, ...], str]:
    """The same answers, cut before quotes that close instead of behind them.

    Tokenisers join a quote with the comma or bracket that follows it, and hardly ever with the word before.
    """
    found: list[Block] = []
    moved = ""
    last = {block.head: place for place, block in enumerate(blocks)}
    for place, block in enumerate(blocks):
        quoted = block.kind != "flag" and all(text.endswith('"') for text in block.texts)
        texts = tuple(text[:-1] for text in block.texts) if quoted else block.texts
        closed = '"' if quoted else ""
        is_list = block.kind == "list"
        found.append(
            replace(
                block,
                lead=moved + block.lead,
                texts=texts,
                between=closed + block.between if is_list else "",
                end=closed + block.end if is_list else "",
                last=last[block.head] == place,
            )
        )
        moved = "" if is_list else closed
    return tuple(found), moved + close


def text_of(steps: Sequence[Step]) -> str:
    """The answer that steps spell."""
    return "".join(step.text for step in steps)
