"""`aikeys prices`: what models cost, who says so, and newer prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aikeys.ledger.store import Act, Ledger
    from aikeys.pricing.book import Book
    from aikeys.pricing.found import FoundPrice
    from aikeys.pricing.names import Name
    from aikeys.pricing.updating import Offer
    from aikeys.pricing.values import Price, Rate, Tariff
    from aikeys.providers.catalogue import Provider

app = new_app()
_MATCHES = {
    "exact": "exact",
    "pin": "a version that is not listed: the highest rates of its family, as a bound",
    "fuzzy": "fuzzy: no price under a blocking budget",
}
_STATUS = (("aikeys prices status", "where prices come from, and how old they are"),)
_SHOW = (
    ("aikeys prices show openai/gpt-5", "its price for every unit"),
    ("aikeys prices show claude --json", "the same for programs, by an alias"),
)
_MOST_SHOWN = 20
_MOST_KEPT = 2000
_UPDATE = (
    ("aikeys prices update", "the published tables of genai-prices and LiteLLM"),
    ("aikeys prices update --accept", "also what falls, as it was listed"),
    ("aikeys prices update --from prices.jsonl", "a file somebody fetched or made"),
    ("aikeys prices update --from https://example.com/prices.jsonl", "an address of your own"),
)
_SHOW_NOTES = """
Your own prices come first. They are set in config.toml, in USD for a million tokens (per_request, web_search and so on:
for one), for a model or for all of a provider:

\b
  [prices."openai/gpt-5"]
  input = 1.25
  cache_read = 0.125
  output = 10

\b
  [prices."azure-openai/our-deployment"]
  like = "openai/gpt-5"

A deployment of Azure is a name that somebody chose: under a blocking budget it needs such a line. A model's version by
date or number that the price book does not list (gpt-5-2026-11-30) is bounded by the most expensive of its family.

Free is what you price at zero, and ollama, llama-cpp, lmstudio and vllm where the key sends to this machine; any other
provider at an address of this machine may be a tunnel to one that is paid, and needs a price. Models that Ollama hands
on to its makers (NAME:cloud) are not free.

A reply may report a number that aikeys does not know. Its call is unpriced then: the cost is a lower bound, and aikeys
log names the field. config.toml can say what such a field is: free, part of a number that is known, or a fee.

\b
  [reported.openai]
  free = ["usage.queue_time"]
  part_of = ["usage.text_tokens"]
  fee = { "usage.searches" = "web_searches" }
"""
_UPDATE_NOTES = """
Only this command fetches prices, and only when it is run: https, no redirect, at most 16 MiB a table. Offline it is 31,
and the prices so far stay. config.toml may name other addresses, on this machine also with http:

\b
  [price_tables]
  genai-prices = "https://example.com/data.json"
  litellm = "https://example.com/model_prices.json"

A price book given with --from is checked as a whole (schema, sha256, every price). Ways of serving and regions that a
model had not, and prices of zero, are not taken without --accept. A call costs what the book said that it was reserved
with, and its entry names it. A running gateway takes new prices within a minute. Kept prices never expire by age; those
of a newer aikeys come first when they are younger.
"""


@app.callback(epilog=epilog(_SHOW[:1], (3, 10, 11, 12, 13, 14, 20, 21, 31)))
def prices() -> None:
    """Show and update the prices of models."""


@app.command(epilog=epilog(_STATUS, (0, 13, 14)))
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show where prices come from, the most trusted source first."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    sources = _book().states()
    if as_json:
        rows = [{**each._asdict(), "date": each.date or None} for each in sources]
        terminal.out(document("aikeys.prices-status/1", sources=rows))
        return
    lines = [
        [each.source, each.date or "-", str(each.providers), str(each.models), "" if each.in_use else "older: behind"]
        for each in sources
    ]
    terminal.out_styled(table(("SOURCE", "DATE", "PROVIDERS", "MODELS", "STATE"), lines))


@app.command(epilog=epilog(_SHOW, (0, 2, 10, 13, 14), _SHOW_NOTES))
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="provider/model, an alias, or a well-known model.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a model costs: USD by unit, tier, date, hour (UTC) and way of serving."""
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    name, found = _find(_book(), model)
    price = found.price
    rows = list(_rows(price))
    match = "exact" if found.is_certain else "pin" if found.is_pin else "fuzzy"
    state = "free" if price.free else "priced" if rows else "unpriced"
    if as_json:
        fields = {
            "asked": model,
            "model": str(name),
            "match": match,
            "state": state,
            "reference": price.reference,
            "source": price.source,
            "version": price.version or None,
            "context_window": price.context_window or None,
            "max_output": price.max_output or None,
            "residency": _regions(price) or None,
            "prices": rows,
        }
        terminal.out(document("aikeys.price/1", **fields))
        return
    facts = [
        ["model", str(name)],
        ["price", f"{state} ({price.reference})"],
        ["match", _MATCHES[match]],
        ["context", f"{price.context_window:,} tokens" if price.context_window else "unknown"],
        ["output", f"{price.max_output:,} tokens at most" if price.max_output else "unknown"],
    ]
    if dear := [f"{region} × {factor}" for region, factor in _regions(price).items() if factor != "1"]:
        facts.append(["data kept in", ", ".join(dear)])
    terminal.out_styled(table(("", ""), facts).lstrip("\n"))
    if rows:
        lines = [[str(row["usd"]), f"{row['per']:,}", str(row["unit"]), _applies(row)] for row in rows]
        terminal.out_styled("\n" + table(("USD", "PER", "UNIT", "APPLIES"), lines))


@app.command(epilog=epilog(_UPDATE, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21, 31), _UPDATE_NOTES))
def update(
    source: Annotated[str, typer.Option("--from", metavar="FILE|URL", help="A price book: a file or an address.")] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Take also what falls or disappears.")] = False,
) -> None:
    """Fetch newer prices: the tables that genai-prices and LiteLLM publish, or a price book of your own.

    By itself an update adds models and raises prices, fees and limits. What falls, disappears or becomes free is listed
    and not taken until --accept: the vault is unlocked for it, or a token has budget:write.
    """
    from aikeys import clock
    from aikeys.pricing import updating

    where, ledger = home.place(), _accepting() if accept else None
    data, told = _fetched(where.home, source, accept=accept)
    now_us = clock.now_us()
    offered = updating.offer(where.home, _catalogue(where.home), data, terminal.printable(told), now_us)
    _say_offer(offered)
    if ledger is None:
        updating.keep(where.home, _catalogue(where.home), offered, told, now_us)
        if offered.falls:
            terminal.say("not taken: what falls counts at the dearer of both until aikeys prices update --accept")
    else:
        with ledger.writing() as writer:
            writer.act(_act(offered, told))
            updating.accept(where.home, offered)
        terminal.say("accepted: all of it counts as it is")
    bundled = max(state.date for state in _book().states() if state.source == "bundled")
    if offered.kept.date < bundled:
        terminal.warn(f"the bundled prices are newer ({bundled}) and come first")


def _accepting() -> Ledger:
    """Return the ledger that an acceptance is written to, for whoever may lower prices."""
    from aikeys.cli import authority

    if not authority.is_holder():
        home.unlock(home.place())
        return home.present_ledger()
    claims = authority.require("prices update").claims
    if dict(claims.labels) or claims.budget_pusd is not None:
        raise Denied(
            "prices count for everybody, and this token is limited to labels or a budget of its own",
            "the owner of the vault can accept them",
        )
    return home.present_ledger()


def _fetched(folder: str, source: str, *, accept: bool) -> tuple[bytes, str]:
    """Return a price book and where it is from: as it was given, fetched before, or made of the published tables."""
    from aikeys import clock, config
    from aikeys.cli import authority
    from aikeys.pricing import download, snapshot, updating
    from aikeys.providers import catalogue

    if authority.is_holder() and not (accept and not source):
        raise Denied("a token fetches no prices: it only accepts what waits", "the owner of the vault can fetch them")
    if source:
        return download.fetch(source), download.shown(source)
    if accept and snapshot.load(folder, snapshot.FETCHED) is not None:
        return updating.waiting(folder)
    if authority.is_holder():
        return updating.waiting(folder)  # which says that none waits
    own = config.load(folder).price_tables
    addresses = catalogue.price_tables(own)
    data, left_out = download.published(addresses, own, clock.rfc3339(clock.now_s())[:10])
    if left_out:
        shown = ", ".join(terminal.printable(each) for each in left_out[:_MOST_SHOWN])
        terminal.warn(f"{len(left_out)} rows are of a kind that this aikeys does not know and are left out: {shown}")
    return data, " ".join(download.shown(each) for each in addresses.values())


def _say_offer(offered: Offer) -> None:
    kept = offered.kept
    terminal.say(
        f"prices of {kept.date}: {offered.models} models of {len(kept.lines)} providers; {offered.added} are new, "
        f"{offered.raised} cost more, {len(offered.falls)} would fall"
    )
    for fall in offered.falls[:_MOST_SHOWN]:
        terminal.say(f"  {terminal.printable(str(fall))[:200]}")
    if len(offered.falls) > _MOST_SHOWN:
        terminal.say(f"  … and {len(offered.falls) - _MOST_SHOWN} more")


def _act(offered: Offer, source: str) -> Act:
    """Return what the ledger keeps of an acceptance: source, digest, and as much of the list as has room."""
    from aikeys.ledger.store import Act

    listed = "; ".join(map(str, offered.falls))
    shown = listed if len(listed) <= _MOST_KEPT else listed[:_MOST_KEPT] + " …"
    detail = f"source={terminal.printable(source)} sha256={offered.sha256} falls={len(offered.falls)} {shown}"
    return Act("prices accept", "prices", detail.strip())


def _catalogue(folder: str) -> dict[str, Provider]:
    from aikeys import config
    from aikeys.providers import catalogue

    settings = config.load(folder)
    return catalogue.load(settings.providers, settings.reported)


def _book() -> Book:
    from aikeys.pricing import book

    return book.load(home.place().home)


def _find(book: Book, model: str) -> tuple[Name, FoundPrice]:
    name = book.resolve(model)
    shown = terminal.printable(model)
    if not name.provider:
        raise NotFound(f"no provider is named in {shown}", "write provider/model, for example openai/gpt-5")
    found = book.find(name.provider, name.model)
    if found is None:
        near = book.nearest(name.provider, name.model)
        hint = f"did you mean {' or '.join(near)}?" if near else "aikeys providers lists the providers"
        if book.may_run_here(name.provider):
            hint = "it is free where a key of it sends to this machine; aikeys models shows that"
        raise NotFound(f"no price is known of {terminal.printable(str(name))}", hint)
    return name, found


def _regions(price: Price) -> dict[str, str]:
    """Return the factor of each region, as a decimal."""
    return {region: f"{top * 1000 // per / 1000:g}" for region, (top, per) in price.residency}


def _rows(price: Price) -> Iterator[dict[str, object]]:
    for tariff in price.tariffs:
        yield from _tariff_rows(tariff, {})
    for variant in price.variants:
        yield from _tariff_rows(variant.tariff, dict(variant.when))


def _tariff_rows(tariff: Tariff, service: dict[str, str]) -> Iterator[dict[str, object]]:
    from aikeys import clock
    from aikeys.pricing.units import UNITS

    hours = [f"{second // 3600:02d}:{second // 60 % 60:02d}" for second in (tariff.from_s, tariff.until_s)]
    for unit, rate in tariff.rates.items():
        per = UNITS[unit].per
        yield {
            "unit": unit,
            "per": per,
            "usd": _usd(rate, 0, per),
            "tiers": [
                {"above_input_tokens": step.above, "usd": _usd(rate, step.above + 1, per)} for step in rate.steps
            ],
            "from": clock.rfc3339(tariff.starts_us / 1_000_000) if tariff.starts_us else None,
            "hours_utc": hours if tariff.from_s != tariff.until_s else None,
            "service": service or None,
        }


def _usd(rate: Rate, input_tokens: int, count: int) -> str:
    """Every rate came from a decimal list price, so its text is exact again."""
    pusd, per = rate.at(input_tokens)
    digits = f"{pusd * count * 10**24 // per:037d}"
    decimals = digits[-36:].rstrip("0").ljust(2, "0")
    return f"{digits[:-36]}.{decimals}"


def _applies(row: dict[str, object]) -> str:
    parts = []
    service, start, hours, tiers = row["service"], row["from"], row["hours_utc"], row["tiers"]
    if isinstance(service, dict):
        parts.append(", ".join(f"{key}={value}" for key, value in service.items()))
    if isinstance(start, str):
        parts.append(f"from {start[:10]}")
    if isinstance(hours, list):
        parts.append(f"{hours[0]}-{hours[1]} UTC")
    if isinstance(tiers, list):
        parts += [f"{tier['usd']} over {tier['above_input_tokens']:,} input tokens" for tier in tiers]
    return "; ".join(parts)
