"""`aikeys doctor`: look for what is wrong or unsafe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.lost_calls import WAY_OUT, book_lost_calls, sentence
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError, Findings

if TYPE_CHECKING:
    from aikeys.vault.format import Rows, UnlockMethod
    from aikeys.vault.opening import Place

app = new_app()
_HOUR_US = 3_600_000_000
_EXAMPLES = (("aikeys doctor", "once after setting up, and when something is odd"),)


class Check(NamedTuple):
    """One thing looked at; `hint` is empty when it is well."""

    name: str
    finding: str
    hint: str = ""


@app.command(epilog=epilog(_EXAMPLES, (0, 25)))
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look for what is wrong or unsafe: files, chain, unlock methods, keys and tokens that are due, stray variables.

    With AIKEYS_TOKEN: whether that token is valid and which keys it opens, and nothing of others.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    checks = list(_checks(home.place()))
    found = [check for check in checks if check.hint]
    if as_json:
        rows = [{**check._asdict(), "ok": not check.hint} for check in checks]
        terminal.out(document("aikeys.doctor/1", checks=rows))
    else:
        lines = [["!" if check.hint else "ok", check.name, check.finding, check.hint] for check in checks]
        terminal.out_styled(table(("", "CHECK", "FOUND", "WHAT TO DO"), lines))
    if found:
        raise Findings(f"{len(found)} of {len(checks)} checks found something", found[0].hint)


def _checks(where: Place) -> Iterator[Check]:
    from aikeys.cli import authority
    from aikeys.vault.opening import picture

    if authority.is_bearer() and where.vault.exists:
        from aikeys.cli import token_checks

        yield from token_checks.checks(where)
        return
    try:
        rows = picture(where)
    except AikeysError as error:
        yield Check("vault", error.message, error.hint or "see aikeys-vault(5)")
        return
    yield Check("vault", f"{counted(len(rows.keys), 'key')}, epoch {rows.manifest.epoch}")
    yield from file_checks(where)
    yield from ledger_checks(where, rows)
    yield from _unlock_checks(rows)
    yield from _key_checks(rows)
    yield from _token_checks(where)
    yield from environment_checks(where, rows)


def file_checks(where: Place) -> Iterator[Check]:
    """Yield which files others can read, and whether the reserve is there."""
    from shlex import quote

    from aikeys.cli import authority
    from aikeys.storage import ballast
    from aikeys.vault.unlock import key_file

    for path in (where.home, where.vault.path, where.ledger.path):
        if key_file.readable_by_others(path):
            mode = "700" if os.path.isdir(path) else "600"
            yield Check("files", f"{path} can be read by others", f"chmod {mode} {quote(path)}")
    given = os.environ.get("AIKEYS_PASSPHRASE_FILE", "")
    if given and os.path.isfile(given) and key_file.readable_by_others(given):
        yield Check("passphrase file", f"{given} can be read by others", f"chmod 600 {quote(given)}")
    if not authority.is_bearer() and not ballast.is_there(where.home):
        finding = "the reserve that lets revoke work on a full disk is missing"
        yield Check("ballast", finding, "make room on the disk; the next change of the vault makes it again")


def ledger_checks(where: Place, rows: Rows) -> Iterator[Check]:
    """Yield whether the ledger is whole, and what it says of the clock and of alerts."""
    from aikeys.alerts import outbox
    from aikeys.budgets.verify import verify_budgets
    from aikeys.ledger.verify import Known, verify
    from aikeys.sealing import is_signed

    ledger = where.ledger
    try:
        held = book_lost_calls(ledger.open())
        verdict = verify(ledger, Known(frozenset({rows.header.signing_public}), is_signed))
        verify_budgets(ledger)
        last = ledger.entries(1)
        with ledger.reading() as connection:
            counts = outbox.counts(connection).items()
    except AikeysError as error:
        yield Check("ledger", error.message, error.hint or "put an unchanged copy back")
        return
    finally:
        ledger.close()
    unsigned = verdict.head.number - verdict.signed
    signed = f"the last {unsigned} not signed yet" if unsigned else "all signed"
    entries = f"{verdict.head.number} {'entry' if verdict.head.number == 1 else 'entries'}"
    yield Check("ledger", f"{entries}, complete; {signed}")
    if last and last[0][0].at_us > clock.now_us() + _HOUR_US:
        at = clock.rfc3339(last[0][0].at_us / 1e6)
        yield Check("clock", f"the ledger has an entry of {at}, later than this machine's clock", "set the clock")
    if held is not None:
        yield Check("calls", sentence(held), WAY_OUT)
    given_up = sum(count for (_, state), count in counts if state == outbox.GIVEN_UP)
    if given_up:
        yield Check(
            "alerts", f"{counted(given_up, 'message')} could not be delivered and given up", "aikeys alert list"
        )


def _unlock_checks(rows: Rows) -> Iterator[Check]:
    from aikeys.vault.unlock import key_file
    from aikeys.vault.unlock.methods import KEY_FILE, KEYRING, RECOVERY
    from aikeys.vault.unlock.order import quietly

    kinds = {method.kind for method in rows.methods}
    if KEYRING in kinds and len(kinds) == 1:
        yield Check("unlock", "only the OS keyring opens the vault", "aikeys unlock-method add recovery")
    elif RECOVERY not in kinds and len(rows.methods) == 1:
        yield Check("unlock", "one unlock method and no recovery code", "aikeys unlock-method add recovery")
    else:
        yield Check("unlock", ", ".join(sorted(kinds)))
    for method in rows.methods:
        if method.kind == KEYRING and (lost := _lost_entry(rows, method)):
            yield Check("keyring", lost, "aikeys unlock-method remove keyring, then aikeys unlock-method add keyring")
        if method.kind == KEY_FILE and os.path.exists(method.place) and key_file.readable_by_others(method.place):
            yield Check("key file", f"{method.place} can be read by others", f"chmod 600 {method.place}")
    try:
        opened = quietly(rows, home.means())
        yield Check("open", "opens without a question" if opened else "needs a passphrase or code")
    except AikeysError as error:
        yield Check("open", error.message, error.hint)


def _lost_entry(rows: Rows, method: UnlockMethod) -> str:
    """Return why the OS keyring does not open the vault, empty where it does."""
    from aikeys.vault.unlock import os_keyring
    from aikeys.vault.unlock.order import entry_name

    try:
        found = os_keyring.load(method.place, entry_name(rows.header, method))
    except AikeysError as error:
        return error.message
    return "" if found else "the OS keyring has no entry for this vault: it was deleted, or this is another machine"


def _key_checks(rows: Rows) -> Iterator[Check]:
    from aikeys.rotation.due import due_reason

    for key in sorted(rows.keys, key=lambda key: key.name):
        reason = due_reason(rows, key, clock.now_s())
        if reason:
            yield Check(f"key {key.name}", reason, f"aikeys rotate {key.name}")


def _token_checks(where: Place) -> Iterator[Check]:
    from aikeys.cli.token_register import ending, named
    from aikeys.tokens.visibility import left_text
    from aikeys.vault.revoking import missing_revocations, moved_untold, read_tokens

    try:
        tokens = read_tokens(where)
        with closing(where.ledger) as ledger:
            lost = missing_revocations(where, ledger.open())
            untold = moved_untold(tokens, ledger)
    except AikeysError as error:
        yield Check("tokens", error.message, error.hint or "see aikeys-vault(5)")
        return
    now_s = clock.now_s()
    count = sum(tokens.state(token_id, now_s) == "active" for token_id in tokens.chains)
    if tokens.chains:
        yield Check("tokens", f"{count} active of {len(tokens.chains)}")
    for token_id in tokens.wrong:
        finding = "its row was edited or forged; it opens nothing"
        yield Check(f"token {token_id}", finding, "find out who could write vault.db, then: aikeys token prune")
    for token_id in lost:
        finding = "its revocation was removed from the vault; it stays revoked, the ledger has it"
        yield Check(f"token {token_id}", finding, "find out who could write vault.db, then: aikeys token prune")
    for moved_id, before in untold.items():
        finding = f"the vault took it over, and the ledger still counts it for {before.hex()}: a command was killed"
        yield Check(f"token {moved_id.hex()}", finding, f"aikeys token revoke {before.hex()} --keep-children")
    for claims in ending(where, now_s):
        hint = "issue another: aikeys token issue, or revoke it"
        yield Check(f"token {named(claims)}", f"expires {left_text(claims.expires_at, now_s)}", hint)


def environment_checks(where: Place, rows: Rows) -> Iterator[Check]:
    """Yield the variables of this shell that stand in the way of exec."""
    try:
        catalogue = home.catalogue(where)
    except AikeysError as error:
        yield Check("config.toml", error.message, error.hint)
        return
    for key in sorted(rows.keys, key=lambda key: key.name):
        provider = catalogue.get(key.provider)
        for variable in (*provider.env, *provider.base_url_env) if provider else ():
            if os.environ.get(variable):
                yield Check("environment", f"{variable} is set in this shell", f"unset {variable}; use aikeys exec")
