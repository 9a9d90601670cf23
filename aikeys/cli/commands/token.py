"""`aikeys token`: what aikeys lends for a while. Issue and revoke stand in files of their own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.commands import token_issue, token_revoke
from aikeys.cli.help import epilog, new_app
from aikeys.cli.render.counted import counted
from aikeys.errors import Damaged, TokenRefused, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aikeys.cli.render.token_rows import Row
    from aikeys.cli.token_register import Chain, Register
    from aikeys.tokens.text import TokenText
    from aikeys.vault.opening import Place

app = new_app()
_LIST = (
    ("aikeys token list", "what is lent now"),
    ("aikeys token list --all --team support --json", "for a script: expired and revoked ones, too"),
)
_SHOW = (
    ("aikeys token show 28aac159d3ccdbb4", "what it may do, who issued it, what it issued"),
    ("aikeys token show - < token.txt", "whose token this is, and whether it is whole"),
)
_SHOW_NOTES = """
A token is read from standard input only: an argument would stay in the shell's history. Without a vault its id and
checksum are all that can be told.
"""
_LONGEST_TOKEN_BYTES = 4096


@app.callback(epilog=epilog(token_issue.EXAMPLES[2:3], (3, 10, 11, 12, 13, 14, 20, 21)))
def token() -> None:
    """Issue, list and revoke tokens: what lends keys for a while, to a program, a person or a CI job."""


_ISSUE_STATUSES = (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)
app.command("issue", epilog=epilog(token_issue.EXAMPLES, _ISSUE_STATUSES, token_issue.NOTES))(token_issue.issue)
app.command("create", hidden=True, epilog=epilog(token_issue.EXAMPLES, _ISSUE_STATUSES, token_issue.NOTES))(
    token_issue.issue
)


@app.command("list", epilog=epilog(_LIST, (0, 2, 10, 12, 13, 14, 20, 21)))
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Expired, revoked and used ones, too.")] = False,
    team: Annotated[str, typer.Option("--team", metavar="T", help="Only those of this team.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="U", help="Only those of this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the tokens that are active. What ends within three days is marked with an exclamation mark.

    With AIKEYS_TOKEN: that token, those below it, and those that carry all of its labels. Rows that were edited or
    forged, and revocations that were removed from the vault, are named after the list, with exit status 13.
    """
    from aikeys.cli import authority, token_register

    now_s = clock.now_s()
    own = {name: value for name, value in (("team", team), ("user", user)) if value}
    gateway = authority.gateway()
    if gateway is not None:
        from aikeys.cli import remote_tokens

        rows = remote_tokens.rows(gateway, everything=everything, labels=own)
        _print_list(rows, everything=everything, as_json=as_json, authenticated=True)
        return
    where = token_register.place()
    _, authenticated = home.look(where)
    register = token_register.read(where)
    chains = [
        chain
        for token_id, chain in register.chains.items()
        if (everything or register.tokens.state(token_id, now_s) == "active")
        and own.items() <= dict(chain[0].labels).items()
    ]
    rows = _rows(where, register, sorted(chains, key=lambda chain: (chain[0].expires_at, chain[0].id)))
    _print_list(rows, everything=everything, as_json=as_json, authenticated=authenticated)
    _raise_wrong(where, register)


@app.command(epilog=epilog(_SHOW, (0, 2, 10, 12, 13, 14, 20, 21), _SHOW_NOTES))
def show(
    token: Annotated[
        str, typer.Argument(metavar="ID|-", help="Its id, its first digits or its name; - reads a token from stdin.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a token may do, its state, and the tokens above and below it."""
    from aikeys.cli import token_register

    given = _given() if token == "-" else None  # noqa: S105  a dash
    wanted = given.name if given else token_register.refuse_secret(token)
    if given is not None and not home.place().vault.exists:
        _print_bare(given, as_json=as_json)
        terminal.say("there is no vault here to look it up in")
        return
    where = token_register.place()
    home.look(where)
    register = token_register.read(where)
    if given is None:
        chain = register.token(wanted)
    else:
        found = _held(register, given)
        if isinstance(found, TokenRefused):
            _print_bare(given, as_json=as_json)
            raise found
        chain = found
    (row,) = _rows(where, register, [chain])
    _print_one(register, chain, row, as_json=as_json)


app.command(epilog=epilog(token_revoke.REVOKE, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))(token_revoke.revoke)
app.command(epilog=epilog(token_revoke.PRUNE, (0, 1, 10, 13, 14, 20, 21)))(token_revoke.prune)


def _print_list(rows: list[Row], *, everything: bool, as_json: bool, authenticated: bool) -> None:
    from aikeys.cli.render import token_rows
    from aikeys.cli.render.json_text import document

    if as_json:
        shown = [token_rows.fields(row) for row in rows]
        terminal.out(document("aikeys.tokens/1", tokens=shown, authenticated=authenticated))
    elif rows:
        _print(rows, clock.now_s(), with_state=everything)
    else:
        terminal.say("no tokens" if everything else "no active tokens; issue one: aikeys token issue")


def _print(rows: list[Row], now_s: int, *, with_state: bool) -> None:
    from aikeys.cli.render import token_rows
    from aikeys.cli.render.table import table

    headers, lines = [*token_rows.HEADERS], [token_rows.cells(row, now_s) for row in rows]
    if with_state:
        headers.insert(1, "STATE")
        for line, row in zip(lines, rows, strict=True):
            line.insert(1, row.state)
    terminal.out_styled(table(headers, lines))


def _rows(where: Place, register: Register, chains: Iterable[Chain]) -> list[Row]:
    """Return tokens with what is left of their budgets and their last calls, as far as this home's ledger knows.

    A token's bearer is told what they may see of them.
    """
    from aikeys.budgets.remaining import remaining
    from aikeys.budgets.who import TOKEN, Somebody, somebody
    from aikeys.cli import authority
    from aikeys.cli.render.token_rows import Row
    from aikeys.ledger.calendar import date_of
    from aikeys.ledger.token_acts import last_call_days
    from aikeys.vault.issuing import names_of

    tokens, chains, sight = register.tokens, list(chains), authority.sight()
    left: dict[Somebody, int] = {}
    days: dict[str, int] = {}
    now_us = clock.now_us()
    with closing(where.ledger) as ledger:
        if ledger.exists and ledger.open().ledger_id == tokens.rows.header.ledger_id:
            told = [chain[0].shown_id for chain in chains if sight.tells_budget_of(chain)]
            left = remaining(ledger, [somebody(TOKEN, each) for each in told], now_us)
            with ledger.reading() as connection:
                days = last_call_days(connection)
    rows = []
    for claims, *above in chains:
        gone = next((each.id for each in tokens.chains[claims.id] if each.id in tokens.revoked_us), None)
        day = days.get(claims.shown_id) if sight.tells_calls_of((claims, *above)) else None
        rows.append(
            Row(
                claims,
                names_of(tokens.rows, claims),
                tokens.state(claims.id, now_us // 1_000_000),
                None if gone is None else tokens.revoked_us[gone] // 1_000_000,
                left.get(somebody(TOKEN, claims.shown_id)),
                None if day is None else date_of(day).isoformat(),
            )
        )
    return rows


def _raise_wrong(where: Place, register: Register) -> None:
    """Say what nobody may have done to the tokens; an owner's matter, so a bearer is not told."""
    from aikeys.vault.revoking import missing_revocations

    if register.bearer is not None:
        return
    if register.tokens.wrong:
        ids = ", ".join(register.tokens.wrong)
        raise Damaged(
            f"{counted(len(register.tokens.wrong), 'token row')} edited or forged, opening nothing: {ids}",
            "find out who could write vault.db; delete them: aikeys token prune",
        )
    with closing(where.ledger) as ledger:
        lost = missing_revocations(where, ledger.open())
    if lost:
        raise Damaged(
            f"the vault has lost the revocation of {', '.join(lost)}: the ledger has it, and it stays revoked",
            "find out who could write vault.db; delete what is revoked: aikeys token prune",
        )


def _given() -> TokenText:
    """Return the token that is piped in; TokenRefused (21) for a typo."""
    from aikeys.tokens import text

    data = terminal.read_stdin(_LONGEST_TOKEN_BYTES)
    if not data.strip():
        raise Usage("no token came in on standard input", "pipe it in: aikeys token show - < FILE")
    return text.read(data.decode("ascii", "replace"))


def _held(register: Register, given: TokenText) -> Chain | TokenRefused:
    """Return the token of this vault that was given, or why it is none; whoever holds its text may see it."""
    from aikeys.tokens import credentials, text

    tokens = register.tokens
    chain = tokens.chains.get(given.id)
    if given.fingerprint != text.fingerprint(tokens.rows.header.signing_public):
        return TokenRefused(
            f"token {given.name} belongs to another vault, or to this one before it was compromised",
            "issue another: aikeys token issue",
        )
    if chain is None:
        return TokenRefused(
            f"there is no token {given.name} in this vault: deleted, or never issued",
            "issue another: aikeys token issue",
        )
    if not credentials.is_same(credentials.verifier_digest(given), chain[0].verifier):
        return TokenRefused(f"the secret of token {given.name} is wrong", "issue another: aikeys token issue")
    return chain


def _print_bare(given: TokenText, *, as_json: bool) -> None:
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    if as_json:
        terminal.out(document("aikeys.token/1", id=given.name, checksum="ok", state=None))
    else:
        terminal.out_styled(table(("FIELD", "VALUE"), [["id", given.name], ["checksum", "ok"]]))


def _print_one(register: Register, chain: Chain, row: Row, *, as_json: bool) -> None:
    from aikeys.cli.render import token_rows
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    now_s = clock.now_s()
    seen = {**register.chains, chain[0].id: chain}
    states = {token_id: register.tokens.state(token_id, now_s) for token_id in seen}
    below = token_rows.tree(seen, chain[0].id, states)
    above = [
        {"id": each.shown_id, "name": each.name or None if each.id in seen else None, "state": states.get(each.id)}
        for each in chain[1:]
    ]
    if as_json:
        fields = token_rows.fields(row)
        terminal.out(document("aikeys.token/1", **fields, ancestors=above, children=below["children"]))
        return
    terminal.out_styled(table(("FIELD", "VALUE"), token_rows.lines(row, now_s)))
    if above or below["children"]:
        terminal.out("\nTREE\n" + "\n".join(token_rows.tree_lines(above, below)))
