"""`aikeys gateway`: one endpoint for every provider, metered."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import BadConfiguration

if TYPE_CHECKING:
    from aikeys.gateway.background import OpenKeys
    from aikeys.gateway.serve import WorkerSetup
    from aikeys.gateway.settings import Settings
    from aikeys.vault.opening import Place

app = new_app()
_EXAMPLES = (
    ("aikeys gateway", "serve on 127.0.0.1:8787, and say what to copy into a client"),
    ("aikeys gateway --write-credential gateway.cred", "the credential of a sealed gateway"),
    ("aikeys gateway --sealed --credential gateway.cred --workers 2", "holds no vault key: opens nothing by itself"),
    ("aikeys gateway --print-systemd", "a unit with credentials and hardening"),
)
_NOTES = """
Clients send a token (aikeys token issue --for app) where they would send a provider's key. Every call is authorised,
reserved against the budgets, metered and recorded before its reply is over. aikeys-gateway(7) lists the routes, the
lines for clients and the errors.

It is served under the names of this machine only; add others to config.toml: [gateway] hosts = ["ai.example.com"].
An address that other machines reach needs TLS, its own or that of a proxy.

A sealed gateway sends alerts that need a password with a token of its own: AIKEYS_TOKEN, with alert:send and env:read.

It stops on SIGTERM or Ctrl-C when what is under way has come to its end; a second one cuts that off
and settles it, a third ends immediately.
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 130), _NOTES))
def gateway(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 127.0.0.1 is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="The port.")] = 8787,
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Hold no vault key: only what tokens bring opens keys.")
    ] = False,
    credential: Annotated[
        str, typer.Option(metavar="FILE", help="The credential of a sealed gateway; under systemd it is found.")
    ] = "",
    workers: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="How many processes serve; limits hold for all together.")
    ] = 1,
    tls_cert: Annotated[str, typer.Option("--tls-cert", metavar="FILE", help="The certificate (PEM).")] = "",
    tls_key: Annotated[str, typer.Option("--tls-key", metavar="FILE", help="Its key (PEM).")] = "",
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy", help="A proxy in front brings TLS; the client's address is in its X-Forwarded-For."
        ),
    ] = False,
    no_proxy: Annotated[
        bool, typer.Option("--no-proxy", help="Do not use HTTPS_PROXY; as [gateway] proxy = false.")
    ] = False,
    write_credential: Annotated[
        str,
        typer.Option("--write-credential", metavar="FILE", help="Write the credential of a sealed gateway, and end."),
    ] = "",
    print_systemd: Annotated[
        bool, typer.Option("--print-systemd", help="Print a systemd unit for a sealed gateway, and end.")
    ] = False,
) -> None:
    """Serve every provider under one address, within budgets that cannot be overspent."""
    gc.disable()  # what is loaded now stays: looking for garbage among it takes a tenth of the start
    from aikeys.gateway.settings import Settings

    settings = Settings(host, port, workers, sealed, tls_cert, tls_key, behind_proxy, uses_proxy=not no_proxy)
    if print_systemd:
        from aikeys.gateway.systemd import unit

        settings.check()
        terminal.out(unit(settings, home.folder(), os.environ.get("AIKEYS_LEDGER", "")))
        return
    where = home.place()
    if write_credential:
        _write_credential(where, write_credential)
        return
    settings.check()  # before anybody is asked for a passphrase
    _serve(_means(where, settings, credential))


def _write_credential(where: Place, path: str) -> None:
    from aikeys.gateway import credential
    from aikeys.ledger.store import Act

    opened = home.unlock(where).opened
    credential.write(path, opened.rows.header, opened.gateway_key())
    ledger = where.ledger.open()
    ledger.event(Act("gateway credential", "vault"), signer=opened.signer())
    ledger.close()
    terminal.say(f"wrote {terminal.printable(path)}; with a token it opens what the token is for, alone nothing")


def _means(where: Place, settings: Settings, given: str) -> WorkerSetup:
    """Open what the gateway needs, and forget the vault's key."""
    from aikeys.cli.models import model_index
    from aikeys.gateway import credential
    from aikeys.gateway.alert_keys import AlertKeys
    from aikeys.gateway.serve import WorkerSetup
    from aikeys.gateway.state import Knowledge
    from aikeys.vault.opening import picture

    index = model_index(where, None)
    knowledge = Knowledge(index.settings, index.catalogue, index.book)
    settings = settings._replace(
        hosts=(*index.settings.gateway_hosts, *_own_names(settings)),
        uses_proxy=settings.uses_proxy and index.settings.gateway_uses_proxy,
    )
    if settings.is_sealed:
        rows = picture(where)
        private = credential.read(credential.path_of(given, dict(os.environ)), rows.header)
        return WorkerSetup(where, private, settings, knowledge, None, _keys_of_service_token(where))
    if given:
        raise BadConfiguration("--credential is for a sealed gateway", "add --sealed, or leave it out")
    opened = home.unlock(where).opened
    return WorkerSetup(where, opened.gateway_key(), settings, knowledge, opened.signer(), AlertKeys(where, opened))


def _own_names(settings: Settings) -> tuple[str, ...]:
    """Return under which names other machines reach this one, beside those of config.toml."""
    from socket import gethostname

    from aikeys.gateway.http.hosts import names_of_certificate

    if settings.is_loopback:
        return ()
    return (gethostname(), *(names_of_certificate(settings.tls_cert) if settings.tls_cert else ()))


def _keys_of_service_token(where: Place) -> OpenKeys | None:
    """Return what opens the passwords of alerts where AIKEYS_TOKEN may hold them."""
    from aikeys.cli import authority
    from aikeys.gateway.alert_keys import AlertKeys

    if not authority.is_holder():
        return None
    authority.require("gateway")
    return AlertKeys(where, authority.access())


def _serve(means: WorkerSetup) -> None:
    from aikeys import own_memory
    from aikeys.budgets.recovery import recover
    from aikeys.cli.prompts.session import tell_of_the_dead
    from aikeys.gateway.serve import listening_socket, run
    from aikeys.ledger.rollups import keep_tags

    own_memory.protect()
    _say_proxy(means.settings)
    sock = listening_socket(means.settings)
    settings = means.settings._replace(port=sock.getsockname()[1])
    means.settings, means.say_all = settings, terminal.say_all
    ledger = means.place.ledger.open()
    tell_of_the_dead(recover(ledger))
    keep_tags(ledger, means.knowledge.config.rolled_tags)
    ledger.close()
    status = run(means, sock, terminal.say, lambda: _serving(settings))
    if status:
        raise typer.Exit(status)


def _say_proxy(settings: Settings) -> None:
    """Say which proxy is taken, and what of NO_PROXY says nothing; BadProxy where a variable names none."""
    from aikeys.network.proxies import proxy_for, unreadable

    if not settings.uses_proxy:
        return
    proxy = proxy_for("https://provider.example", os.environ)  # any that NO_PROXY does not list
    if proxy is not None:
        terminal.say(f"reaching providers through the proxy {proxy.url}")
    if proxy is not None and (unread := unreadable(os.environ)):
        terminal.warn(f"NO_PROXY has entries that say nothing: {', '.join(unread)}")


def _serving(settings: Settings) -> None:
    from aikeys.gateway import ready

    terminal.say(f"for a client's shell, copy (any provider's models, as provider/model: {settings.url}/v1):")
    terminal.say_as_it_is(_lines(settings))
    terminal.say(f"serving on {settings.url}")
    ready.tell(os.environ)


def _lines(settings: Settings) -> list[str]:
    """Return what a shell can take as it is."""
    from shlex import quote  # an address in brackets would be a pattern

    addresses = {
        "OPENAI_BASE_URL": f"{settings.url}/openai/v1",
        "ANTHROPIC_BASE_URL": settings.url,
        "GOOGLE_GEMINI_BASE_URL": settings.url,
    }
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
    return [
        "  TOKEN=$(aikeys token issue --for app)",
        *(f"  export {name}={quote(url)}" for name, url in addresses.items()),
        *(f"  export {name}=$TOKEN" for name in keys),
    ]
