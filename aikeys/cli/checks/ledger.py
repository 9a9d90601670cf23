"""Checks of the ledger: the chain, the clock, lost calls and alerts that were given up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli.checks.check import Check
from aikeys.cli.lost_calls import WAY_OUT, book_lost_calls, sentence
from aikeys.cli.render.counted import counted
from aikeys.errors import AikeysError

if TYPE_CHECKING:
    from aikeys.vault.format import Rows
    from aikeys.vault.opening import Place

_HOUR_US = 3_600_000_000


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
