"""Open a vault: first the ledger's anchor, then the rows and their manifest, then an unlock method.

The anchor is read before the rows: a writer between the two reads can only make the rows newer.
"""

import os

from aikeys import sealing
from aikeys.errors import Damaged, NotFound
from aikeys.ledger.entries import Anchor
from aikeys.ledger.store import FOREIGN_HINT, Ledger, Signer
from aikeys.secret import Secret
from aikeys.storage.record import NamedTuple
from aikeys.vault.format import (
    Content,
    Key,
    KeyVersion,
    Rows,
    decode_content,
    manifest_digest,
    manifest_message,
    secret_context,
    vault_context,
)
from aikeys.vault.store import VaultFile

_HINT = "restore a backup: aikeys restore FILE"


class LedgerMissing(Damaged):
    """The vault names a ledger that is not there."""


class VaultMissing(Damaged):
    """The ledger belongs to a vault that is not there."""


class NotRecorded(Damaged):
    """The vault is not the one that its ledger has on record: older, or another's."""


class Place(NamedTuple):
    """Where a vault and its ledger live."""

    home: str
    ledger_directory: str

    @property
    def vault(self) -> VaultFile:
        return VaultFile(self.home)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.ledger_directory)


def place_of(home: str, ledger_directory: str | None = None) -> Place:
    """Return the place of a home; AIKEYS_LEDGER names another directory for the ledger."""
    home = os.path.abspath(home)
    return Place(home, os.path.abspath(ledger_directory) if ledger_directory else home)


class Opened(NamedTuple):
    """A vault with its key. `method_id` is the unlock method used, empty for a session."""

    rows: Rows
    vault_key: Secret
    method_id: bytes

    def data_key(self, key: Key, row: KeyVersion) -> bytes:
        """Return the data key of a version."""
        context = secret_context("data-key", self.rows.header.vault_id, key, row.base_url, row.version)
        return sealing.unseal(self.vault_key.reveal(), row.wrapped_key, context)

    def content(self, key: Key, row: KeyVersion | None = None) -> Content:
        """Open a key's current version, or the one given."""
        row = row or self.rows.version_of(key)
        context = secret_context("secret", self.rows.header.vault_id, key, row.base_url, row.version)
        return decode_content(sealing.unseal(self.data_key(key, row), row.sealed, context))

    def secrets(self, key: Key) -> list[bytes]:
        """Return every secret of a key that the vault has, those in grace too."""
        return [self.content(key, row).secret for row in self.rows.versions if row.key_id == key.id]

    def signer(self) -> Signer:
        """Return who vouches for the ledger while this vault is open."""
        private = self.signing_key()
        return Signer(self.rows.header.signing_public, lambda message: sealing.sign(private, message))

    def gateway_key(self) -> Secret:
        """Return the gateway's X25519 private key; raises Damaged where it is not the public key's."""
        header = self.rows.header
        private = sealing.unseal(
            self.vault_key.reveal(), header.gateway_sealed, vault_context("gateway-key", header.vault_id)
        )
        if sealing.public_half(private) != header.gateway_public:
            raise Damaged("the vault's gateway key does not fit its public key", _HINT)
        return Secret(private)

    def signing_key(self) -> bytes:
        """Return the Ed25519 private key; raises Damaged where it is not the public key's."""
        header = self.rows.header
        private = sealing.unseal(
            self.vault_key.reveal(), header.signing_sealed, vault_context("signing-key", header.vault_id)
        )
        if sealing.signing_public(private) != header.signing_public:
            raise Damaged("the vault's signing key does not fit its public key", _HINT)
        return private


def anchored(rows: Rows) -> bytes:
    """Return what the ledger keeps of a vault's state: the manifest's digest and the signing public key."""
    return rows.manifest.digest + rows.header.signing_public


def is_bereft(place: Place, ledger: Ledger | None = None) -> bool:
    """Tell whether the ledger that is there belongs to a vault while there is none; a ledger that is given stays open.

    One that was only started (a crash while the vault was made), or imported to look at, belongs to no vault.
    """
    given, ledger = ledger, ledger or place.ledger
    if not ledger.exists or place.vault.exists:
        return False
    try:
        return bool(ledger.open().anchors())
    finally:
        if given is None:
            ledger.close()


def require_vault(place: Place, ledger: Ledger | None = None) -> None:
    """Raise NotFound without a vault, VaultMissing where the ledger says that there was one."""
    try:
        place.vault.require()
    except NotFound:
        if not is_bereft(place, ledger):
            raise
        raise VaultMissing(
            f"the vault of this ledger is missing: {place.vault.path}",
            "put vault.db back, or bring back a backup: aikeys restore FILE",
        ) from None


def picture(place: Place, ledger: Ledger | None = None) -> Rows:
    """Return the vault's rows, checked as far as one can without a key; a ledger that is given is left open.

    Raises NotFound without a vault and Damaged where manifest, anchor or ledger contradict the rows.
    """
    vault = place.vault
    require_vault(place, ledger)
    given, ledger = ledger, ledger or place.ledger
    if not ledger.exists:
        check_manifest(vault.read())
        raise LedgerMissing(
            f"the ledger of this vault is missing: {ledger.path}",
            "put an unchanged copy of ledger.db back; without one: aikeys ledger import --new-ledger",
        )
    try:
        ledger.open()
        anchors = ledger.anchors()
        rows = vault.read()
        check_manifest(rows)
        check_anchor(rows, anchors.get(rows.header.vault_id), ledger)
    finally:
        if given is None:
            ledger.close()
    return rows


def picture_without_ledger(place: Place) -> Rows:
    """Return the vault's rows checked by their manifest alone: enough to take access away."""
    rows = place.vault.read()
    check_manifest(rows)
    return rows


def without_ledger(place: Place) -> Place:
    """Return the place for what takes access away and must not write to the ledger that is here: it is queued."""
    return place._replace(ledger_directory=os.path.join(place.vault.path, "none"))  # below a file there is none


def check_manifest(rows: Rows, signing_public: bytes | None = None) -> None:
    """Raise Damaged unless the manifest is signed and fits the rows."""
    header, manifest = rows.header, rows.manifest
    if signing_public is not None and signing_public != header.signing_public:
        raise Damaged("the vault's signing key was exchanged", _HINT)
    if manifest_digest(rows) != manifest.digest:
        raise Damaged("the vault's rows were changed, removed or put back", _HINT)
    message = manifest_message(header.vault_id, manifest)
    if not sealing.is_signed(header.signing_public, manifest.signature, message):
        raise Damaged("the vault's manifest is not signed by its key", _HINT)


def check_anchor(rows: Rows, anchor: Anchor | None, ledger: Ledger) -> None:
    """Raise Damaged where the ledger has seen a newer vault, or another one; `anchor` was read before the rows."""
    manifest = rows.manifest
    if rows.header.ledger_id != ledger.ledger_id:
        raise Damaged(f"{ledger.path} belongs to another vault", FOREIGN_HINT)
    if ledger.hash_at(manifest.ledger_count) != manifest.ledger_head:
        raise Damaged(f"{ledger.path} lacks entries that the vault has seen", "put the newer ledger back")
    if anchor is None:
        if not ledger.open_intents(rows.header.vault_id):
            raise Damaged(f"{ledger.path} has never seen this vault", "to take it on purpose: aikeys restore FILE")
        return
    if manifest.epoch < anchor.epoch:
        raise NotRecorded(
            f"the vault is older than its last recorded state (epoch {manifest.epoch}, recorded {anchor.epoch})",
            "to go back on purpose: aikeys restore FILE",
        )
    if manifest.epoch > anchor.epoch and anchored(rows)[32:] != anchor.state[32:]:
        if not _was_to_change_the_signing_key(rows, ledger):
            raise NotRecorded("the vault is signed by another key than the ledger recorded", _HINT)
    elif manifest.epoch == anchor.epoch and anchored(rows) != anchor.state:
        raise NotRecorded("the vault is not the one the ledger recorded", "to take it on purpose: aikeys restore FILE")


def _was_to_change_the_signing_key(rows: Rows, ledger: Ledger) -> bool:
    """Tell whether a process that may change the signing key was killed between these rows and its outcome."""
    manifest = rows.manifest
    if (manifest.ledger_count, manifest.epoch) not in ledger.open_intents(rows.header.vault_id):
        return False
    intents = [entry for entry, _ in ledger.entries() if entry.id == manifest.ledger_count]
    return any(intent.act == "restore" or intent.detail == "compromised" for intent in intents)
