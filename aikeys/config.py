"""Reads `config.toml` of the home, and what `.aikeys.toml` of a project says (project.py: whether it counts).

Rules: a missing `config.toml` means the defaults; anything unknown or of a wrong type is refused, with the file, the
key and the nearest known name. A project's file comes with a repository, so from anyone: it may hold names of keys,
variables they go to and labels only, never commands, URLs or secrets, and no refusal ever repeats a value. `exec` loads
this module where no key is named: `os` only at the top, everything heavier inside the functions.
"""
# os.path only: pathlib costs milliseconds on the hot path

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, NoReturn, cast

from aikeys.errors import BadConfiguration
from aikeys.storage.folders import read_kept

CONFIG_FILE = "config.toml"
PROJECT_FILE = ".aikeys.toml"
LARGEST_FILE = 1 << 20
_LONGEST_NAME = 64
_CONFIG_KNOWN = {
    "aliases": (),
    "currency": ("code", "usd_rate"),
    "defaults": ("labels", "model"),
    "exec": ("env", "keys"),
    "fallbacks": (),
    "gateway": ("hosts", "proxy"),
    "limits": (),
    "price_tables": ("genai-prices", "litellm"),
    "prices": (),
    "providers": (),
    "reported": (),
    "tags": ("rollup",),
}
_FREE = ("aliases", "fallbacks", "limits", "prices", "providers", "reported")  # their keys are the user's names
_PROJECT_KNOWN = {"defaults": ("labels",), "exec": ("env", "keys")}

_Table = Mapping[str, object]
_Labels = tuple[tuple[str, str], ...]
_NOTHING: _Table = MappingProxyType({})


class Config(NamedTuple):
    """What `config.toml` says; `providers` and `prices` hold one free table for each provider and model."""

    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    exec_keys: tuple[str, ...] = ()
    exec_env: tuple[tuple[str, str], ...] = ()  # a variable, and the key that goes there
    providers: Mapping[str, Mapping[str, object]] = MappingProxyType({})
    prices: Mapping[str, Mapping[str, object]] = MappingProxyType({})
    reported: Mapping[str, Mapping[str, object]] = MappingProxyType({})
    """What replies of a provider report: free, part of a sum, or a fee."""
    price_tables: Mapping[str, str] = MappingProxyType({})
    """Addresses of published price tables, instead of those of the catalogue."""
    aliases: Mapping[str, str] = MappingProxyType({})
    fallbacks: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    currency: tuple[str, str] = ("", "")  # its code, and how many of it one USD is
    rolled_tags: tuple[str, ...] = ()
    gateway_hosts: tuple[str, ...] = ()
    gateway_uses_proxy: bool = True
    limits: tuple[tuple[str, int | None, int | None], ...] = ()  # who, requests and tokens per minute


EMPTY = Config()


class Project(NamedTuple):
    """What `.aikeys.toml` says: names of keys, variables they go to, labels, nothing else."""

    exec_keys: tuple[str, ...] = ()
    exec_env: tuple[tuple[str, str], ...] = ()  # a variable, and the key that goes there
    labels: tuple[tuple[str, str], ...] = ()


def load(home: str) -> Config:
    """Read `config.toml` of the home; a missing file gives the defaults."""
    path = os.path.join(home, CONFIG_FILE)
    content = read_kept(home, CONFIG_FILE, LARGEST_FILE)
    if content is None:
        return EMPTY
    tables = _parsed(path, content)
    _refuse_unknown(path, tables, _CONFIG_KNOWN)
    defaults = _table(path, tables, "defaults")
    aliases = _table(path, tables, "aliases")
    return Config(
        model=_text(path, "defaults.model", defaults.get("model", "")),
        labels=_labels(path, defaults),
        exec_keys=_keys(path, _table(path, tables, "exec")),
        exec_env=_env(path, _table(path, tables, "exec")),
        providers=_tables(path, tables, "providers"),
        prices=_tables(path, tables, "prices"),
        reported=_tables(path, tables, "reported"),
        price_tables=_addresses(path, _table(path, tables, "price_tables")),
        aliases=MappingProxyType({name: _text(path, f"aliases.{_shown(name)}", aliases[name]) for name in aliases}),
        fallbacks=_fallbacks(path, _table(path, tables, "fallbacks")),
        currency=_currency(path, _table(path, tables, "currency")),
        rolled_tags=_rolled_tags(path, _table(path, tables, "tags")),
        gateway_hosts=_hosts(path, _table(path, tables, "gateway")),
        gateway_uses_proxy=_uses_proxy(path, _table(path, tables, "gateway")),
        limits=_limits(path, _table(path, tables, "limits")),
    )


def _addresses(path: str, table: _Table) -> Mapping[str, str]:
    return MappingProxyType({name: _text(path, f"price_tables.{name}", value) for name, value in table.items()})


def project_of(path: str, content: bytes) -> Project:
    """Return what a project's file says; anything but names of keys, variables they go to and labels is refused."""
    tables = _parsed(path, content)
    _refuse_unknown(path, tables, _PROJECT_KNOWN)
    section = _table(path, tables, "exec")
    project = Project(_keys(path, section), _env(path, section), _labels(path, _table(path, tables, "defaults")))
    for key, names in (("exec.keys", [(name,) for name in project.exec_keys]), ("exec.env", project.exec_env)):
        for name in (each for pair in names for each in pair):
            _refuse_unsafe(path, key, name)
    for part in (each for label in project.labels for each in label):
        _refuse_unsafe(path, "defaults.labels", part)
    return project


def _parsed(path: str, content: bytes) -> _Table:
    import tomllib

    if len(content) > LARGEST_FILE:
        raise BadConfiguration(f"{path} is larger than 1 MiB", "keep settings only in it")
    try:
        return cast("_Table", tomllib.loads(content.decode("utf-8-sig"), parse_float=_exact))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"{path} is not UTF-8 text in line {line}"
    except (ValueError, RecursionError) as error:  # the parser's own words may repeat the line: only its number is kept
        problem = f"{path} is not valid TOML{_line_of(str(error), content)}"
    raise BadConfiguration(problem, "correct the line; text values stand in double quotes")


def _exact(number: str) -> object:
    """Prices are money: never a float."""
    from decimal import Decimal

    try:
        return Decimal(number)
    except ArithmeticError:  # an exponent beyond all measure
        raise ValueError("a number is out of range") from None


def _line_of(message: str, content: bytes) -> str:
    import re

    found = re.search(r"\(at line (\d+), column \d+\)$", message)
    if found:
        return f" in line {found[1]}"
    if message.endswith("(at end of document)"):
        return f" in line {len(content.splitlines())}"
    return ""


def _refuse_unknown(path: str, tables: _Table, known: Mapping[str, tuple[str, ...]]) -> None:
    for section in tables:
        if section not in known:
            _unknown(path, _shown(section), section, [*known])
        if section in _FREE:
            continue
        for key in _table(path, tables, section):
            if key not in known[section]:
                _unknown(path, f"{section}.{_shown(key)}", key, [*known[section]])


def _unknown(path: str, place: str, name: str, known: list[str]) -> NoReturn:
    from aikeys.names import meant

    hint = meant(name, known, f"known here: {', '.join(known)}")
    if os.path.basename(path) == PROJECT_FILE:
        hint += "; a project's file holds names of keys, variables and labels only, never commands, URLs or secrets"
    raise BadConfiguration(f"{path}: {place} is not known", hint)


def _shown(name: str) -> str:
    """Return a name as it may appear in a message: nothing that could be a secret, no control characters."""
    return "a long name" if len(name) > _LONGEST_NAME else ascii(name)[1:-1]


def _table(path: str, tables: _Table, name: str, prefix: str = "") -> _Table:
    value = tables.get(name, _NOTHING)
    if not isinstance(value, Mapping):
        raise BadConfiguration(
            f"{path}: {prefix}{_shown(name)} must be a table", f"write it as [{prefix}{_shown(name)}]"
        )
    return value


def _tables(path: str, tables: _Table, name: str) -> Mapping[str, _Table]:
    table = _table(path, tables, name)
    return MappingProxyType({key: _table(path, table, key, f"{name}.") for key in table})


def _fallbacks(path: str, table: _Table) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for name, value in table.items():
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise BadConfiguration(
                f"{path}: fallbacks.{_shown(name)} must be a list of models or keys",
                '"openai/gpt-4.1" = ["azure-openai/gpt-4.1"], or openai = ["openai-2"]',
            )
        found[name] = tuple(value)
    return MappingProxyType(found)


def _uses_proxy(path: str, table: _Table) -> bool:
    value = table.get("proxy", True)
    if not isinstance(value, bool):
        raise BadConfiguration(
            f"{path}: gateway.proxy must be true or false", "false: providers are reached without HTTPS_PROXY"
        )
    return value


def _hosts(path: str, table: _Table) -> tuple[str, ...]:
    value = table.get("hosts", [])
    plain = isinstance(value, list) and all(isinstance(each, str) and each and "/" not in each for each in value)
    if not plain:
        raise BadConfiguration(
            f"{path}: gateway.hosts must be a list of host names", 'for example hosts = ["ai.example.com"]'
        )
    return tuple(each.lower() for each in cast("list[str]", value))


def _limits(path: str, table: _Table) -> tuple[tuple[str, int | None, int | None], ...]:
    example = '"key:openai" = 60 requests per minute, or "provider:openai" = { requests = 60, tokens = 100000 }'
    found = []
    for who, value in table.items():
        kind, _, name = who.partition(":")
        limits = value if isinstance(value, Mapping) else {"requests": value}
        numbers = [limits.get(each) for each in ("requests", "tokens")]
        are_whole = all(number is None or (type(number) is int and number >= 0) for number in numbers)
        if kind not in ("key", "provider") or not name or limits.keys() - {"requests", "tokens"} or not are_whole:
            raise BadConfiguration(f"{path}: limits.{_shown(who)} is not a limit per minute", example)
        found.append((who, *cast("list[int | None]", numbers)))
    return tuple(found)  # type: ignore[arg-type]  # two numbers each


def _currency(path: str, table: _Table) -> tuple[str, str]:
    import re

    if not table:
        return "", ""
    code, rate = (_text(path, f"currency.{name}", table.get(name, "")) for name in ("code", "usd_rate"))
    if not re.fullmatch("[A-Z]{3}", code, re.ASCII) or code == "USD":
        raise BadConfiguration(f"{path}: currency.code must be three capital letters other than USD", 'code = "CNY"')
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", rate, re.ASCII) or not rate.strip("0."):
        raise BadConfiguration(
            f"{path}: currency.usd_rate must say how many {code} one USD is", 'a decimal number in quotes: "7.1"'
        )
    return code, rate


def _text(path: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadConfiguration(f"{path}: {key} must be text", "put the value in double quotes")
    return value


def _keys(path: str, table: _Table) -> tuple[str, ...]:
    value = table.get("keys", [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise BadConfiguration(f"{path}: exec.keys must be a list of names", 'for example keys = ["openai"]')
    return tuple(value)


def _env(path: str, table: _Table) -> _Labels:
    value = table.get("env", {})
    if not isinstance(value, dict) or not all(isinstance(name, str) and name for name in value.values()):
        raise BadConfiguration(
            f"{path}: exec.env must be a table of variables and keys", 'for example MY_KEY = "openai" below [exec.env]'
        )
    return tuple(value.items())


def _rolled_tags(path: str, table: _Table) -> tuple[str, ...]:
    if not table:
        return ()
    import re

    value = table.get("rollup", [])
    name = re.compile("[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)  # as --tag takes them
    if not isinstance(value, list) or not all(isinstance(each, str) and name.fullmatch(each) for each in value):
        raise BadConfiguration(
            f"{path}: tags.rollup must be a list of names of tags", 'for example rollup = ["ticket"]'
        )
    return tuple(value)


def _labels(path: str, table: _Table) -> _Labels:
    value = table.get("labels", {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadConfiguration(
            f"{path}: defaults.labels must be a table of texts", 'for example labels = { team = "search" }'
        )
    return tuple(value.items())


def _refuse_unsafe(path: str, key: str, value: str) -> None:
    """Refuse what is no name, without repeating it: it may be the secret that must not stand there."""
    reason = ""
    from aikeys.secret import hidden, looks_random

    is_long = len(value) > _LONGEST_NAME and " " not in value and not value.isalpha()
    if is_long or looks_random(value) or hidden(value) != value:
        reason = "looks like a secret"
    elif "://" in value:
        reason = "is a URL"
    elif not value.isprintable():
        reason = "holds control characters"
    if reason:
        raise BadConfiguration(
            f"{path}: a value of {key} {reason}",
            "only names of keys, variables and labels may stand there; if a secret was committed, have it revoked",
        )
