"""`aikeys ledger export` and `import`: calls go out and come in as lines."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikeys import clock
from aikeys.cli import home, screen, terminal
from aikeys.cli.time_options import Month, Since, Until
from aikeys.errors import ExistsAlready, MachineFailed, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from aikeys.ledger.importing import ImportCounts
    from aikeys.ledger.store import Ledger

EXPORT = (
    ("aikeys ledger export --since 2026-01-01 -o 2026.jsonl", "calls and acts, one JSON object a line"),
    ("aikeys ledger export --format csv > ledger.csv", "for a spreadsheet"),
)
IMPORT = (
    ("aikeys ledger import spend.jsonl", "spend made elsewhere; a line seen before is skipped"),
    ("aikeys ledger import --new-ledger", "after the ledger was lost: give the vault a new one"),
)
_AGAIN = "the same command again takes the rest, each call once"
_STEP = 1 << 14
_CHUNK = 1000


def export(
    form: Annotated[
        str, typer.Option("--format", metavar="jsonl|csv", help="One JSON object a line, or CSV.")
    ] = "jsonl",
    month: Month = None,
    since: Since = None,
    until: Until = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")] = "",
) -> None:
    """Write calls and acts out, oldest first. What ledger import reads are its calls; aikeys-ledger(5) has the fields.

    Names of persons are in it, unless they were erased. With a token it takes the scopes audit:read and usage:read.
    """
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.ranges import RangeWords, instants_of
    from aikeys.ledger.store import read_base

    if form not in ("jsonl", "csv"):
        raise UsageError(f"{terminal.printable(form)} is not a format", "jsonl or csv")
    ledger = home.present_ledger()
    between = instants_of(RangeWords(month, since, until), Calendar(ledger.zone), clock.now_us())
    with _output(output, ledger) as write, ledger.reading() as connection:
        archived = read_base(connection, ledger).number
        if archived:
            terminal.warn(f"entries up to {archived} are archived and not in this export")
        chunk: list[str] = []
        for line in _lines(connection, ledger, form, between):
            chunk.append(line)
            if len(chunk) == _CHUNK:
                write("".join(chunk).encode())
                chunk.clear()
        write("".join(chunk).encode())


def import_(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="JSON lines; - is standard input.")] = "",
    new_ledger: Annotated[
        bool, typer.Option("--new-ledger", help="First give the vault a new ledger, its own is lost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take over calls made elsewhere, each id once.

    All lines are checked first: where one is wrong, none is taken. Then they are booked in short pieces, and others
    write in between; after an interruption the same file again takes the rest. Costs and cost sources are kept; a
    line without cost_usd is priced by the price book. Calls count for their own day. What this ledger measured itself
    is never changed.
    """
    from aikeys.cli.render.counted import counted
    from aikeys.cli.render.json_text import document

    if not file and not new_ledger:
        raise UsageError("a file is missing", "aikeys ledger import FILE.jsonl, or - for standard input")
    if new_ledger:
        _take_new_ledger()
    if not file:
        return
    done = _imported(home.present_ledger(), file)
    if as_json:
        terminal.out(document("aikeys.ledger-import/1", **done._asdict()))
        return
    unpriced = f", {done.unpriced} of them without a price" if done.unpriced else ""
    known = f"; {done.known} {'was' if done.known == 1 else 'were'} here already" if done.known else ""
    terminal.say(f"imported {counted(done.imported, 'call')}{unpriced}{known}")


@contextmanager
def stepped(what: str, total: int, step: int = _STEP) -> Iterator[Callable[[int], None]]:
    """Show a bar for many small things; yields a function that is told how many more are done."""
    with screen.progress(what, max(1, total // step)) as advance:
        waiting = 0

        def more(count: int) -> None:
            nonlocal waiting
            waiting += count
            while waiting >= step:
                waiting -= step
                advance()

        yield more


def _imported(ledger: Ledger, path: str) -> ImportCounts:
    """Check the file, then book it: two bars, and a word on what is done where the second one is broken off."""
    from aikeys import config
    from aikeys.budgets.booking import book
    from aikeys.cli.render.counted import counted
    from aikeys.ledger.import_prices import BookPricing
    from aikeys.ledger.importing import LONGEST_LINE, book_calls, checked
    from aikeys.ledger.rollups import keep_tags
    from aikeys.pricing.book import load

    pricing = BookPricing(load(home.folder()))
    booked = 0
    with ExitStack() as stack:
        with _input(path, os.path.dirname(ledger.path)) as file:
            lines = iter(lambda: file.readline(LONGEST_LINE + 1), b"")  # a file without line ends is not read whole
            with stepped("checking", os.fstat(file.fileno()).st_size, 1 << 16) as advance:
                plan = stack.enter_context(checked(ledger, lines, pricing, advance))
        keep_tags(ledger, config.load(home.folder()).rolled_tags)
        with stepped("importing", plan.counts.imported, 1 << 10) as advance:

            def more(count: int) -> None:
                nonlocal booked
                booked += count
                advance(count)

            try:
                return book_calls(ledger, plan, book, more)
            except BaseException:
                if booked:
                    terminal.say(f"about {counted(booked, 'call')} of {plan.counts.imported} are imported; {_AGAIN}")
                raise


@contextmanager
def _input(path: str, directory: str) -> Iterator[BinaryIO]:
    """Yield the file. What comes through a pipe is stored first: nobody shall wait for its sender."""
    import shutil
    import tempfile

    try:
        with open(path, "rb") if path != "-" else _stdin() as source:
            if os.path.isfile(path):
                yield source
                return
            with tempfile.TemporaryFile(dir=directory) as stored:
                shutil.copyfileobj(source, stored)
                stored.seek(0)
                yield stored
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "name the file to import") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory", "name a file of JSON lines") from None


def _stdin() -> Any:
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("standard input is closed", "pipe the lines in, or name a file")
    return sys.stdin.buffer


@contextmanager
def _output(path: str, ledger: Ledger) -> Iterator[Callable[[bytes], Any]]:
    """Yield what writes. A new file appears whole or not at all, readable by its owner only; nothing is replaced."""
    if not path:
        yield terminal.out_raw
        return
    place = os.path.realpath(path)
    _refuse_own(path, place, ledger)
    if os.path.isfile(place):
        raise ExistsAlready(f"{terminal.printable(path)} is there already", "name a new file, or remove that one")
    if os.path.isdir(place):
        raise UsageError(f"{terminal.printable(path)} is a directory", "name a file in it")
    try:
        with _through(path) if os.path.exists(path) else _whole(place) as file:
            yield file.write
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineFailed(f"cannot write {path}: {error.strerror}", "choose another place with --output") from None


def _through(path: str) -> BinaryIO:
    """Open a device or a pipe: it is written to and stays what it is."""
    return open(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb")


@contextmanager
def _whole(place: str) -> Iterator[BinaryIO]:
    temporary = f"{place}.{os.urandom(4).hex()}"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _refuse_own(path: str, place: str, ledger: Ledger) -> None:
    folder, name = os.path.split(place)
    own = {os.path.realpath(each) for each in (home.folder(), os.path.dirname(ledger.path))}
    if folder in own and name.startswith(("ledger.db", "vault.db")):
        raise UsageError(f"{terminal.printable(path)} belongs to aikeys", "name another file")


def _lines(connection: Any, ledger: Ledger, form: str, between: tuple[int, int]) -> Iterator[str]:
    import json

    from aikeys.cli.render.csv_text import csv_text
    from aikeys.ledger import act_lines, interchange

    if form == "jsonl":
        head = {
            "kind": "ledger", "schema": interchange.SCHEMA, "ledger_id": ledger.ledger_id.hex(), "zone": ledger.zone,
        }  # fmt: skip
        yield json.dumps(head) + "\n"
        for row in _rows(connection, ledger, between):
            yield json.dumps(row) + "\n"
        return
    columns = tuple(dict.fromkeys((*interchange.FIELDS, *act_lines.ACT_FIELDS)))
    yield csv_text(columns, ()) + "\n"
    for row in _rows(connection, ledger, between):
        yield csv_text([_cell(row.get(column, "")) for column in columns], ()) + "\n"


def _rows(connection: Any, ledger: Ledger, between: tuple[int, int]) -> Iterator[dict[str, object]]:
    """Yield calls and acts in the order of the chain."""
    from heapq import merge

    from aikeys.ledger import act_lines, interchange, listing
    from aikeys.ledger.import_ids import id_of, identity

    def calls() -> Iterator[tuple[int, dict[str, object]]]:
        for one in listing.calls(connection, ledger):
            if between[0] <= one.call.at_us < between[1]:
                corrected = id_of(connection, ledger, one.call.corrects) if one.call.corrects else ""
                row = interchange.call_row(one, identity(ledger, one.number, one.call), corrected)
                yield one.number, interchange.exported(row)

    def acts() -> Iterator[tuple[int, dict[str, object]]]:
        for entry, names in listing.acts(connection, ledger):
            if between[0] <= entry.at_us < between[1]:
                yield entry.id, act_lines.act_row(entry, names)

    for _, row in merge(calls(), acts(), key=lambda pair: pair[0]):
        yield row


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ";".join(f"{name}={each}" for name, each in value.items())
    return str(value)


def _take_new_ledger() -> None:
    from aikeys.cli.lost_calls import lost_ledger_us, warn_of_lost_ledger
    from aikeys.errors import Cancelled
    from aikeys.vault.new_ledger import bound_elsewhere, take_new_ledger
    from aikeys.vault.unlock.order import open_rows

    where = home.place()
    question = "Give the vault another ledger? What the lost one knew (spending, budgets, who did what) is gone."
    if not terminal.confirm(question):
        raise Cancelled("nothing was changed")
    opened = take_new_ledger(where, lambda rows: open_rows(rows, home.means()).opened)
    terminal.say(f"the vault goes on with {where.ledger.path}")
    terminal.warn("all budgets and alerts of the lost ledger are gone: set them again, or aikeys config apply FILE")
    bound = bound_elsewhere(where, opened.rows.header.ledger_id)
    if bound:
        terminal.warn(f"tokens with limits of their own are refused from now on, issue new ones: {', '.join(bound)}")
    warn_of_lost_ledger(lost_ledger_us(where.ledger.open()))
