"""What a training would cost, and whether that is within the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labeltune.errors import BudgetError

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.providers import Provider

__all__ = ["check_budget", "estimate_training_cost"]


def estimate_training_cost(
    provider: Provider,
    model: str,  # noqa: ARG001  # the seam for a table of prices
    training: Path | None,  # noqa: ARG001
    epochs: int | Literal["auto"],  # noqa: ARG001
) -> float | None:
    """US dollars for training on a file of this disk; None where price or file are not known."""
    if provider.local:
        return 0.0
    return None


def check_budget(
    provider: Provider,
    model: str,
    training: Path | None,
    epochs: int | Literal["auto"],
    max_cost: float | None,
) -> float | None:
    """The estimate. Raises `BudgetError` if it is above `max_cost`, or is needed and cannot be made."""
    cost = estimate_training_cost(provider, model, training, epochs)
    if max_cost is None:
        return cost
    if cost is None:
        why = "the file is not on this disk" if training is None else f"the price of {model} is not known"
        raise BudgetError(
            f"the cost cannot be estimated ({why}), so it cannot be held to {max_cost:.2f} USD",
            hint="leave out --max-cost, or give the file itself and a model with a known price",
        )
    if cost > max_cost:
        raise BudgetError(
            f"estimate {cost:.2f} USD > limit {max_cost:.2f} USD; nothing was sent",
            hint="raise --max-cost, or train on fewer rows or for fewer epochs",
        )
    return cost
