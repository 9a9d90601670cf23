"""Who is believed about a price, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from aikeys import config
from aikeys.errors import BadConfiguration, Damaged
from aikeys.pricing import book, snapshot
from aikeys.pricing.cost import cost
from aikeys.pricing.values import Price
from aikeys.providers import catalogue
from aikeys.providers.usage import Usage

M = 1_000_000
CATALOGUE = catalogue.load()


def made(tmp_path: Path, prices: str = "", **more: object) -> book.Book:
    (tmp_path / "config.toml").write_text(prices, encoding="utf-8")
    settings = config.load(str(tmp_path))
    return book.Book(str(tmp_path), settings.prices, settings.aliases, {**CATALOGUE, **more})  # type: ignore[dict-item]


def line(provider: str, date: str = "2099-01-01", **row: object) -> str:
    document = {"schema": "aikeys.prices/1", "provider": provider, "date": date, "models": [{"id": "gpt-5", **row}]}
    return json.dumps(document, separators=(",", ":"))


def keep(home: Path, *lines: str, date: str = "2099-01-01") -> None:
    data = snapshot.packed(date, lines)
    snapshot.check(data, "test")
    snapshot.store(str(home), data)


def price(found: book.FoundPrice | None) -> Price:
    assert found is not None
    return found.price


def of_input(found: book.FoundPrice | None) -> int:
    return cost(price(found), Usage(input=1), at_us=0).cost_pusd


OWN = '[prices."openai/gpt-5"]\ninput = 2\noutput = "3.5"\n'


def test_the_bundled_price_is_believed_without_another(tmp_path: Path) -> None:
    found = made(tmp_path).find("openai", "gpt-5")
    assert price(found).reference == f"openai/gpt-5@{price(found).version}:bundled"
    assert of_input(found) == 1_250_000


def test_the_updated_price_comes_before_the_bundled(tmp_path: Path) -> None:
    keep(tmp_path, line("openai", rates={"input": 7}))
    found = made(tmp_path).find("openai", "gpt-5")
    assert (price(found).source, of_input(found)) == ("updated", 7 * M)


def test_the_price_of_the_user_comes_first(tmp_path: Path) -> None:
    keep(tmp_path, line("openai", rates={"input": 7}))
    found = made(tmp_path, OWN).find("openai", "gpt-5")
    assert (price(found).source, of_input(found)) == ("config", 2 * M)
    assert cost(price(found), Usage(output=2), at_us=0).cost_pusd == 7 * M


def test_a_price_of_the_user_keeps_the_known_limits(tmp_path: Path) -> None:
    assert price(made(tmp_path, OWN).find("openai", "gpt-5")).context_window == 400_000
    given = made(tmp_path, OWN + "context_window = 5\n").find("openai", "gpt-5")
    assert (price(given).context_window, price(given).max_output) == (5, 128_000)


def test_a_price_of_the_user_can_have_a_tier(tmp_path: Path) -> None:
    found = made(tmp_path, '[prices."openai/x"]\ninput = [1.25, 200000, "2.5"]\n').find("openai", "x")
    assert price(found).tariffs[0].rates["input"].at(200_001) == (2_500_000, 1)
    assert of_input(found) == 1_250_000


def test_what_an_update_lacks_is_bundled(tmp_path: Path) -> None:
    keep(tmp_path, line("openai", rates={"input": 7}))
    assert price(made(tmp_path).find("openai", "gpt-4.1")).source == "bundled"
    assert price(made(tmp_path).find("anthropic", "claude-opus-4-1")).source == "bundled"


def test_an_update_older_than_the_bundled_prices_stands_behind_them(tmp_path: Path) -> None:
    keep(tmp_path, line("openai", date="2020-01-01", rates={"input": 7}), date="2020-01-01")
    made_book = made(tmp_path)
    assert price(made_book.find("openai", "gpt-5")).source == "bundled"
    assert [state.in_use for state in made_book.states()] == [False, True]


def test_a_changed_price_of_the_user_changes_its_reference(tmp_path: Path) -> None:
    first = price(made(tmp_path, OWN).find("openai", "gpt-5")).reference
    second = price(made(tmp_path, OWN.replace("2", "4")).find("openai", "gpt-5")).reference
    assert first != second
    assert first.startswith("openai/gpt-5@")
    assert first.endswith(":config")


def test_prices_of_the_user_are_exact(tmp_path: Path) -> None:
    text = '[prices."openai/x"]\ninput = 0.1\noutput = 1.30\ncache_read = "0.0125"\nper_request = 0.005\nweb_search = 1e-2\n'
    found = made(tmp_path, text).find("openai", "x")
    assert of_input(found) == 100_000 + 5_000_000_000
    usage = Usage(input=1, cache_read=1, output=1, other=(("web_searches", 2),))
    assert cost(price(found), usage, at_us=0).cost_pusd == 12_500 + 1_300_000 + 5_000_000_000 + 20_000_000_000


def test_a_price_of_zero_by_the_user_is_free(tmp_path: Path) -> None:
    priced = cost(
        price(made(tmp_path, '[prices."openai/x"]\ninput = 0\noutput = 0.0\n').find("openai", "x")),
        Usage(input=5, output=5),
        at_us=0,
    )
    assert (priced.cost_pusd, priced.is_complete) == (0, True)


def test_a_whole_provider_can_be_priced(tmp_path: Path) -> None:
    text = '[prices."nvidia/*"]\ninput = 1\n[prices."nvidia/m"]\ninput = 2\n'
    assert of_input(made(tmp_path, text).find("nvidia", "other")) == M
    assert of_input(made(tmp_path, text).find("nvidia", "M")) == 2 * M


def test_a_deployment_can_cost_like_a_model(tmp_path: Path) -> None:
    found = made(tmp_path, '[prices."azure/our-gpt"]\nlike = "openai/gpt-5"\n').find("azure-openai", "our-gpt")
    assert price(found).model == "gpt-5"


@pytest.mark.parametrize("name", ["ollama", "llama-cpp", "lmstudio", "vllm"])
def test_what_people_run_themselves_is_free_where_the_key_sends_to_this_machine(tmp_path: Path, name: str) -> None:
    known = made(tmp_path)
    for url in ("http://127.0.0.1:1/v1", "http://localhost:1/v1", "https://[::1]/v1", "http://127.8.9.1"):
        assert price(known.find(name, "m", url)).free, url
    for url in (
        "",
        "https://ollama.com/v1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
    ):
        assert known.find(name, "m", url) is None, url


def test_no_other_provider_is_free_at_an_address_of_this_machine(tmp_path: Path) -> None:
    known = made(tmp_path, mine=catalogue.Provider("mine", "Mine", "openai", "http://127.0.0.1:8000/v1", ("X",)))
    for name in [*(each for each in CATALOGUE if not CATALOGUE[each].local), "mine"]:
        found = known.find(name, "some-model", "http://127.0.0.1:8000/v1")
        assert found is None or not found.price.free, name


def test_a_model_that_ollama_hands_on_to_its_makers_is_not_free(tmp_path: Path) -> None:
    assert made(tmp_path).find("ollama", "gpt-oss:120b-cloud", "http://127.0.0.1:11434/v1") is None
    assert made(tmp_path).find("ollama", "glm-4.6:cloud", "http://127.0.0.1:11434/v1") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[prices."openai/x"]\ninput = nan\n', "input"),
        ('[prices."openai/x"]\ninput = inf\n', "input"),
        ('[prices."openai/x"]\noutput = -1\n', "output"),
        ('[prices."openai/x"]\noutput = "-0.5"\n', "output"),
        ('[prices."openai/x"]\ninput = "a lot"\n', "input"),
        ('[prices."openai/x"]\ninput = true\n', "input"),
        ('[prices."openai/x"]\ninput = 1e400\n', "input"),
        ('[prices."openai/x"]\ninput = 1e999999999\n', "input"),
        ('[prices."openai/x"]\ninput = 1e-31\n', "input"),
        ('[prices."openai/x"]\ninput = [1, 2]\n', "input"),
        ('[prices."openai/x"]\nimput = 1\n', "imput"),
        ('[prices."openai/x"]\n', "openai/x"),
        ('[prices."openai/x"]\ncontext_window = 5\n', "openai/x"),
        ('[prices."openai/x"]\ninput = 1\nlike = "openai/gpt-5"\n', "openai/x"),
        ('[prices."openai/x"]\ninput = 1\nmax_output = 1.5\n', "max_output"),
        ("[prices.gpt-5]\ninput = 1\n", "gpt-5"),
        ('[prices."opnai/x"]\ninput = 1\n', "opnai"),
        ('[prices]\n"openai/x" = 1\n', "openai/x"),
        ("[aliases]\nfast = 1\n", "fast"),
    ],
)
def test_a_wrong_price_is_refused_by_its_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        made(tmp_path, text)
    assert named in caught.value.message
    assert caught.value.hint


def test_a_misspelled_setting_or_provider_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration) as field:
        made(tmp_path, '[prices."openai/x"]\ncache_raed = 1\n')
    assert field.value.hint == "did you mean cache_read?"
    with pytest.raises(BadConfiguration) as provider:
        made(tmp_path, '[prices."opnai/x"]\ninput = 1\n')
    assert "openai" in provider.value.hint


def test_numbers_of_config_toml_never_become_floats(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[prices."openai/x"]\ninput = 0.1\n', encoding="utf-8")
    assert config.load(str(tmp_path)).prices["openai/x"]["input"] == Decimal("0.1")


def test_a_kept_book_is_private_and_whole(tmp_path: Path) -> None:
    keep(tmp_path, line("openai", rates={"input": 7}))
    path = tmp_path / snapshot.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [snapshot.FILE]


@pytest.mark.parametrize("position", [0, 60, 150, -2])
def test_a_kept_book_with_another_byte_is_damaged(tmp_path: Path, position: int) -> None:
    keep(tmp_path, line("openai", rates={"input": 7}))
    path = tmp_path / snapshot.FILE
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged):
        made(tmp_path).find("openai", "gpt-5")


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"rates": {"input": -1}}, "rates.input"),
        ({"rates": {"inptu": 1}}, "rates.inptu"),
        ({"rates": {"input": "NaN"}}, "rates.input"),
        ({"rates": {"input": True}}, "rates.input"),
        ({"rates": {"input": None}}, "rates.input"),
        ({"rates": {"input": 10**15}}, "rates.input"),
        ({"rates": {"input": [1, 5]}}, "rates.input"),
        ({"rates": {"input": [1, 5, 2, 5, 3]}}, "rates.input"),
        ({"rates": {"input": [1, -5, 2]}}, "rates.input"),
        ({"rates": []}, "rates"),
        ({"colour": "red"}, "colour"),
        ({"source": "a friend"}, "source"),
        ({"context": "many"}, "context"),
        ({"names": "gpt"}, "names"),
        ({"names": ["\x1b"]}, "names"),
        ({"later": [{"from": "soon", "rates": {}}]}, "later.from"),
        ({"later": [{"from": "2026-13-01", "rates": {}}]}, "later.from"),
        ({"later": [{"hours": ["25:00", "01:00"], "rates": {}}]}, "later.hours"),
        ({"later": [{"hours": ["01:00"], "rates": {}}]}, "later.hours"),
        ({"later": [{"until": 1}]}, "later.until"),
        ({"variants": [{"rates": {}}]}, "variants.when"),
        ({"variants": [5]}, "variants"),
        ({"minimums": {"audio_seconds": "x"}}, "minimums"),
    ],
)
def test_a_price_book_with_a_wrong_field_is_refused_by_its_name(row: dict[str, object], named: str) -> None:
    with pytest.raises(BadConfiguration, match=named) as caught:
        snapshot.check(snapshot.packed("2026-11-23", [line("openai", **row)]), "it")
    assert "openai/gpt-5" in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff\n",
        b"[]\n",
        b'{"schema":"other/1"}\n',
        b"[" * 100_000,
        b'{"schema":"aikeys.price-book/1","date":"today"}\n',
    ],
)
def test_what_is_no_price_book_is_refused(data: bytes) -> None:
    with pytest.raises(BadConfiguration):
        snapshot.check(data, "it")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "NaN", line("../etc"), line("openai").replace("[{", "[[{").replace("}]", "}]]"), line("openai")[:-1]],
)
def test_a_price_book_with_a_wrong_line_is_refused(text: str) -> None:
    with pytest.raises(BadConfiguration):
        snapshot.check(snapshot.packed("2026-11-23", [text]), "it")


def test_a_price_book_of_another_digest_is_damaged() -> None:
    data = snapshot.packed("2026-11-23", [line("openai", rates={"input": 1})])
    with pytest.raises(Damaged):
        snapshot.check(data.replace(b'"input":1', b'"input":2'), "it")


def test_the_bundled_prices_pass_the_checks_of_an_update() -> None:
    lines = []
    for provider in book.bundled_providers():
        text = Path(book._DATA, f"{provider}.json").read_text(encoding="utf-8")
        lines.append("".join(text.splitlines()).replace('": ', '":').replace(", ", ","))
    bodies = [json.dumps(json.loads(each), separators=(",", ":")) for each in lines]
    _, models = snapshot.check(snapshot.packed("2026-11-23", bodies), "it")
    assert models > 3000


def test_one_provider_s_file_is_read_for_one_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = book._bundled
    monkeypatch.setattr(book, "_bundled", lambda provider: opened.append(provider) or real(provider))
    made_book = made(tmp_path)
    made_book.find("anthropic", "claude-opus-4-1")
    made_book.find("anthropic", "claude-opus-4-5")
    assert opened == ["anthropic"]
