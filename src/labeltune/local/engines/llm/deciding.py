"""How one answer is decided, piece by piece, by the log-probabilities at its points of choice.

A single label has its exact log-probability over all legal answers. A set is decided label by label, in the
order of the labels: each one's probability is exact given what was decided before it. What comes to so little
that no probability could show it is not computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labeltune.local.engines.common.answers import Verdict
from labeltune.local.engines.common.calibration import temperature
from labeltune.local.engines.common.layout import Layout
from labeltune.local.engines.llm.grammar import START
from labeltune.local.engines.llm.scoring import Request

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from labeltune.local.engines.llm.grammar import State, Step
    from labeltune.local.engines.llm.legal import Legal, Written

    Ids = tuple[int, ...]
    Told = Literal["all", "best"]
    Floats = NDArray[np.float64]
    Asking = Generator[list[Request], list[list[Floats]], Floats]

__all__ = ["TOLERANCE", "Decided", "Decider", "choices_of", "stepwise", "uncalibrated"]

TOLERANCE = 1e-4
"""No probability of a label is farther from the model's own by more, for leaving out what is improbable."""

_NEVER = -1e5
"""The log-probability of what is not there to be chosen, at any temperature."""

_FORCED = 12.0
"""The log-odds of what cannot be otherwise."""


@dataclass(slots=True)
class Decided:
    """What was decided of one conversation."""

    scores: Floats
    """Of each label of all heads, (k,): of a choice its log-probability, of a subset its log-odds."""
    chosen: list[list[int]]
    """The labels of each head that hold, rising."""
    steps: list[Step] = field(default_factory=list)
    """The answer."""


def uncalibrated(layout: Layout, tilt: Sequence[float] = ()) -> list[dict[str, Any]]:
    """Decisions by the model's own probabilities, for lack of examples to calibrate them by.

    With a `tilt` (labels,) choices lean towards the labels that counted more.
    """
    found: list[dict[str, Any]] = []
    for part, kind in zip(layout.slices, layout.kinds, strict=True):
        even = [0.5] * (part.stop - part.start) * (kind == "subset")
        leaning = {"leaning": list(tilt[part])} if len(tilt) and kind == "choice" else {}
        found.append({"slope": 1.0, "offset": 0.0, "thresholds": even, **leaning})
    return found


def choices_of(answer: Written) -> Generator[list[Request], list[list[Floats]], list[tuple[Floats, int]]]:
    """For each point of choice of an answer the log-probabilities there, and the place of what was chosen."""
    points = tuple((n, allowed) for n, allowed in enumerate(answer.allowed) if len(allowed) > 1)
    if not points:
        return []
    (values,) = yield [Request(answer.ids[: points[-1][0]], points)]
    places = [allowed.index(answer.ids[length]) for length, allowed in points]
    return list(zip(values, places, strict=True))


def stepwise(choices: Sequence[tuple[Floats, int]]) -> dict[str, Any]:
    """The decision of a choice whose points share one temperature, the likeliest for what was chosen at them.

    So each label has its calibrated probability by the points on its own way; that of the whole, with one
    temperature for all labels, would have to be divided by a sum over all of them.
    """
    if not choices:
        return {"slope": 1.0, "offset": 0.0, "thresholds": [], "stepwise": True}
    scores = np.full((len(choices), max(len(values) for values, _ in choices)), _NEVER)
    for row, (values, _) in zip(scores, choices, strict=True):
        row[: len(values)] = values
    slope = temperature(scores, np.array([place for _, place in choices], dtype=np.intp))
    return {"slope": slope, "offset": 0.0, "thresholds": [], "stepwise": True}


class Decider:
    """Decides answers as `calibration.decisions` says."""

    def __init__(
        self,
        legal: Legal,
        decided: Sequence[Mapping[str, Any]],
        tilt: Sequence[float] = (),
        *,
        tolerance: float = TOLERANCE,
    ) -> None:
        self._legal = legal
        self._grammar = legal.grammar
        self.layout = Layout(legal.grammar.heads)
        self._slopes = [float(decision["slope"]) for decision in decided]
        # One for all labels of a head, or one for each where rare labels counted more.
        self._offsets = [np.array(decision["offset"], dtype=np.float64) for decision in decided]
        self._thresholds = [np.array(decision["thresholds"], dtype=np.float64) for decision in decided]
        self._leaning = [np.array(decision.get("leaning", 0.0), dtype=np.float64) for decision in decided]
        self._tilt = np.array(tilt, dtype=np.float64) if len(tilt) else np.zeros(self.layout.n_outputs)
        self._stepwise = [bool(decision.get("stepwise")) for decision in decided]
        self._plain = [self._is_plain(head) for head in range(len(decided))]
        self._limits = lru_cache(maxsize=100_000)(partial(self._find_limits, tolerance))
        self._behind = lru_cache(maxsize=100_000)(self._find_behind)

    def _is_plain(self, head: int) -> bool:
        """Whether the probability of one label is told without those of the others."""
        weighed = (self._offsets[head], self._leaning[head], self._tilt[self.layout.slices[head]])
        return (self._stepwise[head] or self._slopes[head] == 1) and not any(map(np.any, weighed))

    def walk(self, told: Told = "all") -> Generator[list[Request], list[list[Floats]], Decided]:
        """Decide one answer; see `Scorer.run`. If only the best label's score is `told`, those of others may
        be little more than guesses.
        """
        scores = np.full(self.layout.n_outputs, -_FORCED)
        decided = Decided(scores, [[] for _ in self._grammar.heads])
        state: State | None = START
        path: Ids = ()
        known: dict[tuple[Ids, Ids], Floats] = {}
        while state is not None:
            logprobs = yield from self._evaluate(state, path, known, told)
            step = self._decide(state, logprobs, decided)
            decided.steps.append(step)
            path += self._legal.pieces(state)[self._grammar.steps(state).index(step)]
            state = step.after
        return decided

    def verdicts(self, decided: Decided) -> list[Verdict]:
        """What is decided for each head, with calibrated probabilities."""
        found = []
        for head, (part, kind) in enumerate(zip(self.layout.slices, self.layout.kinds, strict=True)):
            # Where each choice on the way was tempered, the scores are calibrated.
            slope = 1.0 if self._stepwise[head] else self._slopes[head]
            z = slope * decided.scores[part] + self._offsets[head]
            if kind == "choice":
                e = np.exp(z - z.max())
                p = e / e.sum()
            else:
                p = _sigmoid(z)
            found.append(Verdict(np.array(decided.chosen[head], dtype=np.intp), p))
        return found

    # --- probabilities of the steps from a state ------------------------

    def _evaluate(self, state: State, path: Ids, known: dict[tuple[Ids, Ids], Floats], told: Told) -> Asking:
        """The log-probability of each step from a state, given the tokens before it."""
        fan = self._legal.fan(state)
        found = np.full(fan.n_steps, -np.inf)
        if not fan.nodes:
            return np.zeros(fan.n_steps)
        head = self._grammar.blocks[state.block].head
        factor = self._slopes[head] if self._stepwise[head] else 1.0
        frontier = {0: 0.0}
        while wanted := self._wanted(state, frontier, found, told):
            missing = [n for n in wanted if (path + fan.nodes[n].path, fan.nodes[n].allowed) not in known]
            if missing:
                yield from self._ask(state, path, [fan.nodes[n] for n in missing], known)
            for number in wanted:
                node, reach = fan.nodes[number], frontier.pop(number)
                logprobs = _tempered(known[path + node.path, node.allowed], factor)
                for (settled, target), logprob in zip(node.leads, logprobs.tolist(), strict=True):
                    if settled:
                        found[target] = np.logaddexp(found[target], reach + logprob)
                    else:
                        frontier[target] = reach + logprob
        for number, reach in frontier.items():
            steps = self._behind(state)[number]
            # A step that is settled in several places is so often among them.
            np.logaddexp.at(found, steps, reach - math.log(len(steps)))
        return found

    def _wanted(self, state: State, frontier: Mapping[int, float], found: Floats, told: Told) -> list[int]:
        """Which of the points of choice that an answer may come to are followed; none if all is known.

        `frontier` has the log-probability of coming to each of them, `found` what is known of each step.
        """
        block = self._grammar.blocks[state.block]
        if told == "all" or block.kind != "choice" or not self._plain[block.head]:
            limits = self._limits(state)
            return [number for number, reach in frontier.items() if reach >= limits[number]]
        if not frontier:
            return []
        behind = self._behind(state)
        most = found.copy()
        for number, reach in frontier.items():
            steps = np.unique(behind[number])
            most[steps] = np.logaddexp(most[steps], reach)
        # The likeliest step has so much at least, and one that cannot come to it is not the likeliest.
        least = max(found.max(), *(reach - math.log(len(behind[n])) for n, reach in frontier.items()))
        return [number for number in frontier if most[behind[number]].max() >= least]

    def _find_behind(self, state: State) -> list[NDArray[np.intp]]:
        """The steps behind each point of choice from a state."""
        fan = self._legal.fan(state)
        return [np.array(fan.behind(number), dtype=np.intp) for number in range(len(fan.nodes))]

    def _find_limits(self, tolerance: float, state: State) -> list[float]:
        """For each point of choice from a state on the log-probability, given what was decided, that it has
        to come with to be followed. Behind it, the labels share their probability evenly.

        Calibrated, probabilities p of a choice become p^s / Σ p^s. So much of n labels, m together, comes to
        between m^s and n·(m/n)^s, and the sum over all labels to 1 at least if s ≤ 1, else to k^(1-s) with k
        labels. All points that are left out together may come to the tolerance. Of a set a label's odds, m at
        most, become exp(s·log m + o).
        """
        fan, block = self._legal.fan(state), self._grammar.blocks[state.block]
        slope, offset = self._slopes[block.head], self._offsets[block.head]
        if self._stepwise[block.head]:
            slope = 1.0
        if slope <= 0:
            return [-math.inf] * len(fan.nodes)
        allowed = math.log(tolerance)
        if block.kind != "choice":
            return [min(allowed, (allowed - float(offset.max())) / slope)] * len(fan.nodes)
        labels = self.layout.slices[block.head]
        # What labels are weighed by after all may make more of what is little.
        uneven = slope * np.ptp(self._tilt[labels]) + np.ptp(offset) + np.ptp(self._leaning[block.head])
        allowed -= math.log(len(fan.nodes)) + float(uneven)
        if slope > 1:
            allowed += (1 - slope) * math.log(labels.stop - labels.start)
        steps = self._grammar.steps(state)
        behind = (
            sum(len(steps[step].decision.labels) for step in fan.behind(number))
            for number in range(len(fan.nodes))
        )
        return [(allowed - max(1 - slope, 0.0) * math.log(n)) / slope for n in behind]

    def _ask(
        self, state: State, path: Ids, nodes: Sequence[Any], known: dict[tuple[Ids, Ids], Floats]
    ) -> Generator[list[Request], list[list[Floats]], None]:
        requests = [
            Request(path + node.path, ((len(path) + len(node.path), node.allowed),)) for node in nodes
        ]
        if len(nodes) == 1 and self._grammar.blocks[state.block].kind == "flag":
            requests = [self._foreseen(state, path)]
        for request, values in zip(requests, (yield requests), strict=True):
            for (length, allowed), value in zip(request.points, values, strict=True):
                known[request.path[:length], allowed] = value

    def _foreseen(self, state: State, path: Ids) -> Request:
        """The points of this flag and of those after it as long as all are false, in one pass: most are."""
        points: list[tuple[int, Ids]] = []
        longest = path
        following: State | None = state
        while following is not None and self._grammar.blocks[following.block].kind == "flag":
            fan = self._legal.fan(following)
            if fan.nodes:
                longest = path + fan.nodes[0].path
                points.append((len(longest), fan.nodes[0].allowed))
            path += self._legal.pieces(following)[0]
            following = self._grammar.steps(following)[0].after
        return Request(longest, tuple(points))

    # --- decisions ------------------------------------------------------

    def _decide(self, state: State, logprobs: Floats, decided: Decided) -> Step:
        block = self._grammar.blocks[state.block]
        steps = self._grammar.steps(state)
        z = decided.scores[self.layout.slices[block.head]]
        if block.kind == "choice":
            step = steps[self._choose(state, steps, logprobs, z)]
            decided.chosen[block.head] = [step.decision.labels[0]]
            return step
        place = (
            self._flag(block, steps, logprobs, z) if block.kind == "flag" else self._next(state, logprobs, z)
        )
        step = steps[place]
        decided.chosen[block.head] += step.decision.labels
        return step

    def _choose(self, state: State, steps: Sequence[Step], logprobs: Floats, z: Floats) -> int:
        head = self._grammar.blocks[state.block].head
        left = dict(state.left).get(head)
        mass = 0.0 if left is None else float(np.logaddexp.reduce(z[list(left)]))
        for step, logprob in zip(steps, logprobs.tolist(), strict=True):
            # What is not decided yet, of a parent which child, is even for now.
            labels = list(step.decision.labels)
            z[labels] = mass + logprob - math.log(len(labels))
        if left is None:
            z -= self._tilt[self.layout.slices[head]]
            z -= np.logaddexp.reduce(z)
        slope = 1.0 if self._stepwise[head] else self._slopes[head]
        leaning = slope * z + self._offsets[head] + self._leaning[head]
        return int(np.argmax([np.logaddexp.reduce(leaning[list(step.decision.labels)]) for step in steps]))

    def _flag(self, block: Any, steps: Sequence[Step], logprobs: Floats, z: Floats) -> int:
        odds = _FORCED if len(steps) == 1 else float(logprobs[1] - logprobs[0])
        z[block.label] = np.clip(odds, -_FORCED, _FORCED)
        return len(steps) - 1 if self._holds(block.head, z)[block.label] else 0

    def _next(self, state: State, logprobs: Floats, z: Floats) -> int:
        """Which label a list names next: the first one that holds, given that none before it did."""
        head = self._grammar.blocks[state.block].head
        start = state.before + 1
        n = len(z) - start
        rest = np.logaddexp.accumulate(logprobs[::-1])[::-1]
        behind = np.append(rest[1:], -np.inf)
        z[start:] = np.clip(logprobs[:n] - np.maximum(behind[:n], -700), -_FORCED, _FORCED)
        ends = len(logprobs) > n
        if not ends:
            # A list that cannot be empty: that its last label holds if no other does says nothing of it.
            z[-1] = _FORCED
        named = np.flatnonzero(self._holds(head, z)[start:])
        if len(named) and (ends or named[0] < n - 1):
            return int(named[0])
        return n if ends else int(logprobs.argmax())

    def _holds(self, head: int, z: Floats) -> NDArray[np.bool_]:
        p = _sigmoid(self._slopes[head] * z + self._offsets[head])
        return np.asarray(p >= self._thresholds[head])


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -30, 30))))


def _tempered(logprobs: Floats, factor: float) -> Floats:
    """Log-probabilities in proportion to p^factor."""
    if factor == 1:
        return logprobs
    values = factor * logprobs
    return np.asarray(values - np.logaddexp.reduce(values))
