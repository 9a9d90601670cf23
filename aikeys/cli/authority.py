"""The choke point of the command line: who runs this command, and may they.

Without AIKEYS_TOKEN it is the owner of the vault, who may do everything an unlock method opens. With it, it is the
bearer of that token: tokens/admission.py lists every command with the scopes it takes, and what is not listed there is
the owner's alone. Every decision is in the audit log: a use whose entry cannot be written is refused, while a refusal
stands without one. `exec` comes here by itself, before Typer is imported.

On a copy of a home (vault.db and a token) the ledger is missing: one with an id of its own is started there.

With AIKEYS_GATEWAY, or after `aikeys login`, the commands of admission.AT_GATEWAY ask that gateway, which decides what
the token may: this machine needs no vault and no ledger, and gets none.
"""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.errors import AikeysError, Denied, MachineFailed, TokenRefused, UsageError
from aikeys.storage.files import is_there
from aikeys.tokens import admission

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aikeys.ledger.store import Ledger
    from aikeys.remote.client import Gateway
    from aikeys.remote.login import Login
    from aikeys.tokens.sight import Sight
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.admission import Access, Holder, TokenVerifier

VARIABLE = "AIKEYS_TOKEN"
GATEWAY = "AIKEYS_GATEWAY"
_LOGIN_FILE = "login.json"


class _Keeper:
    """The one token verifier of this process."""

    def __init__(self) -> None:
        self.token_verifier: TokenVerifier | None = None
        self.holder: Holder | None = None


_token_verifier = _Keeper()


def is_holder() -> bool:
    """Tell whether a token was given."""
    return bool(os.environ.get(VARIABLE, "").strip())


def enter(command: str) -> None:
    """Return where the command may be run; Denied (20) naming the scope, TokenRefused (21)."""
    if command in admission.AT_GATEWAY and gateway_url():
        return
    if command in admission.NOT_AT_GATEWAY and (url := gateway_url()):
        raise UsageError(
            f"aikeys {command} cannot be done through a gateway, and AIKEYS_GATEWAY or a login names {url}",
            f"run it where the gateway's vault is; for the vault of this machine: unset {GATEWAY}, or aikeys logout",
        )
    takes = admission.of_command(command)
    if not is_holder() or takes == admission.FREE:
        return
    if takes is None:
        who = holder() if _place().vault.exists or not gateway_url() else None
        _record(who.shown_id if who else "", command, "owner", "denied")
        raise Denied(f"aikeys {command} is for the owner of the vault: no token can do it", f"unset {VARIABLE}")
    require(command)


def require(way: str) -> "Holder":
    """Return the holder where the token has what a command, or one of its ways such as `exec --metered`, takes.

    Denied names the first scope it lacks and who could grant it.
    """
    from aikeys.tokens.token_request import grantor

    command, scopes = way.partition(" --")[0], admission.of_command(way)
    if scopes is None:
        raise Denied(f"aikeys {way} is for the owner of the vault: no token can do it", f"unset {VARIABLE}")
    who = _admitted(command)
    lacking = next((scope for scope in scopes if not who.may(scope)), "")
    _record(who.shown_id, command, ",".join(scopes), "denied" if lacking else "ok")
    if lacking:
        elsewhere = "; or use a gateway: set AIKEYS_GATEWAY" if (command, lacking) == ("prompt", "env:read") else ""
        raise Denied(
            f"token {who.shown_id} may not run aikeys {command}: it lacks the scope {lacking}",
            grantor(lacking) + elsewhere,
        )
    return who


@contextmanager
def watched(command: str) -> "Iterator[None]":
    """Put what is denied while a command runs into the audit log, too."""
    try:
        yield
    except Denied:
        if is_holder() and _token_verifier.holder is not None:
            _record(_token_verifier.holder.shown_id, command, "", "denied")
        raise


def admit_again() -> None:
    """Check the token once more, at the next look of what goes on and on; TokenRefused once it is over."""
    if is_holder():
        _token_verifier.holder = None
        _admitted("")


def admitted_now() -> "Holder":
    """Return the holder; TokenRefused, Damaged."""
    return _admitted("")


def admitted_quietly() -> "Holder | None":
    """Return the holder, None where the token is refused; nothing is recorded: a shell asks at every tab."""
    try:
        return token_verifier().admit(os.environ[VARIABLE], clock.now_s())
    except AikeysError:
        return None


def refuse_on_copy(command: str) -> None:
    """Raise Denied where a token would change a copy of a home: nobody but this copy would learn of it."""
    if is_holder() and token_verifier().is_copy:
        raise Denied(
            f"this is a copy of the vault: aikeys {command} with a token would change nothing but the copy",
            f"run it where the vault is, or through its gateway: set {GATEWAY}",
        )


def holder() -> "Holder | None":
    """Return who stands behind AIKEYS_TOKEN, None where the owner is at work; TokenRefused, Damaged."""
    return _admitted("") if is_holder() else None


def sight() -> "Sight":
    """Return what whoever runs this command may see of calls, sums and budgets; TokenRefused, Damaged."""
    from aikeys.tokens.sight import EVERYTHING, sight_of

    who = holder()
    if who is None:
        return EVERYTHING
    return sight_of(who.claims, who.above, [key.name for key in rows_reached().keys])


def sees_calls() -> bool:
    """Tell whether whoever runs this command may see everybody's calls."""
    who = holder()
    return who is None or who.may("usage:read")


def gateway_url() -> str:
    """Return the gateway that is asked: AIKEYS_GATEWAY, or where this home is logged in; "" where there is none.

    A token in the environment goes with an address in the environment: never to one that was stored.
    """
    given = os.environ.get(GATEWAY, "").strip()
    if given:
        from aikeys.remote.client import checked_url

        return checked_url(given)
    login = None if is_holder() else _login()
    return login.url if login else ""


def gateway() -> "Gateway | None":
    """Return the gateway that is asked, with its token; TokenRefused (21) where there is none for it."""
    from aikeys.cli import home

    url = gateway_url()
    if not url:
        return None
    from aikeys.remote import login as logins
    from aikeys.remote.client import Gateway
    from aikeys.secret import Secret
    from aikeys.tokens import text

    if is_holder():
        token = Secret(os.environ[VARIABLE].strip().encode("utf-8", "surrogateescape"))
    elif (known := _login()) is not None and known.url == url:
        token = logins.token_of(home.folder(), known)
    else:
        raise TokenRefused(f"there is no token for the gateway {url}", f"set {VARIABLE}, or run: aikeys login {url}")
    text.read(token.reveal().decode("ascii", "replace"))  # a typo is told before anybody is asked
    return Gateway(url, token)


def _login() -> "Login | None":
    from aikeys.cli import home

    folder = home.folder()
    if not is_there(os.path.join(folder, _LOGIN_FILE)):  # the usual answer, without an import
        return None
    from aikeys.remote import login

    return login.read(folder)


def access() -> "Access":
    """Return the vault as the token opens it."""
    return token_verifier().access_of(_admitted(""))


def rows_in_scope() -> "Rows":
    """Return the vault's rows without the keys that the token is not for."""
    if not _admitted("").claims.is_granted_keys:
        return token_verifier().rows._replace(keys=(), versions=())
    return rows_reached()


def rows_reached() -> "Rows":
    """Return the vault's rows with the keys that the token names, whether or not it opens any."""
    who = _admitted("")
    rows = token_verifier().rows
    keys = tuple(key for key in rows.keys if who.claims.reaches(key.id))
    ids = {key.id for key in keys}
    return rows._replace(keys=keys, versions=tuple(row for row in rows.versions if row.key_id in ids))


def token_verifier() -> "TokenVerifier":
    """Return what checks tokens in this process."""
    from aikeys.vault.tokens.admission import TokenVerifier

    if _token_verifier.token_verifier is None:
        where = _place()
        _token_verifier.token_verifier = TokenVerifier(where, where.ledger)
    return _token_verifier.token_verifier


def ledger_of_copy(where: "Place", ledger: "Ledger") -> "Ledger":
    """Return the ledger, opened; on a copy of a home that has none, a new one with an id of its own."""
    if not ledger.exists:
        where.vault.require()
        return ledger.open_or_create(os.urandom(16), clock.local_zone(os.environ))
    return ledger.open()


def record_denied(command: str, keys: "Sequence[Key]") -> None:
    """Put into the audit log that a token was refused keys it is not for."""
    who = _admitted(command)
    out = [key.name for key in keys if not who.claims.reaches(key.id)]
    _record(who.shown_id, command, "env:read", "denied", f"keys={','.join(out)}")


def _admitted(command: str) -> "Holder":
    if _token_verifier.holder is None:
        try:
            _token_verifier.holder = token_verifier().admit(os.environ[VARIABLE], clock.now_s())
        except AikeysError as refusal:
            _record(_id_in(os.environ[VARIABLE]), command, "", refusal.code)
            raise
    return _token_verifier.holder


def _id_in(given: str) -> str:
    """Return the id of a token that was refused, nothing where not even that can be read."""
    from aikeys.tokens import text

    try:
        return text.read(given).name
    except AikeysError:
        return "unreadable"


def _record(token: str, command: str, scopes: str, status: str, more: str = "") -> None:
    """Put a decision into the audit log: a use without its entry is refused, a refusal stands without one."""
    from aikeys.ledger.store import Act

    if not token:
        return
    where = _place()
    words = [f"command={command.replace(' ', '-')}"] if command else []
    words += [f"scopes={scopes}"] if scopes else []
    words += [more] if more else []
    try:
        ledger = ledger_of_copy(where, where.ledger)
        ledger.event(Act("access", token, " ".join(words)), status)
        ledger.close()
    except (AikeysError, OSError) as failure:
        if status == "ok":
            raise _not_recorded(command, failure) from None


def _not_recorded(command: str, failure: AikeysError | OSError) -> AikeysError:
    """Return why a use is refused: nobody could see afterwards that it was made."""
    if not isinstance(failure, AikeysError):
        failure = MachineFailed(f"cannot write the ledger: {failure.strerror}")
    return type(failure)(f"aikeys {command} cannot be recorded, so it is refused: {failure.message}", failure.hint)


def _place() -> "Place":
    from aikeys.cli import home

    return home.place()
