"""A key on its way into the vault: its address, its format, whether its provider takes it, and its sealed content."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.errors import ProviderRefused, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.changes import NewKey
    from aikeys.vault.format import Content
    from aikeys.vault.opening import Opened, Place


def end_of(expires: str) -> int:
    """Return when a key ends, 0 for never; warns where that is over."""
    at = home.date_s(expires) if expires else 0
    if 0 < at <= clock.now_s():
        terminal.warn(f"{expires} is over: the key counts as expired")
    return at


def say_without_address(provider: Provider, name: str, url: str) -> None:
    """Say that a key of a provider whose address differs from customer to customer got none."""
    if provider.base_url_env and not url:
        terminal.warn(f"no address is known for {name}: give it its own, aikeys edit {name} --base-url URL")


def address(provider: Provider, region: str, base_url: str, *, allow_http: bool = False) -> str:
    """Return the base URL of a new key."""
    from aikeys.providers.catalogue import check_base_url

    if base_url and region:
        raise UsageError("give --region or --base-url, not both", "a base URL stands for itself")
    url = check_base_url(base_url) if base_url else provider.base_url_for(region)
    check_plain_http(url, allow_http=allow_http)
    return url


def check_plain_http(url: str, *, allow_http: bool = False) -> None:
    """Refuse an address that takes a key in the clear, but this machine and, where allowed, a private network.

    Which address a name means is looked at whenever a connection is made.
    """
    from urllib.parse import urlsplit

    from aikeys.network.addresses import plain_http_reach
    from aikeys.providers.transport import may_be_plain

    who = plain_http_reach(url)
    if not who:
        return
    if not may_be_plain(url) or (who == "far" and not allow_http):
        raise UsageError(
            f"{url} is plain http to another machine: anybody on the way could read the key",
            "give an https address; plain http is for this machine and, with --allow-http, for private networks",
        )
    if not allow_http:
        raise UsageError(
            f"{url} is plain http: whoever is on that network can read the key",
            "give an https address, or allow it for this key: --allow-http",
        )
    host = urlsplit(url).hostname
    terminal.warn(
        f"{url} is plain http: whoever is on that network can read the key; "
        f"it is sent only while {host} is a private address"
    )


def warn_of_plain_http(url: str, name: str) -> None:
    """Say that a key which is taken over with a plain http address is sent nowhere yet."""
    from aikeys.network.addresses import plain_http_reach

    if plain_http_reach(url):
        terminal.warn(
            f"{url} is plain http: {name} is not sent there until you say so: aikeys edit {name} --allow-http"
        )


def check_format(provider: Provider, secret: Secret) -> None:
    """Warn where a key does not look like its provider's."""
    from aikeys.providers.recognition import odd_format

    sentence = odd_format(provider, secret.reveal().decode())
    if sentence:
        terminal.warn(sentence)


def verify_or_refuse(provider: Provider, base_url: str, secret: Secret, way_on: str) -> None:
    """Try a key; raises ProviderRefused where the provider says no, says so where it could not be tried."""
    from aikeys.providers.verification import verify

    verdict = verify(provider, base_url, secret)
    if verdict.state == "refused":
        raise ProviderRefused(f"{provider.title} refused the key: {verdict.detail}", way_on)
    if verdict.state == "unverified":
        terminal.say(f"not verified: {verdict.detail}")
    else:
        terminal.say(f"{provider.title} accepts the key")


def variables_of(typed: Sequence[str]) -> tuple[str, ...]:
    """Return the variables that exec sets a key in, each once; UsageError for a name that cannot hold one."""
    from aikeys.lending.environment import check_variable

    for variable in typed:
        check_variable(variable, "such as --var OPENAI_API_KEY", "take another, such as --var MY_KEY")
    return tuple(dict.fromkeys(typed))


def content_for(
    provider: Provider, base_url: str, secret: bytes, *, allow_http: bool = False, variables: Sequence[str] = ()
) -> Content:
    """Return all that exec needs of a key, to be sealed with it; without `variables` it goes to its provider's."""
    from aikeys.network.addresses import plain_http_reach
    from aikeys.vault.format import Content

    sets = base_url if provider.sets_base_url(base_url) else ""
    allows = allow_http and bool(plain_http_reach(base_url))  # a flag that says nothing now would say something later
    return Content(secret, tuple(variables) or provider.env, provider.base_url_env, sets, (), provider.clear, allows)


def new_key(
    name: str,
    provider: Provider,
    base_url: str,
    secret: Secret,
    *,
    allow_http: bool = False,
    variables: Sequence[str] = (),
) -> NewKey:
    """Return a key to add, without labels and dates."""
    from aikeys.providers.recognition import is_admin
    from aikeys.vault.changes import NewKey

    admin = is_admin(provider, secret.reveal().decode())
    content = content_for(provider, base_url, secret.reveal(), allow_http=allow_http, variables=variables)
    return NewKey(name, provider.name, "", base_url, "", admin, 0, 0, content)


def store(where: Place, opened: Opened, new: NewKey) -> None:
    """Write a new key into the vault."""
    from aikeys.cli.keys.renewal import renewing
    from aikeys.ledger.store import Act
    from aikeys.vault import changes
    from aikeys.vault.writing import write

    now = clock.now_s()
    plain = " allow_http=yes" if new.content.allows_http else ""
    act = Act("add", new.name, f"provider={new.provider}{plain}")

    def change(vault: Opened) -> Opened:
        return changes.add_key(changes.purge_grace(vault, now), new, now, os.urandom)

    with renewing() as advance:
        write(where, opened, act, change, advance=advance)
