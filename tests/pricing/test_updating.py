"""Fetched prices add and raise; what falls waits for somebody who may lower limits."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme

from aikeys.errors import AikeysError, BadConfiguration, NetworkFailed, UsageError
from aikeys.pricing import book, download, reading, snapshot, updating
from aikeys.pricing.taking import fallen, taken
from aikeys.pricing.values import Price
from aikeys.providers import catalogue

NOON_US = 1_796_126_400_000_000  # 2026-12-01
CATALOGUE = catalogue.load()
Row = dict[str, Any]


def genai(**prices: Any) -> list[Row]:
    """A table of genai-prices with one model that we know, and one that is new."""
    known = {"input_mtok": 1.25, "cache_read_mtok": 0.125, "output_mtok": 10, "web_searches_kcount": 10, **prices}
    models = [
        {
            "id": "gpt-5",
            "match": {"equals": "gpt-5"},
            "prices": {key: value for key, value in known.items() if value is not None},
        },
        {"id": "brand-new-1", "match": {"equals": "brand-new-1"}, "prices": {"input_mtok": 3, "output_mtok": 0}},
    ]
    return [{"id": "openai", "models": models}]


def litellm(**more: Any) -> Row:
    entry = {"litellm_provider": "openai", "mode": "chat", "max_output_tokens": 128_000, "max_input_tokens": 400_000}
    return {"gpt-5": {**entry, "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, **more}}


class Tables(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, bytes]] = {}
    manner: ClassVar[str] = ""

    def do_GET(self) -> None:
        page = self.pages[self.path]
        self.send_response(302 if self.manner == "redirect" else 200)
        if self.manner == "redirect":
            self.send_header("Location", "https://localhost:1/elsewhere")
        if self.manner == "packed":
            self.send_header("Content-Encoding", "gzip")
        length = 2 * 1024**3 if self.manner == "2 GB" else len(page) + (self.manner == "cut")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(page)
            while self.manner == "2 GB":
                self.wfile.write(b" " * 65536)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[Row], Row], None]]:
    """Serve two tables over https with a CA of our own, in the place of the catalogue's addresses."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = HTTPServer(("127.0.0.1", 0), Tables)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "*")
    address = f"https://localhost:{server.server_port}"
    monkeypatch.setattr(
        catalogue, "price_tables", lambda *_: {"genai-prices": f"{address}/genai", "litellm": f"{address}/litellm"}
    )
    monkeypatch.setattr(Tables, "manner", "")

    def tables(one: list[Row], two: Row) -> None:
        monkeypatch.setattr(Tables, "pages", {"/genai": json.dumps(one).encode(), "/litellm": json.dumps(two).encode()})

    tables(genai(), litellm())
    yield tables
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(home: Path, date: str = "2026-12-02") -> updating.Offer:
    data, _ = download.published(catalogue.price_tables(), (), date)
    offered = updating.offer(str(home), CATALOGUE, data, "test", NOON_US)
    updating.keep(str(home), CATALOGUE, offered, "test", NOON_US)
    return offered


def gpt_5(home: Path) -> Price:
    found = book.Book(str(home), {}, {}, CATALOGUE).find("openai", "gpt-5")
    assert found is not None
    assert found.is_certain
    return found.price


def usd(price: Price, unit: str) -> float:
    rate = price.tariffs[-1].rates[unit]
    return rate.pusd / rate.per / 10**6


Served = Callable[[list[Row], Row], None]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


def test_a_newer_table_adds_and_raises(served: Served, home: Path) -> None:
    served(genai(output_mtok=20), litellm(max_output_tokens=200_000))
    offered = fetch(home)
    assert (offered.added, offered.raised) == (1, 1)
    price = gpt_5(home)
    assert (usd(price, "output"), usd(price, "input"), price.max_output) == (20, 1.25, 200_000)
    assert price.reference.startswith("openai/gpt-5@2026-12-02.")
    assert price.reference.endswith(":fetched")
    new = book.Book(str(home), {}, {}, CATALOGUE).find("openai", "brand-new-1")
    assert new is not None
    assert set(new.price.tariffs[0].rates) == {"input"}  # a zero of a table gives nothing away
    assert (home / snapshot.FETCHED).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("one", "two", "named"),
    [
        ({"output_mtok": 1}, {}, "output $10.00 → $1.00"),
        ({"input_mtok": 0}, {}, "input $1.25 → $0.00"),
        ({"cache_read_mtok": 0.01}, {}, "cache_read $0.125 → $0.01"),
        ({"output_reasoning_mtok": 1}, {}, "reasoning $10.00 → $1.00"),
        ({"web_searches_kcount": None}, {}, "web_searches $10.00 → gone"),
        ({"output_mtok": {"base": 10, "tiers": [{"start": 1, "price": 1}]}}, {}, "output $10.00 → $10.00/$1.00"),
        ({"output_mtok": None, "output_text_mtok": 10}, {}, "cache_read $0.125 → gone"),  # of another kind: left out
        ({}, {"max_output_tokens": 1}, "maximum output 128,000 → 1"),
        ({}, {"max_input_tokens": 1}, "context window 400,000 → 1"),
    ],
)
def test_what_falls_is_named_and_not_taken(served: Served, home: Path, one: Row, two: Row, named: str) -> None:
    before = gpt_5(home)
    served(genai(**one), litellm(**two))
    offered = fetch(home)
    assert named in "; ".join(str(each) for each in offered.falls if each.model == "openai/gpt-5")
    after = gpt_5(home)
    assert not fallen(before, after, NOON_US)
    updating.accept(str(home), offered)
    assert not (home / snapshot.FETCHED).exists()
    assert fallen(before, gpt_5(home), NOON_US)


def test_a_later_or_hourly_price_cannot_hide_a_fall() -> None:
    def price(**row: object) -> Price:
        return reading.price({"id": "m", "rates": {"input": 10, "output": 20}, **row}, "openai", "x", "y")

    for hidden in (
        {"later": [{"hours": ["00:01", "00:00"], "rates": {"input": 1, "output": 2}}]},
        {"later": [{"from": "2026-12-31", "rates": {"input": 1, "output": 2}}]},
        {"free": True},
        {"rates": {"input": 10, "output": 20, "reasoning": 1}},
    ):
        assert fallen(price(), price(**hidden), NOON_US)
        assert not fallen(price(), taken(price(), price(**hidden), NOON_US), NOON_US)
        assert not taken(price(), price(**hidden), NOON_US).free
    served = {"variants": [{"when": {"service_tier": "priority"}, "rates": {"input": 1}}], "residency": {"us": 1}}
    assert taken(price(), price(**served), NOON_US) == price()  # ways and regions it had not


def test_a_new_row_for_a_version_of_a_known_family_is_not_cheaper_than_the_family(served: Served, home: Path) -> None:
    name = "gpt-5-2026-11-30"
    table = genai()
    table[0]["models"].append({"id": name, "match": {"equals": name}, "prices": {"input_mtok": 0.1, "output_mtok": 1}})
    served(table, litellm())
    before = book.Book(str(home), {}, {}, CATALOGUE).find("openai", name)
    fetch(home)
    after = book.Book(str(home), {}, {}, CATALOGUE).find("openai", name)
    assert before is not None
    assert after is not None
    assert after.is_pin
    assert not fallen(before.price, after.price, NOON_US)


def test_what_an_earlier_fetch_raised_does_not_fall_by_a_later_one(served: Served, home: Path) -> None:
    served(genai(output_mtok=20), litellm())
    fetch(home)
    served(genai(output_mtok=15), litellm())
    later = fetch(home, "2026-12-03")
    assert "output $20.00 → $15.00" in str(later.falls)
    assert usd(gpt_5(home), "output") == 20
    served([{"id": "openai", "models": genai()[0]["models"][1:]}], {})
    fetch(home, "2026-12-04")
    assert usd(gpt_5(home), "output") == 20
    data, source = updating.waiting(str(home))
    assert source == "test"
    assert b"held" not in data


def test_rows_of_an_unknown_kind_are_left_out_and_named(served: Served, home: Path) -> None:
    table = genai()
    table[0]["models"].append({"id": "odd", "match": {"sounds_like": "odd"}, "prices": {"input_mtok": 1}})
    table[0]["models"].append({"id": "odder", "match": {"equals": "odder"}, "prices": {"input_moons": 1}})
    table[0]["models"].append("no model")
    served(table, {**litellm(), "gpt-6": 7, "beta": {"litellm_provider": ["x"], "mode": "chat"}})
    data, left_out = download.published(catalogue.price_tables(), (), "2026-12-02")
    assert left_out == ("openai/odd", "openai/odder", "openai/no model")
    kept, _ = snapshot.check(data, "test")
    assert "reported" not in str(kept.lines)  # meters, betas and free fields are not a part of a book
    assert not (home / snapshot.FETCHED).exists()


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        ("redirect", NetworkFailed),
        ("cut", NetworkFailed),
        ("packed", NetworkFailed),
        ("2 GB", BadConfiguration),
    ],
)
def test_a_bad_download_changes_nothing(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch, manner: str, failure: type[AikeysError]
) -> None:
    served(genai(output_mtok=20), litellm())
    fetch(home)
    before = (home / snapshot.FETCHED).read_bytes()
    monkeypatch.setattr(Tables, "manner", manner)
    with pytest.raises(failure):
        fetch(home)
    assert (home / snapshot.FETCHED).read_bytes() == before


@pytest.mark.parametrize("page", [b"", b"[]", b"nonsense", b"[" * 100_000, b'[{"id": NaN}]', b'{"id": 1}'])
def test_a_page_that_is_no_table_changes_nothing(
    served: Served, home: Path, monkeypatch: pytest.MonkeyPatch, page: bytes
) -> None:
    del served
    monkeypatch.setattr(Tables, "pages", {"/genai": page, "/litellm": page})
    with pytest.raises(BadConfiguration):
        fetch(home)
    assert not (home / snapshot.FETCHED).exists()


def test_only_an_address_of_config_toml_may_be_plain_http() -> None:
    addresses = {"genai-prices": "http://127.0.0.1:9/a", "litellm": "http://127.0.0.1:9/b"}
    with pytest.raises(UsageError):
        download.published(addresses, (), "2026-12-02")
    with pytest.raises(NetworkFailed):  # nobody is there
        download.published(addresses, tuple(addresses), "2026-12-02")
    with pytest.raises(UsageError):
        download.published({"genai-prices": "http://example.com/a"}, ("genai-prices",), "2026-12-02")


def test_the_catalogue_s_addresses_are_https() -> None:
    assert all(address.startswith("https://") for address in catalogue.price_tables().values())
    assert set(catalogue.price_tables()) == {"genai-prices", "litellm"}


def test_fetched_prices_that_are_older_than_the_bundled_ones_count_for_nothing(served: Served, home: Path) -> None:
    served(genai(output_mtok=20), litellm())
    fetch(home, "2026-01-01")
    assert usd(gpt_5(home), "output") == 10


def test_a_new_row_is_not_cheaper_than_what_a_provider_falls_back_to(served: Served, home: Path) -> None:
    known = book.Book("", {}, {}, CATALOGUE)
    listed = known.names("azure-openai")
    model = next(each for each in known.models("openai") if each.startswith("gpt-") and each not in listed)
    before = known.find("azure-openai", model, is_reply=True)
    row = {"id": model, "match": {"equals": model}, "prices": {"input_mtok": 0.001, "output_mtok": 0.001}}
    served([*genai(), {"id": "azure", "models": [row]}], litellm())
    fetch(home)
    after = book.Book(str(home), {}, {}, CATALOGUE).find("azure-openai", model, is_reply=True)
    assert before is not None
    assert before.is_certain
    assert after is not None
    assert not fallen(before.price, after.price, NOON_US)
