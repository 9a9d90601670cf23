"""Import calls that were made elsewhere: every line of a file is checked before any is booked, and each id once.

- Checking takes no lock. One bad line stops everything, and nothing was written then.
- Booking takes pieces (pieces.py): others write in between. An import that is killed leaves whole pieces; the same file
  again takes the rest, and the totals are those of one import.
- What is planned is said in an act with the first piece; a second one says where it came out otherwise.
- Another import may have taken an id meanwhile, an archive a corrected call: each line is looked at again in its piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from aikeys import clock
from aikeys.errors import UsageError
from aikeys.ledger.calendar import Calendar
from aikeys.ledger.calls import UNPRICED, Call
from aikeys.ledger.entries import Head
from aikeys.ledger.import_checks import Checks, Corrected, check_correction
from aikeys.ledger.interchange import Item, LineReader
from aikeys.ledger.pieces import in_pieces
from aikeys.ledger.staged import Staged, StagedLine, staged
from aikeys.ledger.store import Act, Ledger, Writer

LONGEST_LINE = 1 << 20
_HINT = "nothing was imported; see aikeys-ledger(5)"
Booking = Callable[[Writer, Call, Calendar], Head]


class Pricing(Protocol):
    """Gives a call without a cost one: cost, cost source, unpriced units and the price's text."""

    def __call__(self, call: Call) -> Call: ...


class ImportCounts(NamedTuple):
    """What an import did: calls taken, known before, lines that are no calls, and taken calls without a price."""

    imported: int
    known: int
    others: int
    unpriced: int


class ImportPlan(NamedTuple):
    """A file whose lines were checked: those to be booked, and what the import will have done."""

    lines: Staged
    counts: ImportCounts


def import_calls(
    ledger: Ledger, lines: Iterable[bytes], booking: Booking, pricing: Pricing, advance: Callable[[int], None]
) -> ImportCounts:
    """Check every line and book its call; `advance` is told the size of each line as it is checked."""
    with checked(ledger, lines, pricing, advance) as plan:
        return book_calls(ledger, plan, booking, lambda _: None)


@contextmanager
def checked(
    ledger: Ledger, lines: Iterable[bytes], pricing: Pricing, advance: Callable[[int], None]
) -> Iterator[ImportPlan]:
    """Yield what is to be booked; UsageError names the first line that cannot be taken."""
    with staged() as kept:
        others = known = unpriced = 0
        with ledger.looking() as connection:
            reader = LineReader(clock.now_us())
            look = _Look(Checks(connection, ledger, reader), kept, pricing)
            for number, line in enumerate(lines, 1):
                advance(len(line))
                if not line.strip():
                    continue
                with _told(number, _HINT):
                    item = _read(reader, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                    taken = look.at(number, item) if item is not None else None
                others += item is None
                known += item is not None and taken is None
                unpriced += taken is not None and taken.call.cost_source == UNPRICED
        yield ImportPlan(kept, ImportCounts(kept.count, known, others, unpriced))


def book_calls(ledger: Ledger, plan: ImportPlan, booking: Booking, advance: Callable[[int], None]) -> ImportCounts:
    """Book what was checked, in pieces; `advance` is told of each call. What is booked stays, whatever comes after."""
    imported, calendar, checks, planned = 0, Calendar(ledger.zone), _Rechecks(ledger), plan.counts

    def announce(writer: Writer) -> None:
        writer.act(_act(planned.imported, planned.known))

    def write(writer: Writer, line: StagedLine) -> None:
        nonlocal imported
        with _told(line.number, f"{imported} calls are imported and stay; the rest needs another look at the file"):
            if checks.is_new(writer, line.item):
                booking(writer, checks.completed(writer, line.item), calendar)
                imported += 1
        advance(1)

    in_pieces(ledger, plan.lines.lines(), write, announce=announce)
    counts = planned._replace(imported=imported, known=planned.known + planned.imported - imported)
    if counts != planned:
        ledger.event(_act(counts.imported, counts.known))
    return counts


def _act(imported: int, known: int) -> Act:
    return Act("ledger import", "calls", f"calls={imported} known={known}")


class _Look:
    """Looks at the lines of a file in their order: what the ledger says of each, and the lines before it."""

    def __init__(self, checks: Checks, kept: Staged, pricing: Pricing) -> None:
        self._checks = checks
        self._kept = kept
        self._pricing = pricing
        self._corrected: dict[int | str, int] = {}  # by number, or by id within the file: the cost so far

    def at(self, number: int, item: Item) -> Item | None:
        """Keep a line that is to be booked, with its price, and return it; None where it is known."""
        if self._checks.is_known(item):
            return None
        if item.corrects:
            self._check_correction(item)
        elif item.is_unpriced:
            item = item._replace(call=self._pricing(item.call))
        earlier = self._kept.add(StagedLine(number, item))
        if earlier is None:
            return item
        if earlier.item != item:
            raise UsageError(f"its id is in line {earlier.number} with other content")
        return None

    def _check_correction(self, item: Item) -> None:
        if item.is_unpriced:
            raise UsageError("it is a correction, but cost_usd is missing")
        found, key = self._checks.corrected(item), item.corrects
        if found is None:
            line = self._kept.find(item.corrects)
            if line is None:
                raise UsageError(f"it corrects {item.corrects[:80]}, which is not here: import that first")
            call = line.item.call._replace(corrects=1 if line.item.corrects else None)
            found = Corrected(0, call, call.cost_pusd)
        place = found.number or key
        found = found._replace(cost_pusd=self._corrected.get(place, found.cost_pusd))
        if self._kept.find(item.id) is None:
            check_correction(item, found)
            self._corrected[place] = found.cost_pusd + item.call.cost_pusd


class _Rechecks:
    """Looks at a line once more in the transaction that books it: others wrote since it was checked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def is_new(self, writer: Writer, item: Item) -> bool:
        """Tell whether an id is still new, and take it; UsageError where it came meanwhile with other content."""
        row = (item.id, writer.head.number + 1)  # what booking appends first
        if writer.connection.execute("INSERT OR IGNORE INTO imported VALUES (?, ?)", row).rowcount:
            return True
        return not self._checks(writer).is_known(item)

    def completed(self, writer: Writer, item: Item) -> Call:
        """Return the call to book; UsageError where what it corrects cannot be corrected any more."""
        call = item.call._replace(settled_us=writer.now_us)
        if not item.corrects:
            return call
        found = self._checks(writer).corrected(item)
        if found is None:
            raise UsageError(f"it corrects {item.corrects[:80]}, which is not here: import that first")
        check_correction(item, found)
        return call._replace(corrects=found.number)

    def _checks(self, writer: Writer) -> Checks:
        return Checks(writer.connection, self._ledger, LineReader(writer.now_us))


@contextmanager
def _told(number: int, hint: str) -> Iterator[None]:
    """Name the line that is refused, and what became of the others."""
    try:
        yield
    except UsageError as error:
        first, _, rest = hint.partition("; ")
        raise UsageError(f"line {number}: {error.message}", f"{first}; {error.hint or rest}") from None


def _read(reader: LineReader, line: bytes) -> Item | None:
    if len(line) > LONGEST_LINE:
        raise UsageError("it is longer than 1 MiB")
    return reader.read(line)
