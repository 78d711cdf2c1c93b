"""Prices: what a training and what predictions cost, from a table with dates that a user's file overrides."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError, did_you_mean
from labeltune.pricing.tokens import base_model

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Price",
    "known_prices",
    "price_of",
    "training_cost",
    "user_file",
]

_PER = 1_000_000
_DEFAULT_BATCH = 1.0


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; `training` is None for a model that cannot be fine-tuned.

    `batch` is the share of the price that a batch costs; `read` is the day on which `source` said so.
    """

    model: str
    input: float
    output: float
    training: float | None = None
    cached: float | None = None
    batch: float = _DEFAULT_BATCH
    read: date | None = None
    source: str = ""

    def usd(self, input_tokens: float, output_tokens: float, *, batch: bool = False) -> float:
        """What predictions with so many tokens cost."""
        whole = (input_tokens * self.input + output_tokens * self.output) / _PER
        return whole * self.batch if batch else whole

    def training_usd(self, tokens: float, epochs: int) -> float | None:
        """What training on so many tokens, so often, costs; None if the model cannot be trained."""
        return None if self.training is None else tokens * epochs * self.training / _PER


def user_file() -> Path | None:
    """Where a user's own prices are looked for: `LABELTUNE_PRICES`, or the folder of labeltune's settings.

    None where that folder cannot be known: without HOME and an entry in the system's list of users.
    """
    named = os.environ.get("LABELTUNE_PRICES")
    if named:
        return Path(named)
    from platformdirs import user_config_path

    try:
        return user_config_path("labeltune") / "prices.toml"
    except RuntimeError:
        return None


def known_prices() -> Mapping[str, Price]:
    """All prices by model, the user's own last. Raises `SettingsError` if their file is wrong."""
    own = user_file()
    prices = dict(_shipped())
    named = bool(os.environ.get("LABELTUNE_PRICES"))
    # A folder of settings that may not be entered is another user's, and holds no prices of this one.
    if own is not None and (named or os.path.isfile(own)):  # noqa: PTH113  # a Path would raise
        prices |= _parse(_read(own), str(own))
    return prices


def price_of(model: str) -> Price | None:
    """The price of a model, or of the base that a fine-tuned one came from; None if it is not known."""
    prices = known_prices()
    base = model.split(":")[1] if model.startswith("ft:") else model
    return prices.get(model) or prices.get(base) or prices.get(base_model(model))


def training_cost(model: str, tokens: float, epochs: int) -> float | None:
    """US dollars for training `model` on so many tokens, so often; None where the price is not known."""
    price = price_of(model)
    return None if price is None else price.training_usd(tokens, epochs)


# ---------------------------------------------------------------------------------------------------- reading


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Price]:
    content = (files("labeltune.pricing") / "prices.toml").read_text(encoding="utf-8")
    return _parse(content, "prices.toml")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file, but LABELTUNE_PRICES names it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error


def _parse(content: str, source: str) -> dict[str, Price]:
    try:
        document = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: not valid TOML: {error}") from error
    rows = document.pop("model", [])
    if document or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{source}: expected nothing but [[model]] tables, each with name, input, output")
    prices = [_price(row, f"{source}: [[model]] number {number}") for number, row in enumerate(rows, 1)]
    return {price.model: price for price in prices}


_NUMBERS = ("training", "input", "cached", "output", "batch")
_KEYS = ("name", *_NUMBERS, "date", "source")


def _price(row: dict[str, Any], where: str) -> Price:
    for key in row:
        if key not in _KEYS:
            raise SettingsError(f'{where}: unknown key "{key}"{did_you_mean(key, _KEYS)}')
    for key in ("name", "input", "output"):
        if key not in row:
            raise SettingsError(f"{where}: {key} is missing")
    name, read = row["name"], row.get("date")
    if not isinstance(name, str) or not name.strip():
        raise SettingsError(f"{where}: name must be a string")
    if read is not None and not isinstance(read, date):
        raise SettingsError(f"{where}: date must be a date, such as 2026-11-22")
    return Price(
        model=name,
        input=_usd(row, "input", where) or 0.0,
        output=_usd(row, "output", where) or 0.0,
        training=_usd(row, "training", where),
        cached=_usd(row, "cached", where),
        batch=_DEFAULT_BATCH if "batch" not in row else _usd(row, "batch", where) or 0.0,
        read=read,
        source=str(row.get("source", "")),
    )


def _usd(row: dict[str, Any], key: str, where: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    # NaN and infinity are floats in TOML, and prices nowhere.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise SettingsError(f"{where}: {key} must be a number of dollars, at least 0")
    return float(value)
