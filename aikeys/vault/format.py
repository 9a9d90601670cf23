"""Vault format 1: the rows, their canonical bytes and digests (pure). man/aikeys-vault.5 specifies it.

- Every row carries the first 8 bytes of its digest as a checksum: it tells damage from a wrong passphrase.
- The manifest's digest covers header, unlock methods and key rows; its signature is what nobody can forge.
- Associated data names purpose, vault, row, key name, provider, base URL and version: nothing can be moved.

No `__future__` import here: store.py makes the tables from these annotations.
"""

from aikeys.errors import Damaged
from aikeys.secret import KeySecret
from aikeys.storage.canonical import Field, pack, sha256, unpack
from aikeys.storage.record import NamedTuple
from aikeys.tokens.link import Link

FORMAT = 1
APPLICATION_ID = 0x61696B31  # "aik1"
CHECKSUM_BYTES = 8


class Header(NamedTuple):
    format: int
    vault_id: bytes
    created_at: int
    ledger_id: bytes
    signing_public: bytes
    signing_sealed: bytes
    gateway_public: bytes
    gateway_sealed: bytes
    commitment: bytes


class UnlockMethod(NamedTuple):
    """One way to open the vault; `place` is a keyring backend or a key file's path."""

    id: bytes
    kind: str
    created_at: int
    place: str
    salt: bytes
    memory_kib: int
    passes: int
    lanes: int
    public_key: bytes
    envelope: bytes
    binding: bytes


class Key(NamedTuple):
    """What is known of a key without opening it; times in seconds since 1970, 0 for none."""

    id: bytes
    name: str
    provider: str
    region: str
    labels: str
    is_default: int
    is_admin: int
    rotate_every_s: int
    expires_at: int
    created_at: int
    version: int


class KeyVersion(NamedTuple):
    """One secret of a key; `grace_until` is 0 for the current one."""

    key_id: bytes
    version: int
    base_url: str
    created_at: int
    grace_until: int
    wrapped_key: bytes
    sealed: bytes


class Grant(NamedTuple):
    """The data key of a version, sealed to a token."""

    token_id: bytes
    key_id: bytes
    version: int
    envelope: bytes

    @property
    def identity(self) -> tuple[bytes, bytes, int]:
        """Whose it is and of which version: what the rows are told apart by."""
        return (self.token_id, self.key_id, self.version)


class Revocation(NamedTuple):
    """A token that opens nothing any more, and when it was revoked (microseconds since 1970)."""

    token_id: bytes
    at_us: int


class Manifest(NamedTuple):
    epoch: int
    ledger_count: int
    ledger_head: bytes
    digest: bytes
    signature: bytes


class Rows(NamedTuple):
    """Everything in a vault file that the manifest covers, and the manifest."""

    header: Header
    methods: tuple[UnlockMethod, ...]
    keys: tuple[Key, ...]
    versions: tuple[KeyVersion, ...]
    manifest: Manifest

    def key_named(self, name: str) -> Key | None:
        """Return the key with this name."""
        return next((key for key in self.keys if key.name == name), None)

    def by_key(self) -> "dict[bytes, Rows]":
        """Return the same rows for each key's id with its own versions alone: looking at all keys stays linear."""
        own: dict[bytes, list[KeyVersion]] = {key.id: [] for key in self.keys}
        for row in self.versions:
            own.setdefault(row.key_id, []).append(row)
        return {key_id: self._replace(versions=tuple(versions)) for key_id, versions in own.items()}

    def version_of(self, key: Key) -> KeyVersion:
        """Return a key's current version; raises Damaged where it is missing."""
        for row in self.versions:
            if row.key_id == key.id and row.version == key.version:
                return row
        raise Damaged(f"the vault has lost the secret of {key.name}", "restore a backup: aikeys restore FILE")

    def previous_of(self, key: Key) -> KeyVersion | None:
        """Return the newest version in grace."""
        rows = [row for row in self.versions if row.key_id == key.id and row.version != key.version]
        return max(rows, key=lambda row: row.created_at * 2**32 + row.version, default=None)


class Content(NamedTuple):
    """What is sealed for one version: all that exec needs, so that it reads no catalogue."""

    secret: bytes
    env: tuple[str, ...]
    base_url_env: tuple[str, ...]
    set_base_url: str
    extra: tuple[tuple[str, str], ...]
    clear: tuple[str, ...]
    allows_http: bool = False
    """It may be sent over plain http to an address of a private network, not only to this machine."""

    @property
    def key_secret(self) -> KeySecret:
        """Return the secret as what sends it takes it."""
        return KeySecret(self.secret, allows_http=self.allows_http)


Row = Header | UnlockMethod | Key | KeyVersion | Manifest | Grant | Revocation | Link
NO_MANIFEST = Manifest(0, 0, b"", b"", b"")


def row_digest(row: Row) -> bytes:
    """Return SHA-256 over a row's kind and fields."""
    return sha256(pack("aikeys/1/row", type(row).__name__, *row))


def checksum(row: Row) -> bytes:
    """Return what is stored beside a row to tell damage."""
    return row_digest(row)[:CHECKSUM_BYTES]


def manifest_digest(rows: Rows) -> bytes:
    """Return SHA-256 over the digests of all rows, each list sorted by its ids."""
    parts = [row_digest(rows.header)]
    groups: tuple[tuple[Row, ...], ...] = (rows.methods, rows.keys, rows.versions)
    parts += [b"".join(row_digest(row) for row in sorted(group)) for group in groups]
    return sha256(pack("aikeys/1/manifest-rows", *parts))


def manifest_message(vault_id: bytes, manifest: Manifest) -> bytes:
    """Return the bytes that the signing key signs."""
    return pack(
        "aikeys/1/manifest", vault_id, manifest.epoch, manifest.ledger_count, manifest.ledger_head, manifest.digest
    )


def secret_context(purpose: str, vault_id: bytes, key: Key, base_url: str, version: int) -> bytes:
    """Return the associated data of a version's data key ("data-key") or content ("secret")."""
    return pack(f"aikeys/1/{purpose}", vault_id, key.id, key.name, key.provider, base_url, version)


def method_context(purpose: str, vault_id: bytes, method_id: bytes) -> bytes:
    """Return the associated data of an unlock method's envelope, binding or derivation."""
    return pack(f"aikeys/1/{purpose}", vault_id, method_id)


def vault_context(purpose: str, vault_id: bytes) -> bytes:
    """Return the associated data of something that belongs to the whole vault."""
    return pack(f"aikeys/1/{purpose}", vault_id)


def encode_content(content: Content) -> bytes:
    """Return the plaintext that is sealed."""
    pairs = [part for pair in content.extra for part in pair]
    return pack(
        content.secret,
        pack(*content.env),
        pack(*content.base_url_env),
        content.set_base_url,
        pack(*pairs),
        pack(*content.clear),
        *((1,) if content.allows_http else ()),
    )


def decode_content(data: bytes) -> Content:
    """Read what `encode_content` wrote; raises Damaged."""
    try:
        secret, env, base_url_env, set_base_url, pairs, clear, *more = unpack(data)
        flat = _texts(pairs)
        if more not in ([], [1]):
            raise ValueError("not of format 1")
        return Content(
            _bytes(secret),
            _texts(env),
            _texts(base_url_env),
            str(set_base_url),
            tuple(zip(flat[::2], flat[1::2], strict=True)),
            _texts(clear),
            bool(more),
        )
    except ValueError:
        raise Damaged("a sealed key does not have the form of format 1", "upgrade aikeys") from None


def _bytes(field: Field) -> bytes:
    if not isinstance(field, bytes):
        raise ValueError("not bytes")  # noqa: TRY004
    return field


def _texts(field: Field) -> tuple[str, ...]:
    return tuple(str(text) for text in unpack(_bytes(field)))
