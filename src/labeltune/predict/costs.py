"""What predictions cost: the one place where this package asks for prices."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from labeltune.providers import Provider

__all__ = ["CHARACTERS_PER_TOKEN", "Price", "price_of"]

CHARACTERS_PER_TOKEN = 3.5
"""For estimates before anything is sent; English has about four, so that this is rather too much."""


class Price(Protocol):
    """What tokens cost."""

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """In US dollars."""
        ...


class _Free:
    def usd(self, _input_tokens: int, _output_tokens: int) -> float:
        return 0.0


def price_of(model: str, provider: Provider, *, batch: bool) -> Price | None:
    """The price of a model's answers; None where it is not known."""
    if provider.local:
        return _Free()
    if find_spec("labeltune.prices") is None:
        return None
    return cast("Price | None", import_module("labeltune.prices").prediction_price(model, batch=batch))
