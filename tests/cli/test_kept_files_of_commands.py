"""Every file the home keeps × every state it can be found in × what people type: told at once, and no wrong money.

A sample here, chosen by the names; with AIKEYS_TEST_ALL=1 the whole product (about two minutes).
"""

from __future__ import annotations

import json
import os
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys.cli import app
from aikeys.money import usd_text
from aikeys.names import TokenName
from aikeys.tokens.token_request import TokenRequest
from aikeys.vault import changes
from aikeys.vault.format import Content
from aikeys.vault.opening import place_of
from aikeys.vault.setup import make_vault
from aikeys.vault.tokens import issuing
from aikeys.vault.unlock import key_file, methods
from tests.cli.kept_files import ALTERED_ALONE, FILES, IS_ROOT, OF_ROOT, STATES, KeptHome
from tests.conftest import canary
from tests.house.test_exit_statuses import commands, statuses
from tests.spending.conftest import REPLY, USAGE_PUSD, FakeProvider, answer
from tests.vault.conftest import NOW_S, Home

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs commands in forked processes"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
COMMANDS: dict[str, tuple[str, ...]] = {
    "list": ("list",),
    "show": ("show", "openai"),
    "add": ("add", "another", "--provider", "openai", "--no-verify", "--stdin"),
    "exec": ("exec", "openai", "--", "/bin/true"),
    "prompt": ("prompt", "-m", "openai/gpt-4.1", "--no-stream", "--no-stdin", "Say hello"),
    "report": ("report",),
    "log": ("log",),
    "budget check": ("budget", "check"),
    "token issue": ("token", "issue", "--scope", "env:read"),
    "token revoke": ("token", "revoke", "lent"),
    "revoke": ("--yes", "revoke", "spare"),
    "doctor": ("doctor",),
}
ALL = bool(os.environ.get("AIKEYS_TEST_ALL"))
CELLS = [(name, state) for name in FILES for state in STATES if IS_ROOT or state not in OF_ROOT]
DOCUMENTED = {path: statuses(command) for path, command in commands(app.load_all())}
STOPS_NO_REVOKING = (
    "config.toml", "prices.jsonl", "allowed.json", "ballast", "ballast-for-revoking", "ledger.turn",
    "process-77777-abcdef.lock", "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal",
)  # fmt: skip


def chosen(name: str, state: str) -> list[str]:
    """Return the commands to run on a file in a state: one in six, other ones for each."""
    return [one for one in COMMANDS if ALL or zlib.crc32(f"{name} {state} {one}".encode()) % 6 == 0]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    one.plays = [answer(200, REPLY)]
    yield one
    one.close()


@pytest.fixture(scope="module")
def kept(provider: FakeProvider) -> Iterator[KeptHome]:
    def fill(folder: Path) -> None:
        key, path = os.urandom(32), folder / "unlock.key"
        key_file.create(str(path), key)
        home = Home(place_of(str(folder / "home")), path, key)
        make_vault(home.place, [methods.NewMethod(methods.KEY_FILE, str(path), key)])
        for name in ("openai", "spare"):
            content = Content(canary(name).encode(), ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "", (), ())
            new = changes.NewKey(name, "openai", "", f"{provider.url}/v1", "", False, 0, 0, content)
            home.change("add", lambda vault, new=new: changes.add_key(vault, new, NOW_S, os.urandom))  # type: ignore[misc]
        issuing.issue(home.place, home.open(), TokenRequest(TokenName("lent"), scopes=("env:read",), keys=("openai",)))
        (folder / "home" / "config.toml").write_text('[defaults]\nmodel = "openai/gpt-4.1"\n')
        (folder / "project").mkdir()
        (folder / "project" / ".aikeys.toml").write_text('[defaults]\nlabels = { team = "search" }\n')

    home = KeptHome(fill)
    home.load(*COMMANDS.values(), ("ledger", "verify"), ("log", "--json"))
    yield home
    home.remove()


def test_on_a_sound_home_every_command_works(kept: KeptHome) -> None:
    for name, words in COMMANDS.items():
        kept.fresh()
        done = kept.run(*words)
        assert done.status == (23 if name == "budget check" else 25 if name == "doctor" else 0), (name, done)


@pytest.mark.time_limit(60)
@pytest.mark.parametrize(("name", "state"), CELLS, ids=[f"{name}-{state}" for name, state in CELLS])
def test_a_kept_file_in_a_bad_state_is_told_at_once_and_moves_no_money(
    kept: KeptHome, provider: FakeProvider, name: str, state: str
) -> None:
    for command in chosen(name, state):
        kept.fresh()
        STATES[state](kept.path(name))
        provider.seen.clear()
        done = kept.run(*COMMANDS[command])
        cell = (name, state, command, done)
        assert done.signal != signal.SIGALRM, cell
        assert done.status in DOCUMENTED[command] | {0}, cell
        assert "internal error" not in done.said, cell
        assert "Traceback" not in done.said, cell
        assert "CANARY" not in done.said, cell
        if command in ("revoke", "token revoke") and name in STOPS_NO_REVOKING:
            assert done.status == 0, cell
        if command == "prompt":
            assert len(provider.seen) == (done.status == 0), cell
            _assert_booked(kept, name, state, len(provider.seen), str(cell))


def _assert_booked(kept: KeptHome, name: str, state: str, calls: int, cell: str) -> None:
    """See that the ledger is whole, after the file was mended, and holds the calls that were made at their cost."""
    if state in ALTERED_ALONE and (calls or kept.was_made(name)):
        kept.mend_mode(name)
    elif not calls:
        kept.mend(name)
    verified = kept.run("ledger", "verify")
    assert verified.status == 0, (cell, verified)
    booked = json.loads(kept.run("log", "--json").said)["calls"]
    assert [row["cost_usd"] for row in booked] == [usd_text(USAGE_PUSD)] * calls, cell
