"""GET /v1/usage, /v1/budgets[/check], /v1/audit, /v1/log: what the command line shows, for whoever has a token.

They read in a thread of their own, with a connection of their own: the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from aiohttp import web

from aikeys import clock
from aikeys.budgets.check import parse_percent, worst_of
from aikeys.budgets.who import parse_who
from aikeys.errors import UsageError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http import parameters
from aikeys.gateway.http.admission import RequestContext, enter
from aikeys.gateway.http.answers import answer, given, usd_number
from aikeys.gateway.http.parameters import Parameters
from aikeys.ledger import listing, lost_ledgers
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.questions import TAG, Where
from aikeys.ledger.ranges import RangeWords, instants_of
from aikeys.ledger.store import Ledger
from aikeys.money import usd_text
from aikeys.names import sought
from aikeys.reports import records
from aikeys.reports.calls import CallRange, newest_calls, one_call
from aikeys.reports.groups import LABELS, TIMES
from aikeys.reports.own_budgets import BudgetQuestion, checked, listed
from aikeys.reports.usage import UsageAnswer, range_of, used
from aikeys.reports.values import ReportRow

_TEAM = "team_id"
_NAMES = (_TEAM, *(name for name in LABELS if name != "team"))
_SHORT = {_TEAM: "team"}
_TIME = RangeWords._fields
_DEFAULT_GROUPS = ("team", "model")
_MOST_ENTRIES = 10_000
_ACTS, _CALLS = 50, 20
Found = TypeVar("Found")


async def usage(request: web.Request) -> web.Response:
    """Answer GET /v1/usage."""
    context = enter(request)
    found = parameters.read(request, ("start", "end", "group_by", *_NAMES, "team"), tags=True)
    by = _groups(found)
    where, sight = _filters(found), context.sight
    start, end = parameters.once(found, "start"), parameters.once(found, "end")

    def ask(ledger: Ledger) -> UsageAnswer:
        return used(ledger, by, where, range_of(start, end, Calendar(ledger.zone), clock.now_us()), sight)

    return answer(_usage(await _read(context, ask), by, context.state.ledger.zone), context.request_id)


async def budgets(request: web.Request) -> web.Response:
    """Answer GET /v1/budgets."""
    context = enter(request)
    parameters.read(request, ())
    sight = context.sight

    def ask(ledger: Ledger) -> dict[str, object]:
        return {"budgets": listed(ledger, clock.now_us(), sight), "time_zone": ledger.zone} | _lost(ledger)

    return answer({"schema": "aikeys.budgets/1", **await _read(context, ask)}, context.request_id)


async def budget_check(request: web.Request) -> web.Response:
    """Answer GET /v1/budgets/check: the states of budgets, and what could mislead without being said."""
    context = enter(request)
    found = parameters.read(request, ("who", "max_unpriced"))
    wanted = [_said("who", text, parse_who) for text in found.get("who", ())]
    share = _said("max_unpriced", text, parse_percent) if (text := parameters.once(found, "max_unpriced")) else None

    sight = context.sight

    def ask(ledger: Ledger) -> dict[str, object]:
        states, notes = checked(ledger, BudgetQuestion(wanted, share), clock.now_us(), sight)
        return {
            "state": worst_of(one.state for one in states),
            "budgets": [records.budget_state(one) for one in states],
            "notes": notes,
        }

    return answer({"schema": "aikeys.budget-check/1", **await _read(context, ask)}, context.request_id)


def _lost(ledger: Ledger, since_us: int | None = None) -> dict[str, object]:
    """Return what is said where the ledger stands for a lost one."""
    with ledger.looking() as connection:
        lost = lost_ledgers.find(connection, since_us)
    return records.lost_ledger(lost.before_us if lost else None)


def _said(name: str, text: str, parse: Callable[[str], Found]) -> Found:
    """Return what a parameter says; InvalidRequest in the words of HTTP."""
    try:
        return parse(text)
    except UsageError as wrong:
        raise InvalidRequest(name, f"cannot be read: {wrong.message}") from None


async def audit(request: web.Request) -> web.Response:
    """Answer GET /v1/audit."""
    context = enter(request)
    found = parameters.read(request, ("limit", *_TIME, "who", "act"))
    newest = parameters.whole(found, "limit", _ACTS, _MOST_ENTRIES)
    who, act = parameters.once(found, "who"), parameters.once(found, "act")

    def ask(ledger: Ledger) -> list[dict[str, object]]:
        asked = listing.ActQuery(_between(found, ledger), who, act)
        with ledger.reading() as connection:
            return [records.act(*row) for row in listing.newest_acts(connection, ledger, newest, asked)]

    return answer({"schema": "aikeys.audit/1", "entries": await _read(context, ask)}, context.request_id)


async def log(request: web.Request) -> web.Response:
    """Answer GET /v1/log; with `id` one call in full."""
    context = enter(request)
    found = parameters.read(request, ("limit", "id", *_TIME))
    newest, sight = parameters.whole(found, "limit", _CALLS, _MOST_ENTRIES), context.sight
    if which := parameters.once(found, "id"):
        one = await _read(context, lambda ledger: one_call(ledger, which, sight))
        return answer({"schema": "aikeys.call/1", "call": one}, context.request_id)

    def ask(ledger: Ledger) -> dict[str, object]:
        wanted = CallRange(newest, between=_between(found, ledger))
        return {"calls": [one.fields for one in newest_calls(ledger, wanted, sight)]} | _lost(ledger, wanted.between[0])

    return answer({"schema": "aikeys.log/1", **await _read(context, ask)}, context.request_id)


async def _read(context: RequestContext, ask: Callable[[Ledger], Found]) -> Found:
    """Ask the ledger in a thread."""

    def work() -> Found:
        with closing(context.state.place.ledger) as ledger:
            return ask(ledger.open())

    return await asyncio.to_thread(work)


def _between(found: Parameters, ledger: Ledger) -> tuple[int, int]:
    """Return the instants of `month`, `since` and `until`; InvalidRequest names the parameter."""
    said = {name: parameters.once(found, name).replace(" ", "+") or None for name in _TIME}
    try:
        return instants_of(RangeWords(**said), Calendar(ledger.zone), clock.now_us())
    except UsageError as wrong:
        name = next((name for name in _TIME if wrong.message.startswith(f"--{name} ")), "since")
        raise InvalidRequest(name, wrong.message.removeprefix(f"--{name} "), wrong.hint) from None


def _groups(found: Parameters) -> tuple[str, ...]:
    """Return what to group by; InvalidRequest names what is no group."""
    given_names = [name.strip() for text in found.get("group_by", ()) for name in text.split(",")]
    names = tuple(_SHORT.get(name, name) for name in given_names if name)
    for name in names:
        if name not in (*LABELS, *TIMES) and not (name.startswith(TAG) and len(name) > len(TAG)):
            raise parameters.unknown_value("group_by", name, ("team", *_NAMES, *TIMES, "tag:NAME"))
        if names.count(name) > 1:
            raise InvalidRequest("group_by", f"names {name} twice", "name every group once")
    return names or _DEFAULT_GROUPS


def _filters(found: Parameters) -> Where:
    """Return the filters: those of one group are alternatives; an empty one finds calls without that label."""
    filters: dict[str, list[str]] = {}
    for name, values in found.items():
        short = _SHORT.get(name, name)
        if short in LABELS or short.startswith(TAG):
            filters.setdefault(short, []).extend(sought(value, short) for value in values)
    return tuple((name, tuple(values)) for name, values in filters.items())


def _usage(found: UsageAnswer, by: tuple[str, ...], zone: str) -> dict[str, object]:
    return {
        "start": found.range.start.text,
        "end": found.range.end.text,
        "time_zone": zone,
        "total_cost_usd": usd_number(found.total.cost_pusd),
        "total_cost": usd_text(found.total.cost_pusd),
        "total_requests": found.total.requests,
        "total_tokens": found.total.input + found.total.output,
        "breakdown": [_entry(row, by) for row in found.rows],
        "coverage": records.coverage(found.coverage),
        "prices": list(found.prices),
        "where": {_TEAM if name == "team" else name: list(texts) for name, texts in found.where},
        **given(newest_call_at=None if found.newest_us is None else clock.rfc3339(found.newest_us // 1_000_000)),
    }


def _entry(row: ReportRow, by: tuple[str, ...]) -> dict[str, object]:
    figures = row.figures
    labels = {_TEAM if name == "team" else name: text for name, text in zip(by, row.keys, strict=True)}
    return {
        **given(**labels),
        "cost": usd_number(figures.cost_pusd),
        "cost_usd": usd_text(figures.cost_pusd),
        "requests": figures.requests,
        "failed": figures.failed,
        "input_tokens": figures.input,
        "cached_input_tokens": figures.cache_read,
        "cache_write_tokens": figures.cache_write,
        "output_tokens": figures.output,
        "reasoning_tokens": figures.reasoning,
        "total_tokens": figures.input + figures.output,
    }
