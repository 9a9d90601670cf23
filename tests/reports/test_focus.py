"""The FOCUS rows, column by column against version 1.2 of the specification."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from aikeys.ledger.calls import BILLED
from aikeys.ledger.ranges import RangeWords
from aikeys.providers.usage import Usage
from aikeys.reports import asking
from aikeys.reports.asking import ReportRequest
from aikeys.reports.focus import COLUMNS, MANDATORY, shared
from tests.reports.conftest import NOW_US, OCTOBER, OPENAI, ROUTER, Make, call
from tests.reports.test_totals import exact, sum_of_billed

OCT = ReportRequest("cost", (), typed=RangeWords(month="2026-10"))
TITLES = {"openai": "OpenAI", "anthropic": "Anthropic", "openrouter": "OpenRouter", "meta": "Meta"}
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
NUMBER = r"-?\d+(\.\d+)?"
TEXT = r"\S.*"
SPECIFIED = {  # column: what it may be, and whether it may be empty (FOCUS 1.2, mandatory columns first)
    "BilledCost": (NUMBER, False),
    "BillingAccountId": (TEXT, False),
    "BillingAccountName": (TEXT, True),
    "BillingCurrency": ("USD", False),
    "BillingPeriodEnd": (INSTANT, False),
    "BillingPeriodStart": (INSTANT, False),
    "ChargeCategory": ("Usage", False),
    "ChargeClass": ("Correction", True),
    "ChargeDescription": (TEXT, True),
    "ChargePeriodEnd": (INSTANT, False),
    "ChargePeriodStart": (INSTANT, False),
    "ContractedCost": (NUMBER, False),
    "EffectiveCost": (NUMBER, False),
    "InvoiceIssuerName": (TEXT, False),
    "ListCost": (NUMBER, False),
    "PricingQuantity": (NUMBER, True),
    "PricingUnit": (r"(\d+ )?[A-Z][a-z]+", True),
    "ProviderName": (TEXT, False),
    "PublisherName": (TEXT, False),
    "ServiceCategory": ("AI and Machine Learning", False),
    "ServiceName": (TEXT, False),
    "ChargeFrequency": ("Usage-Based", False),
    "ServiceSubcategory": ("Generative AI", False),
    "SubAccountId": (TEXT, True),
    "SubAccountName": (TEXT, True),
    "SkuId": (TEXT, True),
    "SkuPriceId": (TEXT, True),
    "SkuMeter": (TEXT, True),
    "ConsumedQuantity": (NUMBER, True),
    "ConsumedUnit": (r"[A-Z][a-z]+", True),
    "PricingCategory": ("Standard", True),
    "ListUnitPrice": (NUMBER, True),
    "ContractedUnitPrice": (NUMBER, True),
    "ResourceId": (TEXT, True),
    "ResourceName": (TEXT, True),
    "ResourceType": ("Model", True),
    "Tags": (r"\{.*\}", False),
}


@pytest.fixture
def rows(make_ledger: Make) -> list[dict[str, str | None]]:
    return [*asking.focus_rows(make_ledger(tags=["client"]), OCT, NOW_US, TITLES)]


def test_all_21_mandatory_columns_of_1_2_are_there_and_the_others_are_known_or_custom() -> None:
    assert len(MANDATORY) == 21
    assert [*SPECIFIED][:21] == [*MANDATORY]
    assert len({*COLUMNS}) == len(COLUMNS)
    assert {name for name in COLUMNS if not name.startswith("x_")} == {*SPECIFIED}


def test_every_cell_is_what_its_column_allows(rows: list[dict[str, str | None]]) -> None:
    assert rows
    for row in rows:
        assert tuple(row) == COLUMNS
        for name, (allowed, may_be_empty) in SPECIFIED.items():
            cell = row[name]
            assert may_be_empty if cell is None else re.fullmatch(allowed, cell), (name, cell)
        assert isinstance(json.loads(row["Tags"] or ""), dict)


def test_a_row_agrees_with_itself(rows: list[dict[str, str | None]]) -> None:
    for row in rows:
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]  # type: ignore[operator]
        priced = {
            name: row[name] for name in row if name.startswith(("Pricing", "Consumed")) or name.endswith("UnitPrice")
        }
        assert len({value is None for value in priced.values()}) == 1, priced
        assert (row["SkuPriceId"] is None) == (row["PricingUnit"] is None)
        if row["PricingQuantity"] and row["ListUnitPrice"]:
            assert Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"]) == Decimal(row["ListCost"] or "")
            assert row["x_ConsumedTokens"] is None


def test_billed_cost_adds_up_to_the_report(make_ledger: Make) -> None:
    ledger = make_ledger()
    total = asking.report(ledger, OCT._replace(by=("team",)), NOW_US).total
    rows = [*asking.focus_rows(ledger, OCT, NOW_US, TITLES)]
    assert sum_of_billed(rows) == total.cost_pusd
    assert sum(int(row["x_Requests"] or "") for row in rows) == total.requests


def test_one_row_a_day_model_key_and_token_class(rows: list[dict[str, str | None]]) -> None:
    first = [row for row in rows if row["ChargePeriodStart"] == "2026-09-30T22:00:00Z"]
    assert {row["SkuMeter"]: (row["ConsumedQuantity"], row["BilledCost"]) for row in first} == {
        "Input Tokens": ("800", "0.001"),
        "Cached Input Tokens": ("200", "0.000025"),
        "Output Tokens": ("400", "0.004"),
        "Reasoning Tokens": ("100", "0.001"),
    }
    row = first[1]
    assert (row["SkuId"], row["SubAccountName"], row["ServiceName"]) == ("openai:gpt-5", "openai", "OpenAI API")
    assert (row["PricingUnit"], row["ListUnitPrice"]) == ("1000000 Tokens", "1.25")
    assert json.loads(row["Tags"] or "") == {
        "team": "support", "project": "bot", "environment": "prod", "client": "acme",
    }  # fmt: skip


def test_what_a_provider_billed_stands_beside_the_list_cost(rows: list[dict[str, str | None]]) -> None:
    billed = [row for row in rows if row["x_CostStatus"] == "billed"]
    assert sum_of_billed(billed) == 31 * 10**9
    assert sum(exact(row["ListCost"] or "") for row in billed) == 25_800_000_000
    assert {row["ListCost"] == row["ContractedCost"] == row["EffectiveCost"] for row in billed} == {True}


def test_without_a_price_pricing_columns_are_empty_and_the_tokens_are_still_there(
    rows: list[dict[str, str | None]],
) -> None:
    unpriced = [row for row in rows if row["x_CostStatus"] == "unpriced"]
    assert {row["SkuMeter"]: row["x_ConsumedTokens"] for row in unpriced} == {
        "Input Tokens": "700",
        "Output Tokens": "300",
    }
    assert {(row["ProviderName"], row["PublisherName"]) for row in unpriced} == {("OpenRouter", "Meta")}


def test_a_correction_is_a_row_of_its_own(rows: list[dict[str, str | None]]) -> None:
    corrections = [row for row in rows if row["ChargeClass"]]
    assert [(row["BilledCost"], row["x_Requests"]) for row in corrections] == [("-4.00", "0")]


def test_another_rate_is_another_row_and_a_billed_call_without_a_price_keeps_its_cost(make_ledger: Make) -> None:
    dearer = OPENAI._replace(price=OPENAI.price.replace("input=1250000", "input=2500000"))
    calls = [
        call("2026-10-05T10:00", OPENAI, Usage(1000), 1_250_000_000),
        call("2026-10-05T11:00", OPENAI, Usage(3000), 3_750_000_000),
        call("2026-10-05T12:00", dearer, Usage(1000), 2_500_000_000),
        call("2026-10-05T13:00", ROUTER, Usage(10, output=5), 77, cost_source=BILLED),
    ]
    rows = [*asking.focus_rows(make_ledger(calls), OCT, NOW_US, TITLES)]
    assert sum(int(row["x_Requests"] or "") for row in rows) == 4
    assert [(row["ConsumedQuantity"], row["ListUnitPrice"], row["x_ConsumedTokens"], row["BilledCost"]) for row in rows] == [
        ("4000", "1.25", None, "0.005"), ("1000", "2.5", None, "0.0025"),
        (None, None, None, "0.000000000077"), (None, None, "10", "0.00"), (None, None, "5", "0.00"),
    ]  # fmt: skip


@pytest.mark.parametrize(("cost", "weights"), [(10, [1, 1, 1]), (-7, [2, 3]), (5, [0, 0]), (0, [4, 5]), (3, [0, 9])])
def test_shares_add_up_exactly(cost: int, weights: list[int]) -> None:
    assert sum(shared(cost, weights)) == (cost if any(weights) else 0)


def test_the_sample_has_every_kind_of_row() -> None:
    assert len({each.cost_source for each in OCTOBER}) == 5
    assert any(each.corrects for each in OCTOBER)
