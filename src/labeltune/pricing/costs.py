"""What a training would cost, and whether that is within the budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from labeltune.errors import BudgetError, SettingsError
from labeltune.files.jsonl import ChatFile
from labeltune.pricing.prices import price_of, training_cost
from labeltune.pricing.tokens import auto_epochs, count_record, token_counter

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.providers import Provider

__all__ = ["check_budget", "estimate_training_cost"]


def estimate_training_cost(
    provider: Provider, model: str, training: Path | None, epochs: int | Literal["auto"]
) -> float | None:
    """US dollars for training on a file of this disk; None where the price or the file is not known.

    Tokens times epochs times the price of a training token; where the provider chooses the epochs, its own
    rule is followed. Training on this machine, or on a server of the user's own, costs nothing.
    """
    if provider.free:
        return 0.0
    price = price_of(model)
    if training is None or price is None or price.training is None:
        return None
    counter = token_counter(model)
    with ChatFile(training) as file:
        counts = [count_record(counter, record["messages"]) for _, record in file]
    times = auto_epochs(len(counts)) if isinstance(epochs, str) else epochs
    return training_cost(model, math.fsum(counts), times)


def check_budget(
    provider: Provider,
    model: str,
    training: Path | None,
    epochs: int | Literal["auto"],
    max_cost: float | None,
) -> float | None:
    """The estimate. Raises `BudgetError` if it is above `max_cost`, or is needed and cannot be made."""
    if max_cost is not None and not (math.isfinite(max_cost) and max_cost >= 0):
        raise SettingsError(f"--max-cost {max_cost}: expected a number of US dollars, at least 0")
    cost = estimate_training_cost(provider, model, training, epochs)
    if max_cost is None:
        return cost
    if cost is None:
        why = "the file is not on this disk" if training is None else f"the price of {model} is not known"
        raise BudgetError(
            f"the cost cannot be estimated ({why}), so it cannot be held to {max_cost:.2f} USD",
            hint="leave out --max-cost; or give the file itself, and the model's price in prices.toml",
        )
    if cost > max_cost:
        raise BudgetError(
            f"estimate {cost:.2f} USD > limit {max_cost:.2f} USD; nothing was sent",
            hint="raise --max-cost, or train on fewer rows or for fewer epochs",
        )
    return cost
