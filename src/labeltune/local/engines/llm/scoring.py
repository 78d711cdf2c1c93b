"""Log-probabilities of what may come next, for many conversations at once.

A conversation is fed once and its keys and values are kept. Each point of an answer is then reached from
there by a copy of them and all the tokens up to the point: no mask with holes, and nothing that a window or a
recurrent layer could get wrong.
"""

from __future__ import annotations

import copy
import inspect
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from labeltune.local.engines.llm.columns import Columns, OutputLayer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import torch
    from numpy.typing import NDArray

    from labeltune.local.engines.llm.legal import Written

    Ids = tuple[int, ...]
    Floats = NDArray[np.float64]
    R = TypeVar("R")
    Walk = Generator["list[Request]", list[list[Floats]], R]

__all__ = ["Request", "Scorer"]

_TOKENS = 4096
"""So many tokens are fed at once, about, padding and what is kept of the conversation counted."""

_LOGITS = 1 << 14
"""So many logits take the room of a token, where all have to be computed: a quarter of a gigabyte at most."""


@dataclass(frozen=True, slots=True)
class Request:
    """Points of an answer: the tokens up to the last of them, and for each how many of those come before it
    and what may follow there.
    """

    path: Ids
    points: tuple[tuple[int, Ids], ...]


@dataclass(slots=True)
class _Fed:
    """Conversations that were fed."""

    ids: list[Ids]
    cache: Any
    mask: torch.Tensor
    """Bool (rows, width), False where a shorter row was filled up, or None of it."""
    lengths: torch.Tensor
    logits: Floats
    """After the last token of each row, (rows, vocabulary)."""


class Scorer:
    """A model that is asked for points of answers. `common` are tokens that most conversations begin with."""

    def __init__(self, module: Any, *, pad: int, opening: Ids, common: Ids = (), cached: bool = True) -> None:
        self.module = module
        self._pad = pad
        self._opening = opening
        self.cached = cached
        self._device = next(module.parameters()).device
        self._common = common
        self._common_cache: Any = None
        plain = module.get_base_model() if hasattr(module, "get_base_model") else module
        self._output = OutputLayer(plain)
        named = inspect.signature(plain.forward).parameters
        # Renamed in the course of transformers 5.
        self._cache = "cache" if "cache" in named else "past_key_values"

    def run(self, prompts: Sequence[Ids], walks: Sequence[Walk[R]]) -> list[R]:
        """Let each walk decide the answer of its conversation: it asks for points, is sent their
        log-probabilities over what may follow, and returns the answer at last.
        """
        import torch

        results: list[Any] = [None] * len(prompts)
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        with torch.inference_mode():
            for part in _parts(order, [len(prompt) for prompt in prompts]):
                self._run([prompts[row] for row in part], [walks[row] for row in part], part, results)
        return results

    def _run(self, prompts: list[Ids], walks: list[Walk[Any]], rows: list[int], results: list[Any]) -> None:
        fed = self._feed([prompt + self._opening for prompt in prompts])
        asked: dict[int, list[Request]] = {}
        for number, walk in enumerate(walks):
            self._go_on(walk, None, number, rows, results, asked)
        while asked:
            pairs = [(number, request) for number, requests in asked.items() for request in requests]
            found = self._points(fed, pairs)
            answers: dict[int, list[list[Floats]]] = {}
            for (number, _), values in zip(pairs, found, strict=True):
                answers.setdefault(number, []).append(values)
            waiting, asked = asked, {}
            for number in waiting:
                self._go_on(walks[number], answers[number], number, rows, results, asked)

    @staticmethod
    def _go_on(
        walk: Walk[Any],
        values: list[list[Floats]] | None,
        number: int,
        rows: list[int],
        results: list[Any],
        asked: dict[int, list[Request]],
    ) -> None:
        try:
            asked[number] = next(walk) if values is None else walk.send(values)
        except StopIteration as end:
            results[rows[number]] = end.value

    def _feed(self, ids: list[Ids]) -> _Fed:
        """Feed conversations, filled up at the left."""
        import torch

        kept = self._kept(ids)
        rest = [row[kept:] for row in ids]
        tokens, mask = self._padded(rest, left=True)
        lengths = torch.tensor([len(row) for row in ids], device=self._device)
        cache = None
        if kept:
            cache = _rows_of(self._common_cache, torch.zeros(len(ids), dtype=torch.long, device=self._device))
            mask = torch.cat([mask.new_ones(len(ids), kept), mask], dim=1)
        positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, kept:]
        found = self.module(
            input_ids=tokens,
            attention_mask=mask.long(),
            position_ids=positions,
            use_cache=self.cached,
            logits_to_keep=1,
            **{self._cache: cache},
        )
        logits = _on_processor(found.logits[:, -1])
        return _Fed(ids, found.past_key_values if self.cached else None, mask, lengths, logits)

    def _kept(self, ids: list[Ids]) -> int:
        """How many tokens that all these begin with are remembered from before."""
        common = self._common
        if not (common and self.cached):
            return 0
        if any(len(row) <= len(common) or row[: len(common)] != common for row in ids):
            return 0
        if self._common_cache is None:
            import torch

            tokens = torch.tensor([common], device=self._device)
            self._common_cache = self.module(
                input_ids=tokens, use_cache=True, logits_to_keep=1
            ).past_key_values
        # Between what is kept and a shorter row's rest are tokens that do not count: a layer that goes by
        # places in its cache, not by positions, would see a gap.
        if len({len(row) for row in ids}) > 1 and not _all_attend_to_all(self._common_cache):
            return 0
        return len(common)

    def _points(self, fed: _Fed, pairs: list[tuple[int, Request]]) -> list[list[Floats]]:
        """The log-probabilities at the points of each pair of a row's number and a request."""
        values: list[list[Floats]] = [[] for _ in pairs]
        skip = len(self._opening)
        lengths = [len(request.path) - skip for _, request in pairs]
        for place, length in enumerate(lengths):
            if length <= 0:
                values[place] = self._read(fed, pairs[place], None, Columns())
        behind = [place for place, length in enumerate(lengths) if length > 0]
        if not behind:
            return values
        asked = {allowed for place in behind for _, allowed in pairs[place][1].points}
        # Where nothing is trusted, logits are not either, unless the model gives all of them.
        with self._output.only(list(asked)) if self.cached else nullcontext(Columns()) as columns:
            # Each path takes memory for a copy of what is kept of its conversation, and for its logits.
            outputs = fed.logits.shape[1] if columns.tokens is None else len(columns.tokens)
            kept = fed.mask.shape[1] // 2
            costs = [max(length + kept, length * outputs // _LOGITS) for length in lengths]
            for part in _parts(behind, costs):
                rows = [pairs[place][0] for place in part]
                found = self._behind(fed, rows, [pairs[place][1].path[skip:] for place in part])
                for logits, place in zip(found, part, strict=True):
                    values[place] = self._read(fed, pairs[place], logits, columns)
        return values

    def _read(
        self, fed: _Fed, pair: tuple[int, Request], logits: Floats | None, columns: Columns
    ) -> list[Floats]:
        number, request = pair
        skip = len(self._opening)
        found: list[Floats] = []
        for length, allowed in request.points:
            if length == skip:
                found.append(_restricted(fed.logits[number], list(allowed)))
            else:
                assert logits is not None
                found.append(_restricted(logits[length - skip - 1], columns.places(allowed)))
        return found

    def _behind(self, fed: _Fed, rows: list[int], paths: list[Ids]) -> Floats:
        """The logits after each token of the paths, (paths, width, columns)."""
        import torch

        if not self.cached:
            return self._whole([fed.ids[row] for row in rows], paths)
        tokens, _ = self._padded(paths, left=False)
        chosen = torch.tensor(rows, device=self._device)
        width = tokens.shape[1]
        before = fed.mask[chosen]
        positions = fed.lengths[chosen][:, None] + torch.arange(width, device=self._device)
        logits = self.module(
            input_ids=tokens,
            # What fills a path up comes behind it, where nothing looks that is read.
            attention_mask=torch.cat([before, before.new_ones(len(rows), width)], dim=1).long(),
            position_ids=positions,
            use_cache=True,
            **{self._cache: _rows_of(fed.cache, chosen)},
        ).logits
        return _on_processor(logits)

    def _whole(self, prompts: list[Ids], paths: list[Ids]) -> Floats:
        """The same without anything kept, row by row."""
        import torch

        found = []
        width = max(map(len, paths))
        for prompt, path in zip(prompts, paths, strict=True):
            tokens = torch.tensor([prompt + path], device=self._device)
            logits = self.module(input_ids=tokens, use_cache=False).logits[0, len(prompt) :]
            found.append(torch.nn.functional.pad(logits, (0, 0, 0, width - len(path))))
        return _on_processor(torch.stack(found))

    def _padded(self, rows: Sequence[Ids], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        width = max(map(len, rows))
        tokens = np.full((len(rows), width), self._pad)
        mask = np.zeros((len(rows), width), dtype=np.bool_)
        for number, row in enumerate(rows):
            place = slice(width - len(row), width) if left else slice(0, len(row))
            tokens[number, place], mask[number, place] = row, True
        return torch.from_numpy(tokens).to(self._device), torch.from_numpy(mask).to(self._device)

    def log_probability(self, prompt: Ids, answer: Written) -> float:
        """That of one whole answer, in one pass and with nothing kept: what all else is held against."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([prompt + answer.ids], device=self._device)
            logits = self.module(input_ids=tokens, use_cache=False).logits[0, len(prompt) - 1 : -1]
        total = 0.0
        for row, token, allowed in zip(_on_processor(logits), answer.ids, answer.allowed, strict=True):
            total += float(_restricted(row, list(allowed))[allowed.index(token)])
        return total


def _on_processor(logits: torch.Tensor) -> Floats:
    """In 32 bits, whatever they are computed in: numpy has no bfloat16."""
    return np.asarray(logits.float().cpu().numpy())


def _restricted(logits: Floats, places: Sequence[int] | NDArray[np.intp]) -> Floats:
    """Log-softmax over the columns of what is allowed, in its order."""
    values = logits[places].astype(np.float64)
    values = values - values.max()
    return np.asarray(values - np.log(np.exp(values).sum()))


def _rows_of(cache: Any, rows: torch.Tensor) -> Any:
    """A cache of its own that holds these rows of another one, which stays as it is."""
    found = copy.copy(cache)
    found.layers = [copy.copy(layer) for layer in cache.layers]
    found.reorder_cache(rows)
    return found


def _all_attend_to_all(cache: Any) -> bool:
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in cache.layers)


def _parts(numbers: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """The numbers in parts of about `_TOKENS` tokens, the shortest first."""
    parts: list[list[int]] = []
    for number in sorted(numbers, key=lambda number: lengths[number]):
        if parts and lengths[number] * (len(parts[-1]) + 1) <= _TOKENS:
            parts[-1].append(number)
        else:
            parts.append([number])
    return parts
