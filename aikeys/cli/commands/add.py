"""`aikeys add`: put a key into the vault."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import ExistsAlready, NotFound, ProviderRefused, Usage

if TYPE_CHECKING:
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.changes import NewKey
    from aikeys.vault.format import Content, Rows
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (
    ("aikeys add openai", "ask for the key, try it, seal it"),
    ("pass show openai | aikeys add openai-work --provider openai --stdin", "a second key of a provider, piped in"),
)


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 15, 20, 21, 30)))
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key's name, by default also its provider.")],
    provider: Annotated[str, typer.Option(metavar="P", help="Whose key it is.")] = "",
    region: Annotated[str, typer.Option(metavar="R", help="The provider's region.")] = "",
    base_url: Annotated[
        str, typer.Option("--base-url", metavar="URL", help="Another address than the provider's.")
    ] = "",
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the key from standard input.")] = False,
    team: Annotated[str, typer.Option(metavar="T", help="Label: team.")] = "",
    project: Annotated[str, typer.Option(metavar="P", help="Label: project.")] = "",
    environment: Annotated[str, typer.Option(metavar="E", help="Label: environment.")] = "",
    user: Annotated[str, typer.Option(metavar="U", help="Label: user.")] = "",
    rotate_every: Annotated[str, typer.Option("--rotate-every", metavar="90d", help="When it is due again.")] = "",
    expires: Annotated[str, typer.Option(metavar="DATE", help="The day it ends at the provider.")] = "",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Don't try it at the provider.")] = False,
    allow_http: Annotated[
        bool,
        typer.Option("--allow-http", help="Also send it over plain http to a private address (10.*, 192.168.* …)."),
    ] = False,
) -> None:
    """Put a key into the vault.

    The key is asked for, or read from standard input; never give it as an argument. It is tried on the provider's
    cheapest endpoint: a key that the provider refuses is not stored, one that could not be tried is.
    """
    from aikeys.cli.commands.init import require_or_offer
    from aikeys.cli.labels import typed_labels
    from aikeys.names import key_name
    from aikeys.secret import KeySecret

    key_name(name)
    where = home.place()
    made = require_or_offer(where)
    given_labels = {"team": team, "project": project, "environment": environment, "user": user}
    labels = home.labels_text(**typed_labels(given_labels, ()))
    rotate_every_s = home.duration_s(rotate_every) if rotate_every else 0
    expires_at = end_of(expires)
    catalogue = home.catalogue(where)
    opened = made or home.unlock(where, data_on_stdin=stdin).opened
    _refuse_taken(opened.rows, name)
    _say_unless_known(catalogue, name, provider)
    asked = f"{name} ({provider})" if provider and provider != name else name
    secret = home.read_secret(f"Key for {asked}", from_stdin=stdin)
    chosen = choose_provider(catalogue, name, provider, secret)
    url = address(chosen, region, base_url, allow_http=allow_http)
    check_format(chosen, secret)
    if not no_verify:
        given = {"provider": provider, "region": region, "base-url": base_url, **given_labels}
        given |= {"rotate-every": rotate_every, "expires": expires}
        flags = [flag for flag, is_given in (("--stdin", stdin), ("--allow-http", allow_http)) if is_given]
        again = command_line(name, given, flags)
        lent = KeySecret(secret.reveal(), allows_http=allow_http)
        verify_or_refuse(chosen, url, lent, f"add it anyway: {again} --no-verify")
    new = new_key(name, chosen, url, secret, allow_http=allow_http)._replace(
        region=region, labels=labels, rotate_every_s=rotate_every_s, expires_at=expires_at
    )
    store(where, opened, new)
    terminal.say(f"added {name} ({chosen.title})")
    say_without_address(chosen, name, url)


def command_line(name: str, given: dict[str, str], flags: list[str]) -> str:
    """Return `aikeys add` with what was given, to be copied into a shell."""
    import shlex

    words = [word for option, value in given.items() if value for word in (f"--{option}", value)]
    return shlex.join(["aikeys", "add", name, *words, *flags])


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


def _refuse_taken(rows: Rows, name: str) -> None:
    """Say that a name is taken before anybody types a key; the change itself checks again."""
    if rows.key_named(name):
        raise ExistsAlready(
            f"a key named {name} exists",
            f"replace its secret: aikeys rotate {name}; or keep both: aikeys add {name}-2 --provider …",
        )


def _say_unless_known(catalogue: dict[str, Provider], name: str, wanted: str) -> None:
    """Say before anybody types a key that no provider has the name; NotFound for one that was given."""
    from aikeys.providers.catalogue import find, near_names

    if wanted:
        find(catalogue, wanted)
    elif name not in catalogue and (near := near_names(name.lower(), catalogue)):
        terminal.say(f"no provider is named {name}, {near} Else its key's format has to tell whose it is")


def choose_provider(catalogue: dict[str, Provider], name: str, wanted: str, secret: Secret) -> Provider:
    """Return the provider named, else the one of the key's name, else the one whose format the key has."""
    from aikeys.providers import recognition
    from aikeys.providers.catalogue import find, near_names

    if wanted:
        return find(catalogue, wanted)
    guess = recognition.guess(catalogue, secret.reveal().decode())
    if name in catalogue:
        if guess and guess != name:
            terminal.warn(f"this looks like a key of {catalogue[guess].title}; stored as {catalogue[name].title}")
        return catalogue[name]
    if guess:
        terminal.say(f"recognised as a key of {catalogue[guess].title}")
        return catalogue[guess]
    near = near_names(name.lower(), catalogue)
    raise NotFound(
        f"whose key {name} is cannot be told from it",
        f"{near} {near and 'else '}say it: aikeys add {name} --provider NAME".strip(),
    )


def address(provider: Provider, region: str, base_url: str, *, allow_http: bool = False) -> str:
    """Return the base URL of a new key."""
    from aikeys.providers.catalogue import check_base_url

    if base_url and region:
        raise Usage("give --region or --base-url, not both", "a base URL stands for itself")
    url = check_base_url(base_url) if base_url else provider.base_url_for(region)
    check_listeners(url, allow_http=allow_http)
    return url


def check_listeners(url: str, *, allow_http: bool = False) -> None:
    """Refuse an address that takes a key in the clear, but this machine and, where allowed, a private network.

    Which address a name means is looked at whenever a connection is made.
    """
    from urllib.parse import urlsplit

    from aikeys.network.addresses import listeners
    from aikeys.providers.transport import may_be_plain

    who = listeners(url)
    if not who:
        return
    if not may_be_plain(url) or (who == "far" and not allow_http):
        raise Usage(
            f"{url} is plain http to another machine: anybody on the way could read the key",
            "give an https address; plain http is for this machine and, with --allow-http, for private networks",
        )
    if not allow_http:
        raise Usage(
            f"{url} is plain http: whoever is on that network can read the key",
            "give an https address, or allow it for this key: --allow-http",
        )
    host = urlsplit(url).hostname
    terminal.warn(f"{url} is plain http: whoever is on that network can read the key; {host} must be a private address")


def warn_of_listeners(url: str, name: str) -> None:
    """Say that a key which is taken over with a plain http address is sent nowhere yet."""
    from aikeys.network.addresses import listeners

    if listeners(url):
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


def content_for(provider: Provider, base_url: str, secret: bytes, *, allow_http: bool = False) -> Content:
    """Return all that exec needs of a key, to be sealed with it."""
    from aikeys.network.addresses import listeners
    from aikeys.vault.format import Content

    sets = base_url if provider.sets_base_url(base_url) else ""
    allows = allow_http and bool(listeners(base_url))  # a flag that says nothing now would say something later
    return Content(secret, provider.env, provider.base_url_env, sets, (), provider.clear, allows)


def new_key(name: str, provider: Provider, base_url: str, secret: Secret, *, allow_http: bool = False) -> NewKey:
    """Return a key to add, without labels and dates."""
    from aikeys.providers.recognition import is_admin
    from aikeys.vault.changes import NewKey

    admin = is_admin(provider, secret.reveal().decode())
    content = content_for(provider, base_url, secret.reveal(), allow_http=allow_http)
    return NewKey(name, provider.name, "", base_url, "", admin, 0, 0, content)


def store(where: Place, opened: Opened, new: NewKey) -> None:
    """Write a new key into the vault."""
    from aikeys.cli.renewal import renewing
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
