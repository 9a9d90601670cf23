"""A changed or removed unlock method: the old vault key, and whoever holds it, opens nothing of the new vault."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from aikeys import sealing
from aikeys.errors import AikeysError, BadConfiguration, Damaged
from aikeys.vault import changes
from aikeys.vault.format import Rows, method_context, secret_context, vault_context
from aikeys.vault.opening import Opened
from aikeys.vault.unlock import methods


def _sealed(rows: Rows) -> list[tuple[str, bytes, bytes]]:
    """Return what a vault key opens: a name, the sealed bytes, their context."""
    vault_id, keys = rows.header.vault_id, {key.id: key for key in rows.keys}
    found = [
        ("signing key", rows.header.signing_sealed, vault_context("signing-key", vault_id)),
        ("gateway key", rows.header.gateway_sealed, vault_context("gateway-key", vault_id)),
    ]
    for row in rows.versions:
        context = secret_context("data-key", vault_id, keys[row.key_id], row.base_url, row.version)
        found.append((f"data key {row.version}", row.wrapped_key, context))
    return found


def _opens(key: bytes, sealed: bytes, context: bytes) -> bool:
    try:
        sealing.unseal(key, sealed, context)
    except Damaged:
        return False
    return True


def _opened_by(vault_key: bytes, rows: Rows) -> list[str]:
    return [name for name, sealed, context in _sealed(rows) if _opens(vault_key, sealed, context)]


def _full(make_home: Any) -> Any:
    home = make_home(passphrase=True)
    home.add("openai", "sk-first")
    home.add("second", "sk-second")
    return home


def _without(home: Any, kind: str) -> Opened:
    method = changes.find_method(home.rows(), kind)
    return home.change("remove", lambda vault: changes.remove_method(vault, method.id, os.urandom))


def test_after_removing_an_unlock_method_the_old_vault_key_opens_nothing(make_home: Any) -> None:
    home = _full(make_home)
    old = home.open(methods.PASSPHRASE).vault_key.reveal()
    assert len(_opened_by(old, home.rows())) == 4
    _without(home, methods.PASSPHRASE)
    home.add("third", "sk-third")
    rows = home.rows()
    assert _opened_by(old, rows) == []
    assert len(_opened_by(home.open().vault_key.reveal(), rows)) == 5


def test_a_removed_unlock_method_opens_no_envelope_of_the_new_vault(make_home: Any) -> None:
    home = _full(make_home)
    removed = changes.find_method(home.rows(), methods.PASSPHRASE)
    _without(home, methods.PASSPHRASE)
    rows = home.rows()
    with pytest.raises(AikeysError):
        methods.open_with(removed, home.passphrase, rows.header)
    private, _ = methods._credentials(removed, home.passphrase, rows.header.vault_id)
    for row in rows.methods:
        with pytest.raises(Damaged):
            sealing.take_over(private, row.envelope, method_context("envelope", rows.header.vault_id, row.id))


def test_rekeying_keeps_every_secret_and_every_other_unlock_method(make_home: Any) -> None:
    home = _full(make_home)
    before = home.secrets()
    home.change("rekey", lambda vault: changes.rekey(vault, os.urandom))
    assert home.secrets() == before == {"openai": "sk-first", "second": "sk-second"}
    assert home.open(methods.PASSPHRASE).vault_key == home.open().vault_key


def test_the_last_unlock_method_is_never_removed(make_home: Any) -> None:
    home = make_home()
    before = home.rows()
    with pytest.raises(BadConfiguration, match="last unlock method"):
        _without(home, methods.KEY_FILE)
    assert home.rows() == before
    assert home.open().rows == before


def test_an_old_passphrase_with_an_old_copy_opens_nothing_added_after_the_change(
    make_home: Any, tmp_path: Path
) -> None:
    home = _full(make_home)
    old = home.open(methods.PASSPHRASE)
    (tmp_path / "new").write_text("another passphrase of ten words")
    ended = home.run("passphrase", "--new-file", str(tmp_path / "new"))
    assert ended.returncode == 0, ended.stderr
    home.add("later", "sk-later")
    rows = home.rows()
    assert _opened_by(old.vault_key.reveal(), rows) == []
    later = rows.key_named("later")
    assert later is not None
    with pytest.raises(Damaged):
        old._replace(rows=rows).content(later)
    with pytest.raises(AikeysError):
        home.open_rows(rows, methods.PASSPHRASE)
    assert home.secrets() == {"openai": "sk-first", "second": "sk-second", "later": "sk-later"}


def test_renewing_everything_leaves_one_way_in_and_no_old_key_of_use(make_home: Any) -> None:
    home = _full(make_home)
    before, secrets = home.open(), home.secrets()
    data_keys = [before.data_key(key, before.rows.version_of(key)) for key in before.rows.keys]
    survivor = (before.method_id, home.key)
    home.change("renew", lambda vault: changes.renew_everything(vault, survivor, os.urandom))
    after = home.open()
    assert home.secrets() == secrets
    assert [row.kind for row in after.rows.methods] == [methods.KEY_FILE]
    assert _opened_by(before.vault_key.reveal(), after.rows) == []
    assert after.rows.header.signing_public != before.rows.header.signing_public
    assert after.rows.header.gateway_public != before.rows.header.gateway_public
    for key in after.rows.keys:
        row = after.rows.version_of(key)
        context = secret_context("secret", after.rows.header.vault_id, key, row.base_url, row.version)
        assert not any(_opens(data_key, row.sealed, context) for data_key in data_keys)
    for method in before.rows.methods:
        secret = home.key if method.kind == methods.KEY_FILE else home.passphrase
        with pytest.raises(AikeysError):
            methods.open_with(method, secret, after.rows.header)


def test_a_command_that_opened_the_vault_before_a_rekey_writes_nothing(make_home: Any) -> None:
    from aikeys.ledger.store import Act
    from aikeys.vault.writing import write

    home = _full(make_home)
    stale = home.open()
    home.change("rekey", lambda vault: changes.rekey(vault, os.urandom))
    before = home.rows()
    with pytest.raises(AikeysError):
        write(home.place, stale, Act("revoke", "openai"), lambda vault: changes.remove_key(vault, "openai"))
    assert home.rows() == before
