"""`aikeys ledger`: check the record of calls and acts, keep its receipts, move it about."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.commands import ledger_erase, ledger_exchange, ledger_resolve
from aikeys.cli.commands.ledger_exchange import stepped
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Damaged, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.ledger.receipts import Receipt
    from aikeys.ledger.store import Ledger
    from aikeys.ledger.verify import Known
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Opened

app = new_app()
_VERIFY = (
    ("aikeys ledger verify", "with the vault's own key, and what the vault has seen"),
    ('aikeys ledger verify --expect "$(cat receipt.txt)"', "nothing before this receipt was changed or cut off"),
    ("AIKEYS_LEDGER=/mnt/copy aikeys ledger verify --public-key key.txt", "on another machine"),
)
_HEAD = (("aikeys ledger head > receipt.txt", "keep it where nobody who can write the ledger can write"),)
_ARCHIVE = (("aikeys ledger archive --before 2026-01-01 --to /srv/archive", "last year's entries, reports stay"),)


@app.callback(epilog=epilog(_VERIFY[:1], (3, 10, 11, 12, 13, 14, 15, 20, 21)))
def ledger() -> None:
    """Check the record of calls and acts, keep receipts of it, export, import and archive it."""


@app.command(epilog=epilog(_VERIFY, (0, 2, 10, 13, 14, 20, 21)))
def verify(
    expect: Annotated[
        list[str] | None, typer.Option("--expect", metavar="RECEIPT", help="A line that ledger head printed earlier.")
    ] = None,
    public_key: Annotated[
        str, typer.Option("--public-key", metavar="HEX|FILE", help="Whose signatures count, where there is no vault.")
    ] = "",
    archives: Annotated[
        list[str] | None, typer.Option("--archive", metavar="FILE", help="Check archived entries, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute the ledger: every entry, total, limit and signature. Says no more than it knows.

    The first place that is wrong is named, with exit status 13. Entries after the last signature are called unsigned.
    AIKEYS_LEDGER names the directory of another ledger.
    """
    from aikeys.budgets.verify import verify_all
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.verdict import verdict_fields, verdict_text
    from aikeys.ledger.receipts import parse_receipt

    receipts = [parse_receipt(text) for text in expect or ()]
    book = home.present_ledger(of_any_vault=bool(public_key or receipts))
    known, is_authenticated = _known(book, receipts, public_key)
    known = known._replace(segments=tuple(archives or ()))
    with stepped("verifying", book.head().number) as advance:
        found = verify_all(book, known, advance)
    if as_json:
        fields = verdict_fields(found.verdict, len(receipts), is_authenticated=is_authenticated)
        terminal.out(document("aikeys.ledger-verify/1", **fields, budgets=found.budgets))
    else:
        terminal.out(verdict_text(found.verdict, known, is_authenticated=is_authenticated))


@app.command(epilog=epilog(_HEAD, (0, 10, 13, 14, 20, 21)))
def head(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print a receipt: one line that says which entry is the newest. Kept elsewhere, it shows a ledger cut short."""
    from aikeys.cli.render.json_text import document
    from aikeys.ledger.receipts import receipt_of, receipt_text

    receipt = receipt_of(home.present_ledger())
    if not as_json:
        terminal.out(receipt_text(receipt))
        return
    fields = {
        "receipt": receipt_text(receipt),
        "ledger_id": receipt.ledger_id.hex(),
        "number": receipt.head.number,
        "hash": receipt.head.hash.hex(),
        "public_key": receipt.signer.hex() if receipt.signer else None,
    }
    terminal.out(document("aikeys.ledger-head/1", **fields))


app.command(epilog=epilog(ledger_exchange.EXPORT, (0, 1, 2, 10, 13, 14, 15, 20, 21)))(ledger_exchange.export)
app.command("import", epilog=epilog(ledger_exchange.IMPORT, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))(
    ledger_exchange.import_
)


@app.command(epilog=epilog(_ARCHIVE, (0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 21)))
def archive(
    before: Annotated[str, typer.Option("--before", metavar="DATE", help="The first day that stays.")],
    folder: Annotated[
        str, typer.Option("--to", metavar="DIR", help="Where the archive goes; default: beside the ledger.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Move old entries into a signed, compressed file. Reports keep their totals; ledger verify checks both.

    Keep the file: what the calls of those days were stands only there. Needs the vault, which signs it.
    """
    from aikeys.cli.render.json_text import document
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.ranges import day_start_us
    from aikeys.vault.archiving import archive as move

    book = home.present_ledger()
    before_us = day_start_us(before, "--before", Calendar(book.zone))
    if before_us > clock.now_us():
        raise UsageError(f"--before {before} lies in the future", "write a day that has begun")
    if folder and not os.path.isdir(folder):
        raise NotFound(f"there is no directory {folder}", "make it first")
    where = home.place()
    opened = home.unlock(where).opened
    with stepped("archiving", book.head().number) as advance:
        segment = move(where, opened, before_us, os.path.abspath(folder or where.ledger_directory), advance)
    first, last = segment.header.first, segment.header.last
    if as_json:
        terminal.out(document("aikeys.ledger-archive/1", file=segment.path, first=first, last=last))
    else:
        terminal.out(segment.path)
        terminal.say(f"archived entries {first} to {last}; check with: aikeys ledger verify --archive {segment.path}")


app.command(epilog=epilog(ledger_resolve.RESOLVE, (0, 2, 10, 13, 14, 20, 21)))(ledger_resolve.resolve)
app.command(epilog=epilog(ledger_erase.ERASE, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21)))(ledger_erase.erase)


def _known(book: Ledger, receipts: list[Receipt], public_key: str) -> tuple[Known, bool]:
    """Return what is known from elsewhere, and whether an unlock method vouched for the vault's public key."""
    from aikeys.ledger.entries import Head
    from aikeys.ledger.receipts import Receipt as Line
    from aikeys.ledger.verify import Known
    from aikeys.sealing import is_signed

    signers = {receipt.signer for receipt in receipts if receipt.signer}
    if public_key:
        signers.add(_public_key(public_key))
    rows, is_authenticated = _vault(book, may_be_another=bool(public_key or receipts))
    seen = list(receipts)
    if rows is not None:
        signers.add(rows.header.signing_public)
        manifest = rows.manifest
        seen.append(Line(book.ledger_id, Head(manifest.ledger_count, manifest.ledger_head), None))
    return Known(frozenset(signers), is_signed, tuple(seen)), is_authenticated


def _vault(book: Ledger, *, may_be_another: bool) -> tuple[Rows | None, bool]:
    """Return the rows of the vault that this ledger belongs to, if it is here, and whether it was opened.

    A token's holder opens nothing, and on a copy of a home the ledger is the copy's own: no vault vouches for it.
    """
    from aikeys.cli import authority
    from aikeys.vault.opening import picture_without_ledger
    from aikeys.vault.unlock.order import quietly

    where = home.place()
    if not where.vault.exists:
        return None, False
    where.vault.check_schema()
    rows = picture_without_ledger(where)
    if rows.header.ledger_id != book.ledger_id:
        if may_be_another or authority.is_holder():
            return None, False
        raise Damaged(
            f"{book.path} belongs to another vault",
            "put the right one back; a ledger from elsewhere is checked with --public-key",
        )
    opened: Opened | None = None if authority.is_holder() else quietly(rows, home.means())
    return rows, opened is not None


def _public_key(text: str) -> bytes:
    if os.path.isfile(text):
        with open(text, encoding="ascii", errors="replace") as file:
            text = file.read(200)
    try:
        data = bytes.fromhex(text.strip())
    except ValueError:
        data = b""
    if len(data) != 32:
        raise UsageError(
            "--public-key is neither a file nor 64 hexadecimal digits", "it is in: aikeys ledger head --json"
        )
    return data
