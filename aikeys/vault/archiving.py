"""Archive the ledger's oldest entries without losing the vault's hold on it.

The vault's manifest names an entry of the ledger. So the vault is signed anew first, with its own newest entry, and
only what lies before that is archived. Killed between the steps, a vault has been signed once more and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from aikeys.ledger import archive as ledger_archive
from aikeys.ledger.segments import Segment
from aikeys.ledger.store import Act
from aikeys.vault.opening import Opened, Place
from aikeys.vault.writing import write


def archive(
    place: Place, opened: Opened, before_us: int, folder: str, advance: Callable[[int], None] = lambda _: None
) -> Segment:
    """Move entries before an instant into a segment in a folder; raises NotFound where there are none."""
    ledger = place.ledger.open()
    try:
        last = ledger_archive.last_before(ledger, before_us, 1 << 62)
        opened = write(place, opened, Act("archive", "ledger", f"upto={last.number}"), lambda vault: vault).opened
        last = ledger_archive.last_before(ledger, before_us, opened.rows.manifest.ledger_count)
        segment = ledger_archive.write(ledger, last, opened.signer(), folder, advance)
        ledger_archive.remove(ledger, segment, opened.signer())
    finally:
        ledger.close()
    return segment
