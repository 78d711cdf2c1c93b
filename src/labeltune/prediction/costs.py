"""What predictions cost: the one place where this package asks for prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.errors import BudgetError
from labeltune.wording import counted

if TYPE_CHECKING:
    from labeltune.providers import Provider

__all__ = ["CHARACTERS_PER_TOKEN", "Rate", "check_budget", "rate_of"]

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
    if provider.free:
        return Rate(0.0, 0.0)
    from labeltune.pricing.prices import price_of

    price = price_of(model)
    if price is None:
        return None
    share = price.batch if batch else 1.0
    return Rate(price.input * share, price.output * share)


def check_budget(
    rate: Rate | None,
    tokens: tuple[int, int],
    limit: float | None,
    requests: int,
    *,
    model: str,
    spent: float = 0.0,
) -> None:
    """Raise `BudgetError` if so many requests, which read and write so many tokens, may cost more than the
    limit in US dollars, with what is spent already; or if that cannot be known.
    """
    if limit is None or not requests:
        return
    if rate is None:
        raise BudgetError(
            f"--max-cost: the price of {model} is not known, so it cannot be kept",
            hint="leave --max-cost out, or use --limit to ask a few rows",
        )
    estimate = spent + rate.usd(*tokens)
    if estimate > limit:
        already = f" (${spent:,.2f} of it spent)" if spent else ""
        raise BudgetError(
            f"estimate ${estimate:,.2f}{already} > limit ${limit:,.2f} for {counted(requests, 'request')};"
            f" {'no more was' if spent else 'nothing was'} sent",
            hint="raise --max-cost, or ask fewer rows with --limit",
        )
