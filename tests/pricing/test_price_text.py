"""The text of a price in the ledger is read back as the rates that were used."""

from __future__ import annotations

from pathlib import Path

from aikeys.pricing.book import load
from aikeys.pricing.price_text import price_text, unit_prices
from aikeys.providers.usage import Usage


def test_the_text_gives_the_rates_of_the_tier_that_the_input_was_in(tmp_path: Path) -> None:
    found = load(str(tmp_path)).find("gemini", "gemini-2.5-pro")
    assert found is not None
    small, large = (
        unit_prices(price_text(found.price, Usage(input=count), at_us=1_790_000_000_000_000))
        for count in (1000, 200_001)
    )
    assert small.reference == found.price.reference
    assert small.rates["input"] == (1_250_000, 1)
    assert large.rates["input"] == (2_500_000, 1)


def test_a_text_of_an_import_that_says_nothing_is_no_error() -> None:
    assert unit_prices("by hand").rates == {}
    assert unit_prices("").reference == ""
