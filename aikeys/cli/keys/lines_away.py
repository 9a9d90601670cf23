"""Lines with imported keys, taken out of the user's files and put back: what is asked, said and recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import terminal
from aikeys.errors import AikeysError, NotFound

if TYPE_CHECKING:
    from aikeys.imports.naming import Planned
    from aikeys.imports.removal import Held
    from aikeys.imports.removed_lines import Record
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.sealed_records import SealedRecords


def take_out(where: Place, opened: Opened, planned: Sequence[Planned]) -> None:
    """Take the lines of these keys out of their files; what stays is named with the reason."""
    from aikeys.ledger.store import Act

    _records(where).forget_old(clock.now_s())
    fresh = _read_back(where, opened)
    run, changed = os.urandom(4).hex(), 0
    for path, held in sorted(_by_file(planned, fresh).items()):
        changed += _from_one(where, fresh, path, held, run)
    if changed:
        names = ",".join(sorted({item.name for item in planned}))
        where.ledger.open().event(Act("remove-lines", names, f"files={changed}"), signer=opened.signer())
        terminal.say("to put them back within 30 days: aikeys import --undo")


def _read_back(where: Place, opened: Opened) -> Opened:
    """Return the vault as it is on the disk now: a line goes only where its key can be read from there."""
    from aikeys.vault.opening import picture

    return opened._replace(rows=picture(where))


def _by_file(planned: Sequence[Planned], opened: Opened) -> dict[str, list[Held]]:
    """Return the lines by file, of keys that the vault gives back as they were found."""
    from aikeys.imports.removal import Held
    from aikeys.vault.names import exact_key

    found: dict[str, list[Held]] = {}
    for item in planned:
        secret = opened.content(exact_key(opened.rows, item.name)).secret
        for each in (item.candidate, *item.also):
            if each.file.startswith(os.sep) and each.secret.reveal() == secret:
                found.setdefault(each.file, []).append(Held(each.line, each.end_line, each.variable, item.name))
                if each.base_line and each.base_url == item.candidate.base_url:
                    base = Held(each.base_line, each.base_line, each.base_variable, item.name)
                    found[each.file] += [base] if base not in found[each.file] else []
    return found


def _from_one(where: Place, opened: Opened, path: str, held: list[Held], run: str) -> bool:
    from aikeys.imports import removed_lines, rewriting
    from aikeys.imports.removal import rest_of, without
    from aikeys.storage.canonical import sha256

    original = rewriting.read_own(path)
    if isinstance(original, str):
        terminal.warn(f"{path} still holds {_named(held)}: {original}")
        return False
    after = without(original.data, path, held)
    for line, why in after.staying:
        terminal.warn(f"{path}:{line} stays: {why}")
    if not after.removed:
        return False
    record = removed_lines.Record(
        run, clock.now_s(), path, sha256(original.data), rest_of(after.data, after.removed), after.removed,
        tuple((key.name, key.version) for key in opened.rows.keys if key.name in {one.name for one in held}),
    )  # fmt: skip
    records = _records(where)
    name = records.write(opened, record.at_s + removed_lines.KEPT_S, removed_lines.packed(record))
    try:
        rewriting.replace(original, after.data)
    except AikeysError as error:
        records.forget(name)
        terminal.warn(f"{error.message}; {error.hint}")
        return False
    terminal.say(f"took {_named(held)} out of {path}")
    return True


def _named(held: Sequence[Held]) -> str:
    return ", ".join(dict.fromkeys(one.variable for one in held))


def put_back(where: Place, opened: Opened) -> None:
    """Put the lines of the last run back, each file only where its rest is what it was; NotFound without any."""
    from aikeys.imports import removed_lines
    from aikeys.ledger.store import Act

    records = _records(where)
    records.forget_old(clock.now_s())
    every = [(name, removed_lines.unpacked(data)) for name, data in records.read(opened)]
    if not every:
        raise NotFound("no lines were taken out of files in the last 30 days", "aikeys import --remove takes them out")
    newest = every[0][1].run
    done = 0
    for name, record in every:
        if record.run == newest and _into_one(opened, record):
            records.forget(name)
            done += 1
    if done:
        where.ledger.open().event(Act("put-lines-back", "", f"files={done}"), signer=opened.signer())


def _into_one(opened: Opened, record: Record) -> bool:
    """Put lines back into one file; tell whether its record is of no more use."""
    from aikeys.imports import removal, rewriting
    from aikeys.storage.canonical import sha256

    original = rewriting.read_own(record.path)
    if isinstance(original, str):
        terminal.warn(f"nothing was put back into {record.path}: {original}")
        return False
    if sha256(original.data) == record.before:
        terminal.say(f"{record.path} is as it was")
        return True
    data = removal.put_back(original.data, record.removed, record.rest)
    if data is None or sha256(data) != record.before:
        terminal.warn(f"{record.path} was changed since: nothing was put back into it")
        return False
    rewriting.replace(original, data)
    terminal.say(f"put {len(record.removed)} lines back into {record.path}")
    versions = {key.name: key.version for key in opened.rows.keys}
    for key, version in record.keys:
        if versions.get(key) != version:
            what = "rotated" if key in versions else "revoked or renamed"
            terminal.warn(f"the key {key} was {what} since: {record.path} has the old one")
    return True


def _records(where: Place) -> SealedRecords:
    from aikeys.imports.removed_lines import KIND
    from aikeys.vault.sealed_records import SealedRecords

    return SealedRecords(where.home, KIND)
