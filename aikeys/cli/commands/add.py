"""`aikeys add`: put a key into the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import ExistsAlready, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.providers.catalogue import Provider
    from aikeys.secret import Secret
    from aikeys.vault.format import Rows

app = new_app()
_EXAMPLES = (
    ("aikeys add openai", "ask for the key, try it, seal it"),
    ("pass show openai | aikeys add openai-work --provider openai --stdin", "a second key of a provider, piped in"),
    ("aikeys add tavily --provider other --var TAVILY_API_KEY", "a key of any provider, and the variable it goes to"),
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
    file: Annotated[
        str, typer.Option("--file", metavar="F", help="Take a file as it is: a service account, a certificate.")
    ] = "",
    team: Annotated[str, typer.Option(metavar="T", help="Label: team.")] = "",
    project: Annotated[str, typer.Option(metavar="P", help="Label: project.")] = "",
    environment: Annotated[str, typer.Option(metavar="E", help="Label: environment.")] = "",
    user: Annotated[str, typer.Option(metavar="U", help="Label: user.")] = "",
    rotate_every: Annotated[str, typer.Option("--rotate-every", metavar="90d", help="When it is due again.")] = "",
    expires: Annotated[str, typer.Option(metavar="DATE", help="The day it ends at the provider.")] = "",
    var: Annotated[
        list[str] | None, typer.Option("--var", metavar="VAR", help="The variable exec sets it in; again for more.")
    ] = None,
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
    from aikeys.cli.keys.new_keys import (
        address,
        check_format,
        end_of,
        new_key,
        say_without_address,
        store,
        variables_of,
        verify_or_refuse,
    )
    from aikeys.cli.keys.new_vault import require_or_offer
    from aikeys.cli.prompts.labels import typed_labels
    from aikeys.names import key_name
    from aikeys.secret import KeySecret

    key_name(name)
    variables = variables_of(var or ())
    if file and (stdin or provider != "other"):
        form = f"aikeys add {name} --provider other --file F --var VAR"
        raise UsageError(
            "a file is a secret of no provider of models" if not stdin else "--file and --stdin exclude each other",
            form,
        )
    where = home.place()
    made = require_or_offer(where)
    given_labels = {"team": team, "project": project, "environment": environment, "user": user}
    labels = home.labels_text(**typed_labels(given_labels, ()))
    rotate_every_s = home.duration_s(rotate_every) if rotate_every else 0
    expires_at = end_of(expires)
    catalogue = home.catalogue(where)
    opened = made or home.unlock(where, data_on_stdin=stdin, check=lambda rows: _refuse_taken(rows, name)).opened
    _refuse_taken(opened.rows, name)
    _say_unless_known(catalogue, name, provider)
    asked = f"{name} ({provider})" if provider and provider != name else name
    secret = _of_file(file) if file else home.read_secret(f"Key for {asked}", from_stdin=stdin)
    chosen = choose_provider(catalogue, name, provider, secret)
    url = address(chosen, region, base_url, allow_http=allow_http)
    check_format(chosen, secret)
    if not no_verify:
        given = {"provider": provider, "region": region, "base-url": base_url, **given_labels}
        given |= {"rotate-every": rotate_every, "expires": expires}
        flags = [flag for flag, is_given in (("--stdin", stdin), ("--allow-http", allow_http)) if is_given]
        flags += [word for variable in variables for word in ("--var", variable)]
        again = command_line(name, given, flags)
        lent = KeySecret(secret.reveal(), allows_http=allow_http)
        verify_or_refuse(chosen, url, lent, f"add it anyway: {again} --no-verify")
    new = new_key(name, chosen, url, secret, allow_http=allow_http, variables=variables)._replace(
        region=region, labels=labels, rotate_every_s=rotate_every_s, expires_at=expires_at
    )
    store(where, opened, new)
    terminal.say(f"added {name} ({chosen.title})")
    say_without_address(chosen, name, url)
    terminal.say(f"next: aikeys exec {name} -- COMMAND")


def _of_file(path: str) -> Secret:
    """Return a file's bytes as a secret; NotFound, UsageError."""
    from aikeys.secret import Secret

    try:
        with open(path, "rb") as file:
            data = file.read(terminal.SECRET_LIMIT_BYTES + 1)
    except OSError as error:
        raise NotFound(f"cannot read {terminal.printable(path)}: {error.strerror}", "check --file") from None
    if not data or len(data) > terminal.SECRET_LIMIT_BYTES or b"\0" in data:
        raise UsageError(f"{terminal.printable(path)} is not a text of at most 64 KiB", "name the file of the secret")
    try:
        data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{terminal.printable(path)} is not text in UTF-8", "name the file of the secret") from None
    return Secret(data)


def command_line(name: str, given: dict[str, str], flags: list[str]) -> str:
    """Return `aikeys add` with what was given, to be copied into a shell."""
    import shlex

    words = [word for option, value in given.items() if value for word in (f"--{option}", value)]
    return shlex.join(["aikeys", "add", name, *words, *flags])


def _refuse_taken(rows: Rows, name: str) -> None:
    """Say that a name is taken before anybody types a key; the change itself checks again."""
    if rows.key_named(name):
        raise ExistsAlready(
            f"a key named {name} exists",
            f"replace its secret: aikeys rotate {name}; or keep both: aikeys add {name}-2 --provider …",
        )


def _say_unless_known(catalogue: dict[str, Provider], name: str, wanted: str) -> None:
    """Say before anybody types a key that no provider has the name; NotFound for one that was given."""
    from aikeys.names import meant
    from aikeys.providers.catalogue import find

    if wanted:
        find(catalogue, wanted)
    elif name not in catalogue and (near := meant(name.lower(), catalogue, most=3)):
        terminal.say(f"no provider is named {name}, {near} Else its key's format has to tell whose it is")


def choose_provider(catalogue: dict[str, Provider], name: str, wanted: str, secret: Secret) -> Provider:
    """Return the provider named, else the one of the key's name, else the one whose format the key has."""
    from aikeys.names import meant
    from aikeys.providers import recognition
    from aikeys.providers.catalogue import find

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
    near = meant(name.lower(), catalogue, most=3)
    raise NotFound(
        f"cannot tell which provider the key {name} belongs to",
        f"{near} {near and 'else '}say it: aikeys add {name} --provider NAME".strip(),
    )
