"""Responsible for what aikeys knows of each provider: catalogue.toml, and what config.toml adds to it."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from aikeys.errors import BadConfiguration, NotFound, UsageError
from aikeys.names import meant
from aikeys.providers.reported import NONE_LISTED, Reported, reported_of

if TYPE_CHECKING:  # most of what reads the catalogue never talks to a provider
    from aikeys.providers.wire.dialects import Dialect

_USER_KEYS = ("title", "protocol", "base_url", "env", "base_url_env", "clear", "key_page", "wire")
PRICE_TABLES = "price_tables"
_USER_LISTS = ("env", "base_url_env", "clear")


class Verification(NamedTuple):
    """A free request that tells whether a key works. An empty path: none is known."""

    method: str = "GET"
    path: str = ""
    admin_path: str = ""
    auth: str = "bearer"
    headers: tuple[tuple[str, str], ...] = ()


class Balance(NamedTuple):
    """A free request that tells what is left on a key's account; catalogue.toml says what each field is for."""

    path: str
    amount: str
    minus: str = ""
    of: str = ""
    currency: str = ""
    regions: tuple[tuple[str, str], ...] = ()


class Provider(NamedTuple):
    """One provider. Empty means unknown; catalogue.toml says what each field is for."""

    name: str
    title: str
    protocol: str
    base_url: str
    env: tuple[str, ...]
    regions: tuple[tuple[str, str], ...] = ()
    regional_hosts: str = ""
    base_url_env: tuple[str, ...] = ()
    always_base_url: bool = False
    clear: tuple[str, ...] = ()
    also_env: tuple[str, ...] = ()
    key_patterns: tuple[str, ...] = ()
    shared_patterns: tuple[str, ...] = ()
    admin_patterns: tuple[str, ...] = ()
    verify: Verification = Verification()
    balance: tuple[Balance, ...] = ()
    key_page: str = ""
    source: str = ""
    date: str = ""
    wire: Mapping[str, object] = MappingProxyType({})
    also_base_url: tuple[str, ...] = ()
    anthropic_base: tuple[tuple[str, str], ...] = ()
    affinity: tuple[str, ...] = ()
    native: tuple[tuple[object, ...], ...] = ()
    resells: bool = False
    makes: bool = False
    local: bool = False
    reported: Reported = NONE_LISTED

    def dialect(self) -> Dialect:
        """Return how it speaks its protocol; BadConfiguration where a user's definition has that wrong."""
        kept = _DIALECTS.get(id(self))
        if kept is not None and kept[0] is self:
            return kept[1]
        from aikeys.providers.wire.dialects import dialect_of

        dialect = dialect_of(self.name, self.title, self.protocol, self.wire, self.reported)
        if len(_DIALECTS) >= _MOST_DIALECTS:
            _DIALECTS.clear()
        _DIALECTS[id(self)] = self, dialect
        return dialect

    def base_url_for(self, region: str) -> str:
        """Return the base URL of a region; no region means the default."""
        if not region:
            return self.base_url
        known = dict(self.regions)
        if region not in known:
            hint = f"known regions: {', '.join(known)}" if known else f"{self.title} is stored without a region"
            raise NotFound(f"{self.title} has no region {region}", hint)
        return known[region]

    def residency_of(self, base_url: str) -> str:
        """Return the region that the host of an address keeps its data in, "" where it is none."""
        if not self.regional_hosts or not base_url:
            return ""
        from urllib.parse import urlsplit

        region, _, rest = (urlsplit(base_url).hostname or "").partition(".")
        return region if rest == self.regional_hosts else ""

    def sets_base_url(self, url: str) -> bool:
        """Tell whether the base URL variables must be set for a key of this address, not only cleared."""
        return bool(url) and (self.always_base_url or url != self.base_url)


_MOST_DIALECTS = 1024
_DIALECTS: dict[int, tuple[Provider, Dialect]] = {}
"""By the id of a provider, which lives as long as it stands here: a table in it cannot be hashed."""


def load(
    user: Mapping[str, Mapping[str, object]] | None = None, reported: Mapping[str, Mapping[str, object]] | None = None
) -> dict[str, Provider]:
    """Return every provider by name; one that the user defines stands in for a built-in of the same name.

    `reported` are the user's own lists of what replies report, by provider.
    """
    import tomllib

    with open(os.path.join(os.path.dirname(__file__), "catalogue.toml"), "rb") as file:
        tables = tomllib.load(file)
    tables.pop(PRICE_TABLES)
    of_all = reported_of("catalogue.toml: reported", tables.pop("reported"))
    catalogue = {name: _built_in(name, table, of_all) for name, table in tables.items()}
    for name, table in (user or {}).items():
        own = _user_defined(name, table)._replace(reported=of_all)
        is_local = name in catalogue and catalogue[name].local  # what it is, an address in config.toml does not change
        catalogue[name] = own._replace(local=is_local)
    for name, table in (reported or {}).items():
        where = f"[reported.{name}] of config.toml"
        if name not in catalogue:
            hint = meant(name, catalogue, most=3) or "name a provider: aikeys providers lists them"
            raise BadConfiguration(f"{where}: no provider has that name", hint)
        known = catalogue[name]
        catalogue[name] = known._replace(reported=known.reported.plus(reported_of(where, table)))
    return catalogue


def price_tables(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the addresses of the published price tables, by their names; those of config.toml come first."""
    import tomllib

    with open(os.path.join(os.path.dirname(__file__), "catalogue.toml"), "rb") as file:
        known = cast("dict[str, str]", tomllib.load(file)[PRICE_TABLES])
    return {name: (own or {}).get(name, address) for name, address in known.items()}


def find(catalogue: Mapping[str, Provider], name: str) -> Provider:
    """Return the provider of that name, or fail with the names nearest to it."""
    provider = catalogue.get(name) or catalogue.get(name.lower())
    if provider is None:
        hint = meant(name.lower(), catalogue, most=3) or f"define it in config.toml under [providers.{name.lower()}]"
        raise NotFound(f"no provider is named {name}", hint)
    return provider


def check_base_url(url: str) -> str:
    """Return a user's base URL in its one spelling: http or https, a host, no password, query or trailing slash."""
    from urllib.parse import urlsplit

    hint = "give an address such as https://api.example.com/v1"
    if any(character <= " " or character in '\x7f\\"<>' for character in url):
        raise UsageError("the base URL holds a character that no address has", hint)
    if "?" in url or "#" in url:
        raise UsageError("the base URL has a query or a fragment", hint)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("the base URL is not an address", hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError("the base URL is not an http or https address with a host", hint)
    if "@" in parts.netloc:
        raise UsageError("the base URL holds a user name or password", hint)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _built_in(name: str, table: Mapping[str, object], of_all: Reported) -> Provider:
    fields: dict[str, object] = {"reported": of_all}
    for key, value in table.items():
        if key in ("regions", "anthropic_base"):
            fields[key] = tuple(cast("dict[str, str]", value).items())
        elif key == "verify":
            fields[key] = _verification(cast("dict[str, object]", value))
        elif key == "balance":
            fields[key] = tuple(_balance(each) for each in cast("list[dict[str, object]]", value))
        elif key == "reported":
            fields[key] = of_all.plus(reported_of(f"catalogue.toml: {name}", cast("dict[str, object]", value)))
        elif key == "native":
            fields[key] = tuple(_native(each) for each in cast("list[str]", value))
        else:
            fields[key] = tuple(value) if isinstance(value, list) else value
    return Provider(name=name, **fields)  # type: ignore[arg-type]  # the tests check every field's type


def _verification(table: Mapping[str, object]) -> Verification:
    headers = cast("dict[str, str]", table.get("headers", {}))
    rest = {key: value for key, value in table.items() if key != "headers"}
    return Verification(headers=tuple(headers.items()), **rest)  # type: ignore[arg-type]  # as above


def _native(line: str) -> tuple[object, ...]:
    """Read `METHOD path scope [meter] [keeps] [streams] [cap=FIELD]`."""
    method, path, scope, *rest = line.split()
    cap = next((word[4:] for word in rest if word.startswith("cap=")), "")
    meter = next((word for word in rest if word not in ("keeps", "streams", f"cap={cap}")), "free")
    return method, path, scope, meter, "keeps" in rest, "streams" in rest, cap


def _balance(table: Mapping[str, object]) -> Balance:
    regions = cast("dict[str, str]", table.get("regions", {}))
    rest = {key: value for key, value in table.items() if key != "regions"}
    return Balance(regions=tuple(regions.items()), **rest)  # type: ignore[arg-type]  # as above


def _user_defined(name: str, table: object) -> Provider:
    where = f"[providers.{name}] of config.toml"
    if not isinstance(table, Mapping):
        raise BadConfiguration(f"{where} is not a table", "write its settings as lines under that heading")
    for key in table:
        if key not in _USER_KEYS:
            hint = meant(str(key), _USER_KEYS, most=3) or f"known settings: {', '.join(_USER_KEYS)}"
            raise BadConfiguration(f"{where} has an unknown setting {key}", hint)
    lists = {key: _variables(where, key, table.get(key, [])) for key in _USER_LISTS}
    texts = {key: _text(where, key, table.get(key, "")) for key in _USER_KEYS if key not in (*_USER_LISTS, "wire")}
    wire = table.get("wire", {})
    if not isinstance(wire, Mapping):
        raise BadConfiguration(f"{where}: wire is not a table", 'Write wire = { cap = "max_tokens" }')
    if not lists["env"]:
        raise BadConfiguration(f"{where} lacks env", 'Name the variables that get the key: env = ["EXAMPLE_API_KEY"]')
    try:
        base_url = check_base_url(texts["base_url"]) if texts["base_url"] else ""
    except UsageError as error:
        raise BadConfiguration(f"{where}: {error.message}", error.hint) from None
    return Provider(
        name=name,
        title=texts["title"] or name,
        protocol=texts["protocol"] or "openai",
        base_url=base_url,
        env=lists["env"],
        base_url_env=lists["base_url_env"],
        always_base_url=bool(lists["base_url_env"]),
        clear=lists["clear"],
        key_page=texts["key_page"],
        source="config.toml",
        wire=wire,
        resells=True,  # it may be a proxy of any kind: what its models are called is its own affair
    )


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadConfiguration(f"{where}: {key} is not a text", f'Write {key} = "…"')
    return value


def _variables(where: str, key: str, value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name.isascii() or not name.isidentifier():
            raise BadConfiguration(f"{where}: {key} is not a list of variable names", f'Write {key} = ["EXAMPLE_NAME"]')
    return tuple(names)
