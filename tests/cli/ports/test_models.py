"""Models are the same, asked on their own machine or through a gateway."""

from __future__ import annotations

import pytest

from aikeys.cli.ports.models import ModelList, ModelsHere, ModelsPort, ModelsThere
from aikeys.errors import UsageError
from aikeys.pricing.listing import FIELDS
from tests.cli.ports.conftest import Both, Pick


class TestModelsContract:
    @pytest.fixture
    def models(self, pick: Pick) -> ModelsPort:
        return pick(ModelsHere, ModelsThere)

    def test_a_model_has_its_price_its_aliases_and_the_keys_that_reach_it(self, models: ModelsPort) -> None:
        rows = models.found("openai/gpt-4.1", everything=False).rows
        row = next(row for row in rows if row["model"] == "openai/gpt-4.1")
        assert set(row) == set(FIELDS)
        assert (row["input_usd_per_million"], row["keys"]) == ("2.00", ["openai"])
        assert "gpt-4.1" in str(row["aliases"])

    def test_only_what_a_key_reaches_is_listed_by_itself(self, models: ModelsPort) -> None:
        rows = models.found("", everything=False).rows
        assert {str(row["model"]).partition("/")[0] for row in rows} == {"openai"}

    def test_a_part_that_no_model_has_finds_nothing(self, models: ModelsPort) -> None:
        assert models.found("no-such-model", everything=False).rows == []


def test_both_places_list_the_same(both: Both, at_home: None) -> None:
    assert (
        ModelsHere().found("gpt", everything=False).rows
        == ModelsThere(both.gateway).found("gpt", everything=False).rows
    )


def test_what_no_key_reaches_is_listed_on_request_here_and_by_no_gateway(both: Both, at_home: None) -> None:
    found = ModelsHere().found("claude", everything=True)
    assert found.rows
    assert not found.is_narrowed
    assert ModelsHere().found("claude", everything=False) == ModelList([], is_narrowed=True)
    with pytest.raises(UsageError, match="--all has no meaning at a gateway"):
        ModelsThere(both.gateway).found("claude", everything=True)
