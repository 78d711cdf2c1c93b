"""What the files cost: tokens of each, and US dollars for each model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.prepare.check.rule import Rule
from labeltune.pricing.prices import known_prices, price_of
from labeltune.pricing.tokens import TOKENS_PER_MESSAGE, TOKENS_PER_RECORD, JoinedTexts, auto_epochs

if TYPE_CHECKING:
    from labeltune.prepare.check.part import Batch, Part
    from labeltune.prepare.check.setting import Setting
    from labeltune.pricing.prices import Price
    from labeltune.pricing.tokens import TokenCounter

__all__ = ["Cost", "FileTokens", "TokenTally", "costs"]

_KEPT = 10_000

_ALL_OF, _EVERY = 64, 4
"""Where tokens are estimated, so many batches are looked at, then one in so many of those that follow."""


@dataclass(frozen=True, slots=True)
class FileTokens:
    """How many tokens a file has as training data, and how many of them are answers."""

    records: int
    tokens: int
    answers: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model costs in US dollars; None where the price is not known, or the model is not trained."""

    epochs: int | None
    training_usd: float | None
    thousand_predictions_usd: float | None
    thousand_predictions_batch_usd: float | None
    priced: str | None = None
    """The day on which the price was read; "" where the price list does not say it, None without a price."""


class TokenTally(Rule):
    """Adds up the tokens of each file; the sums are in `files`."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.files: list[FileTokens] = []
        self._counter = setting.counter
        self._known: dict[str, float] = {}

    def begin(self, part: Part) -> None:
        """See `Rule`."""
        self._tokens = self._answers = 0.0
        self._prompts = _Measured()
        self._messages = 0
        self._fixed = self._counter.total(part.fixed)

    def batch(self, part: Part, batch: Batch) -> None:  # noqa: ARG002  # the rule of all rules
        """See `Rule`."""
        self._messages += batch.messages
        prompts = batch.prompts
        if None in batch.answers:
            pairs = zip(prompts, batch.answers, strict=True)
            prompts = [prompt for prompt, answer in pairs if answer is not None]
        self._prompts.add(self._counter, batch.joined if prompts is batch.texts else JoinedTexts(prompts))
        self._tokens += batch.regular * self._fixed
        self._tokens += sum(map(self._once, batch.others))
        for answer, number in Counter(batch.answers).items():
            if answer is not None:
                self._answers += self._once(answer) * number

    def _once(self, text: str) -> float:
        """System messages and answers are few: each is counted once."""
        tokens = self._known.get(text)
        if tokens is None:
            tokens = self._counter.count(text)
            if len(self._known) < _KEPT:
                self._known[text] = tokens
        return tokens

    def end_of(self, part: Part) -> None:
        """See `Rule`."""
        frames = self._messages * TOKENS_PER_MESSAGE + part.examples * TOKENS_PER_RECORD
        self.files.append(
            FileTokens(
                records=part.examples,
                tokens=round(self._prompts.tokens + self._tokens + self._answers + frames),
                answers=round(self._answers),
                estimated=self._counter.estimated,
            )
        )


class _Measured:
    """Tokens of prompts, batch by batch. An estimate looks at some of many, and at the length of all."""

    def __init__(self) -> None:
        self._batches = self._length = self._looked_at = 0
        self._found = 0.0

    def add(self, counter: TokenCounter, prompts: JoinedTexts) -> None:
        """Take the prompts of a batch."""
        if not counter.estimated:
            self._found += counter.total_of_joined(prompts)
            return
        length = len(prompts.content)
        self._length += length
        if self._batches < _ALL_OF or self._batches % _EVERY == 0:
            self._looked_at += length
            self._found += counter.total_of_joined(prompts)
        self._batches += 1

    @property
    def tokens(self) -> float:
        """Of all prompts: what was found, for each byte that was looked at, times all bytes."""
        return self._found * self._length / self._looked_at if self._looked_at else self._found


def costs(files: list[FileTokens], model: str | None) -> dict[str, Cost]:
    """The cost of training on the first file, and of predicting rows like those of all files, by model."""
    prices: dict[str, Price | None] = dict(known_prices()) if model is None else {model: price_of(model)}
    return {name: _cost(files, price) for name, price in prices.items()}


def _cost(files: list[FileTokens], price: Price | None) -> Cost:
    epochs = auto_epochs(files[0].records) if files[0].records else None
    if price is None:
        return Cost(epochs, None, None, None)
    if price.training is None:
        epochs = None
    training = None if epochs is None else price.training_usd(files[0].tokens, epochs)
    priced = "" if price.read is None else price.read.isoformat()
    records = sum(file.records for file in files)
    if not records:
        return Cost(epochs, training, None, None, priced)
    written = sum(file.answers for file in files) / records * 1000
    read = sum(file.tokens for file in files) / records * 1000 - written
    return Cost(epochs, training, price.usd(read, written), price.usd(read, written, batch=True), priced)
