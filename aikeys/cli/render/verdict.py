"""Results of `ledger verify`, for people and as JSON: no more than was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys import clock

if TYPE_CHECKING:
    from aikeys.ledger.clock_jumps import Jump
    from aikeys.ledger.verify import Known, LedgerVerdict


def verdict_fields(verdict: LedgerVerdict, receipts: int, *, is_authenticated: bool) -> dict[str, object]:
    """Return a verdict as JSON has it; `receipts`: how many were checked."""
    return {
        "state": "valid",
        "first": verdict.first,
        "valid_to": verdict.head.number,
        "hash": verdict.head.hash.hex(),
        "signed_to": verdict.signed,
        "signed_at": _at(verdict.signed_at_us) if verdict.signed_at_us is not None else None,
        "public_key": verdict.signer.hex() if verdict.signer else None,
        "public_key_authenticated": is_authenticated,
        "unsigned": verdict.head.number - max(verdict.signed, verdict.first - 1),
        "receipts": receipts,
        "signer_changes": [
            {"entry": one.entry, "act": one.act, "public_key": one.public.hex()} for one in verdict.changes
        ],
        "clock_jumps": [
            {"entry": one.entry, "expected_at": _at(one.from_us), "at": _at(one.to_us)} for one in verdict.jumps
        ],
    }


def verdict_text(verdict: LedgerVerdict, known: Known, *, is_authenticated: bool) -> str:
    """Return a verdict for a person."""
    number, first = verdict.head.number, verdict.first
    which = f"all {number} entries" if first == 1 else f"entries {first} to {number}"
    lines = [f"{which} are unchanged" + ("; those before are archived" if first > 1 else "")]
    unsigned = number - max(verdict.signed, first - 1)
    if verdict.signed_at_us is not None:
        at = _at(verdict.signed_at_us)
        rest = f"up to entry {verdict.signed}, at {at}; {unsigned} are not signed yet"
        lines.append(f"all are signed, the last at {at}" if not unsigned else f"signed {rest}")
    elif known.signers:
        lines.append(f"no key that is known here has signed any: {unsigned} are not signed")
    else:
        lines.append(f"{unsigned} are not signed: there is no public key to check signatures with, give --public-key")
    if known.receipts:
        newest = max(receipt.head.number for receipt in known.receipts)
        lines.append(f"nothing is missing up to entry {newest}, which is on record elsewhere")
    else:
        lines.append("whether entries were cut off at the end is not known: give --expect RECEIPT")
    lines += [
        f"entry {change.entry} ({change.act}): from here on another key signs, {change.public.hex()}; "
        "what the key before it signed was not checked"
        for change in verdict.changes
    ]
    lines += [jump_text(jump) for jump in verdict.jumps]
    if verdict.signer and not is_authenticated:
        lines.append("the public key itself was not checked: the vault is locked, or not here")
    return "\n".join(lines)


def jump_text(jump: Jump) -> str:
    """Say where the clock jumped, and how far."""
    seconds = (jump.to_us - jump.from_us) // 1_000_000
    way = "forward" if seconds > 0 else "back"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"entry {jump.entry}: the clock jumped {way} by {hours} h {minutes} min, to {_at(jump.to_us)}"


def _at(at_us: int) -> str:
    return clock.rfc3339(at_us / 1e6)
