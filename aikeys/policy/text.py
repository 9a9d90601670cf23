"""The policy file (pure): budgets, alerts, aliases and prices as TOML, and what a file says.

- A section that is missing says nothing about its things; an empty one says that there are none.
- Unknown names are errors, with the nearest known one. Secrets have no place here: alerts name the keys that hold them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from aikeys.alerts import channels
from aikeys.alerts.channels import Channel, CommandChannel, Email, Webhook
from aikeys.alerts.messages import SUBSCRIBED
from aikeys.budgets.terms import (
    WORST,
    Terms,
    alerts_text,
    parse_alerts,
    parse_at_limit,
    parse_period,
    parse_when_unknown,
)
from aikeys.budgets.who import parse_who
from aikeys.errors import AikeysError, BadConfiguration
from aikeys.money import parse_usd, usd_text
from aikeys.names import meant

SCHEMA = "aikeys.policy/1"
SECTIONS = ("budgets", "alerts", "aliases", "prices")
_NO_BUDGETS = "\nbudgets = []"
_HOW_TO_HAVE_SOME = "# none; to have some, write [[budgets]] tables instead of this line"
_BUDGET = ("who", "usd", "period", "at_limit", "alerts", "when_unknown")
_KINDS: dict[str, type[Email | Webhook | CommandChannel]] = {
    "email": Email,
    "webhook": Webhook,
    "command": CommandChannel,
}

Budgets = Mapping[tuple[str, str], Terms]
Prices = Mapping[str, Mapping[str, object]]


class Policy(NamedTuple):
    """What holds, or should; None for a section that is not spoken of. Budgets stand by WHO (as read) and period."""

    budgets: Budgets | None = None
    alerts: Mapping[str, Channel] | None = None
    aliases: Mapping[str, str] | None = None
    prices: Prices | None = None


def write(policy: Policy) -> str:
    """Return a policy as TOML, always the same for the same policy."""
    import tomli_w

    document: dict[str, Any] = {"schema": SCHEMA}
    if policy.budgets is not None:
        document["budgets"] = [_budget_table(who, terms) for (who, _), terms in sorted(policy.budgets.items())]
    if policy.alerts is not None:
        document["alerts"] = {name: channel_table(one) for name, one in sorted(policy.alerts.items())}
    if policy.aliases is not None:
        document["aliases"] = dict(sorted(policy.aliases.items()))
    if policy.prices is not None:
        document["prices"] = {name: dict(table) for name, table in sorted(policy.prices.items())}
    return tomli_w.dumps(document).replace(_NO_BUDGETS, f"{_NO_BUDGETS}  {_HOW_TO_HAVE_SOME}", 1)


def read(text: str, path: str) -> Policy:
    """Return what a policy file says; BadConfiguration names the place that is wrong."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadConfiguration(f"{path} is not valid TOML: {error}", "correct the line") from None
    known = ("schema", *SECTIONS)
    for name in document:
        if name not in known:
            _unknown(path, name, name, known)
    if document.get("schema") != SCHEMA:
        raise BadConfiguration(f'{path} does not begin with schema = "{SCHEMA}"', "see: aikeys config export")
    prices = _section(document, "prices", dict, path)
    return Policy(
        _budgets(_section(document, "budgets", list, path), path),
        _alerts(_section(document, "alerts", dict, path), path),
        _aliases(_section(document, "aliases", dict, path), path),
        None if prices is None else {name: _table(prices[name], f"{path}: prices.{name}") for name in prices},
    )


def channel_table(channel: Channel) -> dict[str, Any]:
    """Return a channel as a table: its kind, what goes there, and what is not empty of its settings."""
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in _filled(channel.settings)}
    return {"kind": channel.kind, "on": list(channel.on), **settings}


def _filled(settings: Email | Webhook | CommandChannel) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in settings._asdict().items() if value != ""]


def _budget_table(who: str, terms: Terms) -> dict[str, Any]:
    table: dict[str, Any] = {
        "who": who,
        "usd": usd_text(terms.limit_pusd),
        "period": terms.period,
        "at_limit": terms.at_limit,
        "alerts": list(terms.alerts),
    }
    return table if terms.when_unknown == WORST else {**table, "when_unknown": terms.when_unknown}


def _budgets(tables: list[Any] | None, path: str) -> Budgets | None:
    if tables is None:
        return None
    found: dict[tuple[str, str], Terms] = {}
    for at, table in enumerate(tables, 1):
        place = f"{path}: budget {at}"
        who, terms = _within(place, _budget, _fields(table, place, _BUDGET))
        if (who, terms.period) in found:
            raise BadConfiguration(f"{place}: {who} has two budgets over a {terms.period}", "remove one of them")
        found[who, terms.period] = terms
    return found


def _budget(fields: dict[str, Any]) -> tuple[str, Terms]:
    missing = [name for name in ("who", "usd") if name not in fields]
    if missing:
        raise BadConfiguration(f"{missing[0]} is missing", 'who = "team:support", usd = "200.00"')
    alerts = fields.get("alerts")
    percents = ",".join(str(one) for one in alerts) if isinstance(alerts, list) else alerts_text(Terms(0).alerts)
    terms = Terms(
        parse_usd(str(fields["usd"])),
        parse_period(str(fields.get("period", "month"))),
        parse_at_limit(str(fields.get("at_limit", "block"))),
        parse_alerts(percents),
        parse_when_unknown(str(fields.get("when_unknown", WORST))),
    )
    return str(parse_who(str(fields["who"]))), terms


def _alerts(tables: dict[str, Any] | None, path: str) -> dict[str, Channel] | None:
    if tables is None:
        return None
    found = {}
    for name, table in tables.items():
        place = f"{path}: alerts.{name}"
        kind = _table(table, place).get("kind")
        if kind not in _KINDS:
            raise BadConfiguration(f"{place}: kind is not one of {', '.join(_KINDS)}", 'for example kind = "email"')
        fields = _fields(table, place, ("kind", "on", *_KINDS[kind]._fields))
        found[name] = _within(place, lambda fields, name=name: _channel(name, fields), fields)
    return found


def _channel(name: str, fields: dict[str, Any]) -> Channel:
    kind = _KINDS[fields.pop("kind")]
    on = fields.pop("on", list(SUBSCRIBED))
    values: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
    }
    try:
        settings = kind(**values)
    except TypeError:
        needed = [field for field in kind._fields if field not in kind._field_defaults and field not in values]
        raise BadConfiguration(f"{', '.join(needed)} is missing", "see: aikeys config export") from None
    for field, value in settings._asdict().items():
        wanted = kind._field_defaults.get(field, 0 if field == "port" else () if field == "argv" else "")
        if type(value) is not type(wanted) or (isinstance(value, tuple) and not all(isinstance(x, str) for x in value)):
            raise BadConfiguration(f"{field} has the wrong type", "see: aikeys config export")
    _check_settings(settings)
    return Channel(channels.check_name(name), channels.check_on(",".join(map(str, on))), settings)


def _check_settings(settings: Email | Webhook | CommandChannel) -> None:
    match settings:
        case Email():
            channels.check_email(settings)
        case Webhook(url=url, url_key=key, style=style):
            if bool(url) == bool(key):
                raise BadConfiguration("give one of url and url_key", "url_key names the key that holds the address")
            if url and channels.holds_secret(channels.check_url(url)):
                raise BadConfiguration("the webhook's address looks like a secret", "put it into the vault: url_key")
            if style not in channels.STYLES:
                raise BadConfiguration("that is not a style", f"one of: {', '.join(channels.STYLES)}")
        case CommandChannel(argv=argv, time_limit_s=limit_s):
            if not argv or not argv[0].startswith("/") or any(map(channels.holds_key, argv[1:])):
                raise BadConfiguration("argv needs an absolute path first, and no keys after", 'argv = ["/usr/bin/x"]')
            if not 0 < limit_s <= channels.LONGEST_TIME_LIMIT_S:
                raise BadConfiguration("time_limit_s is not between a second and five minutes", "time_limit_s = 30")


def _aliases(table: dict[str, Any] | None, path: str) -> dict[str, str] | None:
    for name, value in (table or {}).items():
        if not isinstance(value, str):
            raise BadConfiguration(f"{path}: aliases.{name} is not text", "write provider/model in double quotes")
    return table


def _section(document: dict[str, Any], name: str, kind: type, path: str) -> Any:
    value = document.get(name)
    if value is not None and not isinstance(value, kind):
        shape = f"[[{name}]]" if kind is list else f"[{name}]"
        raise BadConfiguration(f"{path}: {name} has the wrong form", f"write it as {shape}")
    return value


def _table(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadConfiguration(f"{place} must be a table", "see: aikeys config export")
    return value


def _fields(table: Any, place: str, known: tuple[str, ...]) -> dict[str, Any]:
    for field in _table(table, place):
        if field not in known:
            _unknown(place, field, field, known)
    return dict(table)


def _within(place: str, made: Any, fields: dict[str, Any]) -> Any:
    """Call, and name the place in what goes wrong."""
    try:
        return made(fields)
    except AikeysError as error:
        raise BadConfiguration(f"{place}: {error.message}", error.hint) from None


def _unknown(place: str, shown: str, name: str, known: tuple[str, ...]) -> NoReturn:
    hint = meant(name, known, f"known here: {', '.join(known)}")
    raise BadConfiguration(f"{place}: {ascii(shown)[1:-1][:64]} is not known", hint)
