"""Legal answers as tokens: what may follow what, and where there is a choice.

A machine of positions within the pieces of a grammar is followed token by token. Where the tokens of one
piece begin those of another (`card`, `card arrival`), the position is within both, and what follows the
shorter one, the end of the answer at last, tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from labeltune.errors import TrainingRefusedError
from labeltune.local.engines.llm.grammar import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from labeltune.local.engines.llm.grammar import Grammar, State, Step

    Ids = tuple[int, ...]

__all__ = ["Fan", "Legal", "Node", "Written"]


@dataclass(frozen=True, slots=True)
class Node:
    """A point of a fan where the next token is a choice."""

    path: Ids
    """The tokens from the fan's beginning to here."""
    allowed: Ids
    """The tokens that may come next, rising."""
    leads: tuple[tuple[bool, int], ...]
    """Of each of them: whether a step is settled by it, and that step's number or the next node's."""


@dataclass(frozen=True, slots=True)
class Fan:
    """How tokens tell apart the steps that can follow a state. Node 0 is the first; a parent comes before
    its children. Without nodes there is but one step.
    """

    n_steps: int
    nodes: tuple[Node, ...]

    def behind(self, number: int) -> list[int]:
        """The steps that are settled at a node or behind it; one that several tokens lead to as often."""
        steps: list[int] = []
        waiting = [number]
        while waiting:
            for settled, target in self.nodes[waiting.pop()].leads:
                (steps if settled else waiting).append(target)
        return steps


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as tokens, the end of the turn included."""

    ids: Ids
    allowed: tuple[Ids, ...]
    """For each token, all that might have stood in its place, rising; one alone where there was no choice."""


@dataclass(frozen=True, slots=True)
class _Position:
    state: State
    step: int
    offset: int
    origin: int = 0


class Legal:
    """The legal answers of a grammar in the tokens of a model."""

    def __init__(self, grammar: Grammar, spell: Callable[[str, str], Ids], end: Ids) -> None:
        """`spell(before, text)` gives the tokens of a piece of an answer; `end` are those behind it."""
        self.grammar = grammar
        self._spell = spell
        self._end = end
        self.pieces = lru_cache(maxsize=100_000)(self._pieces)
        self.fan = lru_cache(maxsize=100_000)(self._fan)

    def _pieces(self, state: State) -> tuple[Ids, ...]:
        """The tokens of each step from a state. Raises `TrainingRefusedError` for two that are alike."""
        before = self.grammar.before(state)
        found: dict[Ids, str] = {}
        for step in self.grammar.steps(state):
            ids = self._spell(before, step.text) + (self._end if step.after is None else ())
            if ids in found:
                self._refuse(found[ids], step.text)
            found[ids] = step.text
        return tuple(found)

    @staticmethod
    def _refuse(one: str, other: str) -> None:
        raise TrainingRefusedError(
            f"{one!r} and {other!r} are the same to the model's tokenizer: it could never tell them apart",
            hint="spell one of them otherwise, or take a model whose tokenizer knows their characters",
        )

    def write(self, steps: Sequence[Step]) -> Written:
        """The answer that the steps are."""
        state: State | None = START
        ids: list[int] = []
        for step in steps:
            assert state is not None
            ids += self.pieces(state)[self.grammar.steps(state).index(step)]
            state = step.after
        allowed: list[Ids] = []
        positions = self._settled(self._first(START))
        for token in ids:
            following = self._following(positions)
            allowed.append(tuple(sorted(following)))
            positions = self._settled(following[token])
        return Written(tuple(ids), tuple(allowed))

    @property
    def opening(self) -> Ids:
        """The tokens that every answer begins with."""
        positions = self._settled(self._first(START))
        found: list[int] = []
        while len(following := self._following(positions)) == 1:
            ((token, positions),) = following.items()
            positions = self._settled(positions)
            found.append(token)
            if not positions:
                break
        return tuple(found)

    def _fan(self, state: State) -> Fan:
        nodes: list[Node] = []
        first = [_Position(p.state, p.step, p.offset, p.step) for p in self._first(state)]
        if len(first) == 1:
            return Fan(1, ())
        self._grow(nodes, (), self._settled(first), state)
        return Fan(len(first), tuple(nodes))

    def _grow(self, nodes: list[Node], path: Ids, positions: list[_Position], state: State) -> int:
        """Add the node that these positions come to, and those behind it. Returns its number."""
        following = self._following(positions)
        while len(following) == 1:
            ((token, positions),) = following.items()
            path = (*path, token)
            positions = self._settled(positions)
            following = self._following(positions)
        if not following:
            steps = self.grammar.steps(state)
            origins = sorted({position.origin for position in positions}) or [0, 1]
            self._refuse(steps[origins[0]].text, steps[origins[-1]].text)
        number = len(nodes)
        nodes.append(Node(path, (), ()))
        allowed = tuple(sorted(following))
        leads: list[tuple[bool, int]] = []
        for token in allowed:
            behind = following[token]
            origins = sorted({position.origin for position in behind})
            if len(origins) == 1:
                leads.append((True, origins[0]))
            else:
                leads.append((False, self._grow(nodes, (*path, token), self._settled(behind), state)))
        nodes[number] = Node(path, allowed, tuple(leads))
        return number

    def _first(self, state: State) -> list[_Position]:
        return [_Position(state, number, 0) for number in range(len(self.pieces(state)))]

    def _settled(self, positions: Iterable[_Position]) -> list[_Position]:
        """The same positions, those at the end of a piece as the beginnings of the pieces after it."""
        found: list[_Position] = []
        waiting = list(positions)
        while waiting:
            position = waiting.pop()
            if position.offset < len(self.pieces(position.state)[position.step]):
                found.append(position)
                continue
            after = self.grammar.steps(position.state)[position.step].after
            if after is not None:
                waiting += [_Position(after, p.step, 0, position.origin) for p in self._first(after)]
        return found

    def _following(self, positions: Iterable[_Position]) -> dict[int, list[_Position]]:
        """The tokens that may come next, and where each leads."""
        found: dict[int, list[_Position]] = {}
        for p in positions:
            token = self.pieces(p.state)[p.step][p.offset]
            found.setdefault(token, []).append(_Position(p.state, p.step, p.offset + 1, p.origin))
        return found
