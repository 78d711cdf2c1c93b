"""What predictions cost: the one place where this package asks for prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.providers import Provider

__all__ = ["CHARACTERS_PER_TOKEN", "Rate", "rate_of"]

CHARACTERS_PER_TOKEN = 3.5
"""For estimates before anything is sent; English has about four, so that this is rather too much."""

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for a million tokens read and written."""

    input: float
    output: float

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost."""
        return (input_tokens * self.input + output_tokens * self.output) / _MILLION


def rate_of(model: str, provider: Provider, *, batch: bool) -> Rate | None:
    """What a model's answers cost; None where it is not known."""
    if provider.local:
        return Rate(0.0, 0.0)
    from labeltune.prices import price_of

    price = price_of(model)
    if price is None:
        return None
    share = price.batch if batch else 1.0
    return Rate(price.input * share, price.output * share)
