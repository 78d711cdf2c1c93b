"""prices: every row with its day and source, the user's file last, and sums that can be checked by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from labeltune.errors import SettingsError
from labeltune.pricing.prices import (
    known_prices,
    price_of,
    training_cost,
    user_file,
)

OWN = """\
[[model]]
name = "gpt-4.1-mini"
training = 4
input = 1
output = 2
date = 2026-11-23
source = "our contract"

[[model]]
name = "house"
input = 0
output = 0
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.toml"
    path.write_text("")
    monkeypatch.setenv("LABELTUNE_PRICES", str(path))
    return path


def test_every_shipped_row_has_its_day_and_its_source() -> None:
    prices = known_prices()
    assert {"gpt-4.1", "gpt-4.1-mini", "gpt-4o-mini", "linear"} <= set(prices)
    for price in prices.values():
        assert price.read is not None, price.model
        assert price.read >= date(2026, 1, 1)
        assert price.source, price.model
    assert prices["linear"].training == prices["linear"].input == 0


def test_sums() -> None:
    assert training_cost("gpt-4.1-mini", 2_000_000, 3) == pytest.approx(30)
    assert price_of("unheard-of") is None
    assert training_cost("unheard-of", 1, 1) is None
    price = price_of("gpt-4.1-mini")
    assert price is not None
    assert price.usd(1_000_000, 500_000) == pytest.approx(0.8 + 1.6)
    assert price.usd(1_000_000, 500_000, batch=True) == pytest.approx(1.2)


def test_a_fine_tuned_model_costs_what_its_base_does() -> None:
    for name in ("ft:gpt-4.1-mini-2025-04-14:org::id", "gpt-4.1-mini-2025-04-14"):
        assert price_of(name) == price_of("gpt-4.1-mini")


def test_the_users_file_replaces_and_adds(own: Path) -> None:
    own.write_text(OWN)
    price = price_of("gpt-4.1-mini")
    assert price is not None
    assert (price.training, price.input, price.batch, price.source) == (4, 1, 1, "our contract")
    assert training_cost("house", 1, 1) is None
    house = price_of("house")
    assert house is not None
    assert house.usd(1, 1) == 0
    assert price_of("gpt-4.1") is not None


def test_where_the_users_file_is(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user_file() == own
    own.unlink()
    with pytest.raises(SettingsError, match="LABELTUNE_PRICES names it"):
        known_prices()
    monkeypatch.delenv("LABELTUNE_PRICES")
    usual = user_file()
    assert usual is not None
    assert usual.name == "prices.toml"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("model = 1", "expected nothing but"),
        ("[[model]", "not valid TOML"),
        ('[[model]]\nname = "a"\ninput = 1', "number 1: output is missing"),
        (
            '[[model]]\nname = "a"\ninput = 1\noutput = 1\ntrainig = 1',
            'unknown key "trainig" (did you mean "training"?)',
        ),
        ('[[model]]\nname = ""\ninput = 1\noutput = 1', "name must be a string"),
        ('[[model]]\nname = "a"\ninput = -1\noutput = 1', "input must be a number of dollars"),
        ('[[model]]\nname = "a"\ninput = nan\noutput = 1', "input must be a number of dollars"),
        ('[[model]]\nname = "a"\ninput = true\noutput = 1', "input must be a number of dollars"),
        ('[[model]]\nname = "a"\ninput = 1\noutput = 1\ndate = "today"', "date must be a date"),
    ],
)
def test_a_wrong_file(content: str, said: str, own: Path) -> None:
    own.write_text(content)
    with pytest.raises(SettingsError) as caught:
        known_prices()
    assert said in str(caught.value)
    assert str(own) in str(caught.value)
