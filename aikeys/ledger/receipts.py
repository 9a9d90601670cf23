"""Receipts: one line of text that says what the newest entry of a ledger was, to be kept somewhere else.

Whoever shortens or rewrites the ledger later contradicts it: entry N must have that hash, and there must be N entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aikeys.errors import Damaged, UsageError
from aikeys.ledger.entries import Head
from aikeys.ledger.store import Ledger

_FORM = "aikeys-receipt-1"
_NOBODY = "unsigned"
_HINT = "put the newer ledger back; if this is the newer one, the receipt is of another ledger"


class Receipt(NamedTuple):
    """A ledger's id, its newest entry, and the public key that had vouched for the ledger (None: nobody yet)."""

    ledger_id: bytes
    head: Head
    signer: bytes | None


def receipt_of(ledger: Ledger) -> Receipt:
    """Return the receipt of a ledger as it is now."""
    with ledger.reading() as connection:
        row = connection.execute("SELECT signer FROM checkpoint ORDER BY number DESC LIMIT 1").fetchone()
        head = ledger.head()
    return Receipt(ledger.ledger_id, head, row[0] if row else None)


def receipt_text(receipt: Receipt) -> str:
    """Return the line."""
    signer = receipt.signer.hex() if receipt.signer else _NOBODY
    return ":".join((_FORM, receipt.ledger_id.hex(), str(receipt.head.number), receipt.head.hash.hex(), signer))


def parse_receipt(text: str) -> Receipt:
    """Read the line again; raises UsageError for anything else."""
    try:
        form, ledger_id, number, digest, signer = text.strip().split(":")
        if form != _FORM or not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise ValueError
        public = None if signer == _NOBODY else _bytes(signer, 32)
        return Receipt(_bytes(ledger_id, 16), Head(int(number), _bytes(digest, 32)), public)
    except ValueError:
        raise UsageError("that is not a receipt", "give the whole line that aikeys ledger head printed") from None


def check_receipts(
    receipts: Sequence[Receipt], ledger: Ledger, head: Head, hashes: Mapping[int, bytes], first: int
) -> None:
    """Compare receipts with the hashes of a chain that begins at entry `first`; raises Damaged, or Usage."""
    for receipt in receipts:
        number = receipt.head.number
        if receipt.ledger_id != ledger.ledger_id:
            raise Damaged(f"{ledger.path} is not the ledger of the receipt", _HINT)
        if number > head.number:
            raise Damaged(f"{ledger.path} ends at entry {head.number}, the receipt has seen {number}", _HINT)
        if number < first - 1:
            raise UsageError(
                f"entry {number} of the receipt was archived", "give the archive with it: ledger verify --archive FILE"
            )
        if hashes[number] != receipt.head.hash:
            raise Damaged(f"{ledger.path}: the entries up to {number} are not those of the receipt", _HINT)


def _bytes(text: str, size: int) -> bytes:
    data = bytes.fromhex(text)
    if len(data) != size or text != data.hex():
        raise ValueError(text)
    return data
