"""From an unlock secret to the vault key (pure).

unlock secret --(Argon2id, or raw)--HKDF--> HPKE private key and a binding key. The binding key seals the vault's
id and signing public key: a vault forged around a stored public key cannot have that. It seals the vault key with
them, as of when the method was made: while that is still the vault's, opening needs no public-key cryptography.
"""

from aikeys import sealing
from aikeys.errors import Damaged, WrongPassphrase
from aikeys.storage.canonical import pack, unpack
from aikeys.storage.record import NamedTuple
from aikeys.vault.format import Header, UnlockMethod, method_context

KEYRING, PASSPHRASE, RECOVERY, KEY_FILE = "keyring", "passphrase", "recovery", "key-file"
KINDS = (KEYRING, PASSPHRASE, RECOVERY, KEY_FILE)
SALT_BYTES = 16
_HINT = "restore a backup: aikeys restore FILE"


class NewMethod(NamedTuple):
    """An unlock method to be made: its secret (32 raw bytes, a code's bytes, or a passphrase in UTF-8)."""

    kind: str
    place: str
    secret: bytes
    cost: sealing.Cost | None = None


def passphrase_bytes(text: str) -> bytes:
    """Return a passphrase's bytes: NFKC, so that it opens whatever keyboard typed it."""
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFKC", text)
    return text.encode("utf-8", "surrogateescape")


def make(new: NewMethod, header: Header, vault_key: bytes, now_s: int, dice: sealing.Dice) -> UnlockMethod:
    """Return the row of a new unlock method."""
    method_id, salt = dice(8), b""
    memory_kib = passes = lanes = 0
    if new.cost is not None:
        salt = dice(SALT_BYTES)
        memory_kib, passes, lanes = new.cost
    blank = UnlockMethod(method_id, new.kind, now_s, new.place, salt, memory_kib, passes, lanes, b"", b"", b"")
    private, binding_key = _credentials(blank, new.secret, header.vault_id)
    return blank._replace(
        public_key=sealing.public_half(private),
        envelope=envelope(sealing.public_half(private), header.vault_id, method_id, vault_key),
        binding=_bound(blank, header, vault_key, binding_key, dice(sealing.NONCE_BYTES)),
    )


def envelope(public: bytes, vault_id: bytes, method_id: bytes, vault_key: bytes) -> bytes:
    """Hand the vault key to an unlock method's public key; needs none of its secrets."""
    return sealing.hand_over(public, vault_key, method_context("envelope", vault_id, method_id))


def open_with(method: UnlockMethod, secret: bytes, header: Header) -> bytes:
    """Return the vault key; raises WrongPassphrase, or Damaged where the vault was forged around the method."""
    private, binding_key = _credentials(method, secret, header.vault_id)
    try:
        bound = unpack(sealing.unseal(binding_key, method.binding, _binding_context(method, header)))
    except (Damaged, ValueError):
        if sealing.public_half(private) != method.public_key:
            raise WrongPassphrase(_wrong(method.kind), "nothing was changed; try again") from None
        raise Damaged("an unlock method was edited or moved", _HINT) from None
    if bound[:2] != (header.vault_id, header.signing_public):
        raise Damaged("the vault was forged: its unlock method belongs to another vault", _HINT)
    vault_key = bound[2] if len(bound) == 3 else None
    if isinstance(vault_key, bytes) and commitment(vault_key) == header.commitment:
        return vault_key
    vault_key = sealing.take_over(private, method.envelope, method_context("envelope", header.vault_id, method.id))
    if commitment(vault_key) != header.commitment:
        raise Damaged("the vault's key does not fit the vault", _HINT)
    return vault_key


def commitment(vault_key: bytes) -> bytes:
    """Return what the header stores to recognise the vault key: AES-GCM alone does not commit to its key."""
    return sealing.derive(vault_key, b"aikeys/1/commitment")


def rebind(method: UnlockMethod, secret: bytes, header: Header, vault_key: bytes, dice: sealing.Dice) -> UnlockMethod:
    """Bind a method to a header whose signing key is new; needs the method's secret."""
    _, binding_key = _credentials(method, secret, header.vault_id)
    return method._replace(binding=_bound(method, header, vault_key, binding_key, dice(sealing.NONCE_BYTES)))


def _credentials(method: UnlockMethod, secret: bytes, vault_id: bytes) -> tuple[bytes, bytes]:
    if method.memory_kib:
        cost = sealing.Cost(method.memory_kib, method.passes, method.lanes)
        secret = sealing.stretch(secret, method.salt, cost)
    private = sealing.derive(secret, method_context("unlock-private", vault_id, method.id))
    return private, sealing.derive(secret, method_context("unlock-binding", vault_id, method.id))


def _bound(method: UnlockMethod, header: Header, vault_key: bytes, binding_key: bytes, nonce: bytes) -> bytes:
    known = pack(header.vault_id, header.signing_public, vault_key)
    return sealing.seal(binding_key, nonce, known, _binding_context(method, header))


def _binding_context(method: UnlockMethod, header: Header) -> bytes:
    return method_context("binding", header.vault_id, method.id)


def _wrong(kind: str) -> str:
    return {
        PASSPHRASE: "the passphrase is wrong",
        RECOVERY: "the recovery code is not this vault's",
        KEY_FILE: "the key file is not this vault's",
        KEYRING: "the entry in the OS keyring is not this vault's",
    }.get(kind, "the unlock secret is wrong")
