"""`aikeys token`: what aikeys lends for a while. Issue and revoke are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import access, home, terminal
from aikeys.cli.commands import token_issue, token_revoke
from aikeys.cli.help import epilog, new_app
from aikeys.errors import TokenRefused, UsageError

if TYPE_CHECKING:
    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.cli.tokens.register import Chain, Register
    from aikeys.tokens.text import TokenText

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
    from aikeys.cli.ports.choice import tokens

    own = {name: value for name, value in (("team", team), ("user", user)) if value}
    source = tokens()
    rows, authenticated = source.listed(own, everything=everything)
    _print_list(rows, everything=everything, as_json=as_json, authenticated=authenticated)
    source.require_whole()


@app.command(epilog=epilog(_SHOW, (0, 2, 10, 12, 13, 14, 20, 21), _SHOW_NOTES))
def show(
    token: Annotated[
        str, typer.Argument(metavar="ID|-", help="Its id, its first digits or its name; - reads a token from stdin.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a token may do, its state, and the tokens above and below it."""
    from aikeys.cli.tokens import register as token_register
    from aikeys.cli.tokens.figures import rows

    given = _given() if token == "-" else None  # noqa: S105  a dash
    wanted = given.name if given else token_register.refuse_secret(token)
    if given is not None and not home.place().vault.exists:
        _print_bare(given, as_json=as_json)
        terminal.say("there is no vault here to look it up in")
        return
    where = token_register.place()
    access.look(where)
    register = token_register.read(where)
    if given is None:
        chain = register.token(wanted)
    else:
        found = _held(register, given)
        if isinstance(found, TokenRefused):
            _print_bare(given, as_json=as_json)
            raise found
        chain = found
    (row,) = rows(where, register, [chain])
    _print_one(register, chain, row, as_json=as_json)


app.command(epilog=epilog(token_revoke.REVOKE, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))(token_revoke.revoke)
app.command(epilog=epilog(token_revoke.PRUNE, (0, 1, 10, 13, 14, 20, 21)))(token_revoke.prune)


def _print_list(rows: list[TokenRow], *, everything: bool, as_json: bool, authenticated: bool) -> None:
    from aikeys.cli.render import token_rows
    from aikeys.cli.render.json_text import document

    if as_json:
        shown = [token_rows.fields(row) for row in rows]
        terminal.out(document("aikeys.tokens/1", tokens=shown, authenticated=authenticated))
    elif rows:
        _print(rows, clock.now_s(), with_state=everything)
    else:
        terminal.say("no tokens" if everything else "no active tokens; issue one: aikeys token issue")


def _print(rows: list[TokenRow], now_s: int, *, with_state: bool) -> None:
    from aikeys.cli.render import token_rows
    from aikeys.cli.render.table import table

    headers, lines = [*token_rows.HEADERS], [token_rows.cells(row, now_s) for row in rows]
    if with_state:
        headers.insert(1, "STATE")
        for line, row in zip(lines, rows, strict=True):
            line.insert(1, row.state)
    terminal.out_styled(table(headers, lines))


def _given() -> TokenText:
    """Return the token that is piped in; TokenRefused (21) for a typo."""
    from aikeys.tokens import text

    data = terminal.read_stdin(_LONGEST_TOKEN_BYTES)
    if not data.strip():
        raise UsageError("no token came in on standard input", "pipe it in: aikeys token show - < FILE")
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


def _print_one(register: Register, chain: Chain, row: TokenRow, *, as_json: bool) -> None:
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
