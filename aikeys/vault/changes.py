"""Changes of a vault (pure): each takes an opened vault and returns the opened vault as it will be.

Time and dice are arguments. The manifest is not theirs: writing.py signs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys import sealing
from aikeys.errors import BadConfiguration, ExistsAlready, NotFound
from aikeys.secret import Secret
from aikeys.vault.format import (
    FORMAT,
    NO_MANIFEST,
    Content,
    Header,
    Key,
    KeyVersion,
    Rows,
    UnlockMethod,
    encode_content,
    secret_context,
    vault_context,
)
from aikeys.vault.names import exact_key
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import methods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aikeys.sealing import Dice


class NewKey(NamedTuple):
    """A key to add; times in seconds, 0 for none."""

    name: str
    provider: str
    region: str
    base_url: str
    labels: str
    is_admin: bool
    rotate_every_s: int
    expires_at: int
    content: Content


def new_vault(new: Sequence[methods.NewMethod], ledger_id: bytes, now_s: int, dice: Dice) -> Opened:
    """Return a vault without keys."""
    vault_id, vault_key = dice(16), dice(sealing.KEY_BYTES)
    blank = Header(FORMAT, vault_id, now_s, ledger_id, b"", b"", b"", b"", methods.commitment(vault_key))
    header = _with_identity(blank, vault_key, dice)
    rows = tuple(methods.make(method, header, vault_key, now_s, dice) for method in new)
    return Opened(Rows(header, rows, (), (), NO_MANIFEST), Secret(vault_key), rows[0].id if rows else b"")


def _with_identity(header: Header, vault_key: bytes, dice: Dice) -> Header:
    """Give a header a fresh signing key and gateway key."""
    signing, gateway = dice(sealing.KEY_BYTES), dice(sealing.KEY_BYTES)
    return header._replace(
        signing_public=sealing.signing_public(signing),
        signing_sealed=_sealed_for_vault(signing, "signing-key", header.vault_id, vault_key, dice),
        gateway_public=sealing.public_half(gateway),
        gateway_sealed=_sealed_for_vault(gateway, "gateway-key", header.vault_id, vault_key, dice),
    )


def _sealed_for_vault(secret: bytes, purpose: str, vault_id: bytes, vault_key: bytes, dice: Dice) -> bytes:
    return sealing.seal(vault_key, dice(sealing.NONCE_BYTES), secret, vault_context(purpose, vault_id))


def add_key(opened: Opened, new: NewKey, now_s: int, dice: Dice) -> Opened:
    """Add a key; the first of a provider becomes its default. Raises ExistsAlready."""
    rows = opened.rows
    if rows.key_named(new.name):
        raise ExistsAlready(
            f"a key named {new.name} exists",
            f"replace its secret: aikeys rotate {new.name}; or keep both: aikeys add {new.name}-2 --provider "
            f"{new.provider}",
        )
    is_default = not any(key.provider == new.provider for key in rows.keys)
    key = Key(
        dice(8), new.name, new.provider, new.region, new.labels, int(is_default), int(new.is_admin),
        new.rotate_every_s, new.expires_at, now_s, 1,
    )  # fmt: skip
    version = _sealed(opened, key, new.base_url, 1, new.content, dice)._replace(created_at=now_s)
    return opened._replace(rows=rows._replace(keys=(*rows.keys, key), versions=(*rows.versions, version)))


def _sealed(opened: Opened, key: Key, base_url: str, number: int, content: Content, dice: Dice) -> KeyVersion:
    """Seal content under a fresh data key; the caller dates the row."""
    vault_id, data_key = opened.rows.header.vault_id, dice(sealing.KEY_BYTES)
    wrap = secret_context("data-key", vault_id, key, base_url, number)
    context = secret_context("secret", vault_id, key, base_url, number)
    return KeyVersion(
        key.id,
        number,
        base_url,
        0,
        0,
        sealing.seal(opened.vault_key.reveal(), dice(sealing.NONCE_BYTES), data_key, wrap),
        sealing.seal(data_key, dice(sealing.NONCE_BYTES), encode_content(content), context),
    )


class Replacement(NamedTuple):
    """A new secret for a key; the one before stays in grace until then, or goes at once where that is past."""

    secret: bytes
    is_admin: bool
    grace_until: int


def replace_secret(opened: Opened, name: str, new: Replacement, now_s: int, dice: Dice) -> Opened:
    """Make a new version current. One earlier version is kept at most: the one just replaced."""
    rows = opened.rows
    key = exact_key(rows, name)
    current = rows.version_of(key)
    content = opened.content(key)._replace(secret=new.secret)
    number = max(row.version for row in rows.versions if row.key_id == key.id) + 1
    fresh = _sealed(opened, key, current.base_url, number, content, dice)._replace(created_at=now_s)
    kept = [row for row in rows.versions if row.key_id != key.id]
    if new.grace_until > now_s:
        kept.append(current._replace(grace_until=new.grace_until))
    return _with_key(opened, key, key._replace(version=number, is_admin=int(new.is_admin)), (*kept, fresh))


def undo_rotation(opened: Opened, name: str, is_admin: Callable[[bytes], bool], now_s: int) -> Opened:
    """Make the version in grace current again; the other takes its place in grace. Raises NotFound."""
    rows = opened.rows
    key = exact_key(rows, name)
    current, previous = rows.version_of(key), rows.previous_of(key)
    if previous is None or previous.grace_until <= now_s:
        raise NotFound(f"{key.name} has no earlier secret in grace", "rotate it again with the secret you want")
    admin = is_admin(opened.content(key, previous).secret)
    swapped = {
        current: current._replace(grace_until=previous.grace_until),
        previous: previous._replace(grace_until=0),
    }
    versions = tuple(swapped.get(row, row) for row in rows.versions)
    return _with_key(opened, key, key._replace(version=previous.version, is_admin=int(admin)), versions)


def purge_grace(opened: Opened, now_s: int) -> Opened:
    """Destroy earlier secrets whose grace is over."""
    current = {(key.id, key.version) for key in opened.rows.keys}
    kept = tuple(
        row for row in opened.rows.versions if (row.key_id, row.version) in current or not 0 < row.grace_until <= now_s
    )
    return opened._replace(rows=opened.rows._replace(versions=kept))


def remove_key(opened: Opened, name: str) -> Opened:
    """Destroy a key with all its versions; another key of its provider becomes the default."""
    rows = opened.rows
    key = exact_key(rows, name)
    keys = [other for other in rows.keys if other.id != key.id]
    if key.is_default:
        heir = min((other for other in keys if other.provider == key.provider), key=_age, default=None)
        keys = [other._replace(is_default=1) if other is heir else other for other in keys]
    versions = tuple(row for row in rows.versions if row.key_id != key.id)
    return opened._replace(rows=rows._replace(keys=tuple(keys), versions=versions))


def _age(key: Key) -> tuple[int, str]:
    return key.created_at, key.name


class Edit(NamedTuple):
    """What to change of a key, applied to the row as it is then; None keeps what is sealed."""

    key_id: bytes
    apply: Callable[[Key], Key]
    base_url: str | None = None
    content: Content | None = None


def edit_key(opened: Opened, edit: Edit, dice: Dice) -> Opened:
    """Change a key; where name, provider or base URL change, its secrets are sealed anew under new versions."""
    rows = opened.rows
    old = next((key for key in rows.keys if key.id == edit.key_id), None)
    if old is None:
        raise NotFound("the key is gone", "see: aikeys list")
    new, versions = edit.apply(old), rows.versions
    if any(key.name == new.name and key.id != old.id for key in rows.keys):
        raise ExistsAlready(f"a key named {new.name} exists", "choose another name")
    if (old.name, old.provider) != (new.name, new.provider) or edit.base_url is not None or edit.content is not None:
        new, versions = _resealed(opened, old, edit, dice)
    opened = _with_key(opened, old, new, versions)
    return _with_one_default(opened, new) if new.is_default else opened


def _resealed(opened: Opened, old: Key, edit: Edit, dice: Dice) -> tuple[Key, tuple[KeyVersion, ...]]:
    own = sorted(row for row in opened.rows.versions if row.key_id == old.id)
    others = [row for row in opened.rows.versions if row.key_id != old.id]
    new = edit.apply(old)
    number, current = max(row.version for row in own), old.version
    for row in own:
        number += 1
        content = opened.content(old, row)
        if edit.content is not None:
            content = edit.content._replace(secret=content.secret)
        base_url = row.base_url if edit.base_url is None else edit.base_url
        fresh = _sealed(opened, new, base_url, number, content, dice)
        others.append(fresh._replace(created_at=row.created_at, grace_until=row.grace_until))
        if row.version == old.version:
            current = number
    return new._replace(version=current), tuple(others)


def _with_key(opened: Opened, old: Key, new: Key, versions: tuple[KeyVersion, ...]) -> Opened:
    keys = tuple(new if key.id == old.id else key for key in opened.rows.keys)
    return opened._replace(rows=opened.rows._replace(keys=keys, versions=versions))


def _with_one_default(opened: Opened, chosen: Key) -> Opened:
    keys = tuple(
        key._replace(is_default=int(key.id == chosen.id)) if key.provider == chosen.provider else key
        for key in opened.rows.keys
    )
    return opened._replace(rows=opened.rows._replace(keys=keys))


def add_method(opened: Opened, new: methods.NewMethod, now_s: int, dice: Dice) -> Opened:
    """Add an unlock method; raises ExistsAlready where one of its kind (or this key file) is there."""
    rows = opened.rows
    for method in rows.methods:
        if method.kind == new.kind and (new.kind != methods.KEY_FILE or method.place == new.place):
            hint = (
                "change it: aikeys passphrase" if new.kind == methods.PASSPHRASE else "see: aikeys unlock-method list"
            )
            raise ExistsAlready(f"the vault has a {new.kind} already", hint)
    row = methods.make(new, rows.header, opened.vault_key.reveal(), now_s, dice)
    return opened._replace(rows=rows._replace(methods=(*rows.methods, row)))


def find_method(rows: Rows, wanted: str) -> UnlockMethod:
    """Return the unlock method with this id, path or (where there is one only) kind; raises NotFound."""
    found = [row for row in rows.methods if wanted in (row.id.hex(), row.kind, row.place)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"there are {len(found)} unlock methods of kind {wanted}", "name one by its id")
    raise NotFound(f"there is no unlock method {wanted}", "see: aikeys unlock-method list")


def remove_method(opened: Opened, method_id: bytes, dice: Dice) -> Opened:
    """Remove an unlock method and give the vault a new key; the last one is never removed."""
    rows = opened.rows
    kept = tuple(row for row in rows.methods if row.id != method_id)
    if not kept:
        raise BadConfiguration("the last unlock method cannot be removed", "add another: aikeys unlock-method add")
    return rekey(opened._replace(rows=rows._replace(methods=kept)), dice)


def rekey(opened: Opened, dice: Dice) -> Opened:
    """Make a new vault key and wrap everything under it, without any unlock method's secret."""
    rows, new_key = opened.rows, dice(sealing.KEY_BYTES)
    header, old_key = rows.header, opened.vault_key.reveal()

    def moved(sealed: bytes, context: bytes) -> bytes:
        return sealing.seal(new_key, dice(sealing.NONCE_BYTES), sealing.unseal(old_key, sealed, context), context)

    vault_id = header.vault_id
    header = header._replace(
        signing_sealed=moved(header.signing_sealed, vault_context("signing-key", vault_id)),
        gateway_sealed=moved(header.gateway_sealed, vault_context("gateway-key", vault_id)),
        commitment=methods.commitment(new_key),
    )
    keys = {key.id: key for key in rows.keys}
    versions = tuple(
        row._replace(
            wrapped_key=moved(
                row.wrapped_key, secret_context("data-key", vault_id, keys[row.key_id], row.base_url, row.version)
            )
        )
        for row in rows.versions
    )
    unlock = tuple(
        row._replace(envelope=methods.envelope(row.public_key, vault_id, row.id, new_key)) for row in rows.methods
    )
    return opened._replace(rows=Rows(header, unlock, rows.keys, versions, rows.manifest), vault_key=Secret(new_key))


def renew_everything(opened: Opened, survivor: tuple[bytes, bytes], dice: Dice) -> Opened:
    """After a compromise: new vault key, signing key, gateway key and data keys; one unlock method survives.

    `survivor` is its id and its unlock secret.
    """
    method_id, secret = survivor
    opened = rekey(opened, dice)
    rows = opened.rows
    vault_key = opened.vault_key.reveal()
    header = _with_identity(rows.header, vault_key, dice)
    opened = opened._replace(rows=rows._replace(header=header), method_id=method_id)
    for key in rows.keys:
        edited = Edit(key.id, lambda same: same, content=opened.content(key))
        new, versions = _resealed(opened, key, edited, dice)
        opened = _with_key(opened, key, new, versions)
    kept = [methods.rebind(row, secret, header, vault_key, dice) for row in rows.methods if row.id == method_id]
    return opened._replace(rows=opened.rows._replace(methods=tuple(kept)))
