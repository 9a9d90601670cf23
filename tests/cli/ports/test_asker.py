"""A prompt is answered alike with a key of this vault and by a gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aikeys.cli.ports.asker import AskedPrompt, AskerPort
from aikeys.cli.ports.asker_here import AskerHere
from aikeys.cli.ports.asker_there import AskerThere
from aikeys.cli.prompts.request import PromptInput
from aikeys.errors import AikeysError, ProviderRefused, UsageError
from tests.cli.ports.conftest import Both, Pick

MODEL = "openai/gpt-4.1"


def asked(text: str, *models: str, is_held: bool = False, limit_pusd: int | None = None, **typed: Any) -> AskedPrompt:
    what = PromptInput(text, "", (), (), "", tuple(typed.get("options", ())), typed.get("max_tokens"), no_stdin=True)
    return AskedPrompt(what, models or (MODEL,), {}, (), is_held, limit_pusd)


class TestAskerContract:
    @pytest.fixture
    def asker(self, pick: Pick) -> AskerPort:
        return pick(AskerHere, AskerThere)

    def test_a_reply_is_shown_as_it_comes_and_stands_in_the_ledger(
        self, asker: AskerPort, both: Both, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = len(both.house.entries())
        asker.ask(asked("Say hello [[p=50 c=7 n=3]]"), as_json=False, usage=True)
        told = capfd.readouterr()
        assert told.out == "w0 w1 w2 \n"
        assert f"{MODEL}: 50 in 7 out; " in told.err
        (entry,) = both.house.entries()[before:]
        assert entry.cost_pusd == 156_000_000

    def test_a_reply_as_json_has_the_same_fields(self, asker: AskerPort, capfd: pytest.CaptureFixture[str]) -> None:
        asker.ask(asked("Say hello [[p=50 c=7]]", is_held=True), as_json=True, usage=False)
        told = json.loads(capfd.readouterr().out)
        assert (told["schema"], told["text"], told["cost_usd"]) == ("aikeys.prompt/1", "Hello", "0.000156")
        assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (50, 7)
        assert told["error"] is None

    def test_several_models_are_shown_in_order(self, asker: AskerPort, capfd: pytest.CaptureFixture[str]) -> None:
        asker.ask(asked("Hello [[n=2]]", MODEL, "openai/gpt-4.1-mini"), as_json=False, usage=False)
        lines = [line for line in capfd.readouterr().out.splitlines() if line]
        assert lines == [f"== {MODEL} ==", "w0 w1 ", "== openai/gpt-4.1-mini ==", "w0 w1 "]

    def test_a_provider_that_fails_is_told_as_such(self, asker: AskerPort) -> None:
        with pytest.raises(AikeysError) as failed:
            asker.ask(asked("Hi [[status=500]]"), as_json=False, usage=False)
        assert failed.value.exit_status == ProviderRefused.exit_status

    def test_a_model_that_there_is_not_is_refused_before_anything_is_sent(self, asker: AskerPort, both: Both) -> None:
        count = len(both.house.provider.served)
        with pytest.raises(AikeysError) as refused:
            asker.ask(asked("Hi", "openai-nothing"), as_json=False, usage=False)
        assert refused.value.exit_status == 2
        assert len(both.house.provider.served) == count

    def test_a_plan_is_shown_without_a_secret_and_sends_nothing(self, asker: AskerPort, both: Both) -> None:
        count = len(both.house.provider.served)
        (request,) = json.loads(asker.planned(asked("Hello", max_tokens=9), as_json=True))["requests"]
        assert request["body"]["messages"][-1]["content"] == "Hello"
        assert request["max_tokens"] == 9
        text = asker.planned(asked("Hello"), as_json=False)
        assert text.startswith("POST http")
        assert "‹secret›" in text
        assert both.token.text not in text
        assert len(both.house.provider.served) == count

    def test_no_model_at_all_is_asked_for(self, asker: AskerPort) -> None:
        with pytest.raises(UsageError, match="which model"):
            asker.ask(asked("Hi")._replace(models=()), as_json=False, usage=False)


def test_a_plan_has_the_same_fields_in_both_places(both: Both, at_home: None) -> None:
    plans = [port.planned(asked("Hello"), as_json=True) for port in (AskerHere(), AskerThere(both.gateway))]
    here, there = (json.loads(plan)["requests"][0] for plan in plans)
    assert set(here) == set(there)


def test_a_limit_for_one_prompt_holds_here_and_is_taken_by_no_gateway(both: Both, at_home: None) -> None:
    count = len(both.house.provider.served)
    with pytest.raises(AikeysError):
        AskerHere().ask(asked("Hi", limit_pusd=1), as_json=False, usage=False)
    there = AskerThere(both.gateway)
    with pytest.raises(UsageError, match="a gateway takes no --max-cost"):
        there.ask(asked("Hi", limit_pusd=10**12), as_json=False, usage=False)
    with pytest.raises(UsageError, match="a gateway takes no --max-cost"):
        there.planned(asked("Hi", limit_pusd=10**12), as_json=True)
    assert len(both.house.provider.served) == count
