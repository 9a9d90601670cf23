"""A second currency is exact and beside USD."""

from __future__ import annotations

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from aikeys.money import usd_text
from aikeys.reports.currency import currency_of


def test_a_rate_is_applied_exactly() -> None:
    yuan = currency_of("CNY", "7.1")
    assert yuan is not None
    assert (yuan.text(10**12), yuan.text(1), yuan.text(0)) == ("7.10", "0.0000000000071", "0.00")
    assert (yuan.shown(10**12), yuan.shown(1_234_500 * 10**12)) == ("7.10 CNY", "8,764,950.00 CNY")
    assert yuan.shown(10**10) == "0.0710 CNY"
    assert yuan.shown(-(10**12)) == "-7.10 CNY"
    assert yuan.rate_text == "7.10"


def test_there_is_none_unless_configured() -> None:
    assert currency_of("", "") is None


@given(st.integers(-(10**24), 10**24), st.decimals("0.000000001", 10**8, places=9))
def test_it_is_what_decimal_computes(pusd: int, rate: Decimal) -> None:
    found = currency_of("EUR", f"{rate:f}")
    assert found is not None
    with localcontext() as context:
        context.prec = 80
        assert Decimal(found.text(pusd)) == Decimal(usd_text(pusd)) * rate
