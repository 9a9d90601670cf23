"""The choke point of the command line: what a token may is recorded first, or not done; what it may not never is."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from aikeys.cli import authority
from aikeys.errors import AikeysError, Denied, MachineFailed
from aikeys.ledger.store import Ledger
from aikeys.storage.sqlite import DiskFull
from aikeys.tokens import admission
from aikeys.tokens.scopes import SCOPES
from tests.gateway.serving import make_office
from tests.vault.tokens_at_hand import Office

TAKING = sorted(command for command, takes in admission.COMMANDS.items() if takes)
FOR_OWNERS = sorted(command for command, takes in admission.COMMANDS.items() if takes is None)
FAILURES = (
    DiskFull("the disk is full"),
    MachineFailed("the disk is read-only"),
    OSError(28, "No space left on device"),
)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return make_office(tmp_path_factory.mktemp("authority"), "openai")


@pytest.fixture
def bearing(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Have a token with every scope in the environment."""
    monkeypatch.setenv("AIKEYS_HOME", office.home.place.home)
    give(office, monkeypatch, *SCOPES)
    return office


def give(office: Office, monkeypatch: pytest.MonkeyPatch, *scopes: str) -> None:
    monkeypatch.setenv("AIKEYS_TOKEN", office.issue(*scopes).text)
    monkeypatch.setattr(authority, "_token_verifier", authority._Keeper())


def refuse_to_write(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def event(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(Ledger, "event", event)


def entries(office: Office) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(office.home.ledger)) as connection:
        return connection.execute("SELECT detail, status FROM entry WHERE act = 'access' ORDER BY id").fetchall()


@pytest.mark.parametrize("command", TAKING)
def test_what_a_token_may_do_is_in_the_audit_log_before_it_is_done(bearing: Office, command: str) -> None:
    authority.require(command)
    name, scopes = command.partition(" --")[0].replace(" ", "-"), ",".join(admission.COMMANDS[command] or ())
    assert entries(bearing)[-1] == (f"command={name} scopes={scopes}", "ok")


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("command", TAKING)
def test_a_use_whose_entry_cannot_be_written_is_refused(
    bearing: Office, monkeypatch: pytest.MonkeyPatch, command: str, failure: Exception
) -> None:
    before = entries(bearing)
    refuse_to_write(monkeypatch, failure)
    with pytest.raises(AikeysError, match="cannot be recorded, so it is refused"):
        authority.require(command)
    assert entries(bearing) == before


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("command", TAKING)
def test_a_refusal_stands_also_where_it_cannot_be_written(
    bearing: Office, monkeypatch: pytest.MonkeyPatch, command: str, failure: Exception
) -> None:
    takes = admission.COMMANDS[command] or ()
    implying = {"usage:own": ("usage:read",), "budget:own": ("budget:read",)}
    lacked = {takes[-1], *implying.get(takes[-1], ())}
    give(bearing, monkeypatch, *(scope for scope in SCOPES if scope not in lacked))
    refuse_to_write(monkeypatch, failure)
    with pytest.raises(Denied, match=takes[-1]):
        authority.require(command)


@pytest.mark.parametrize("command", [*FOR_OWNERS, "a command that nobody decided about"])
def test_no_token_runs_what_is_the_owners(bearing: Office, command: str) -> None:
    with pytest.raises(Denied, match="for the owner of the vault"):
        authority.enter(command)
    assert entries(bearing)[-1] == (f"command={command.replace(' ', '-')} scopes=owner", "denied")
    with pytest.raises(Denied):
        authority.require(command)


def test_a_report_that_cannot_be_recorded_prints_nothing(tmp_path: Path) -> None:
    office = make_office(tmp_path)
    token = office.issue("usage:read").text
    with closing(sqlite3.connect(office.home.ledger)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON entry WHEN NEW.act = 'access' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()
    done = subprocess.run(
        office.home.command("report"), env={**office.home.environ(), "AIKEYS_TOKEN": token}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (13, "")
    assert "aikeys report cannot be recorded, so it is refused" in done.stderr


def test_only_commands_of_the_table_are_let_past_a_gateway(monkeypatch: pytest.MonkeyPatch, bearing: Office) -> None:
    before = len(entries(bearing))
    monkeypatch.setenv("AIKEYS_GATEWAY", "http://127.0.0.1:9")
    for command in admission.AT_GATEWAY:
        authority.enter(command)
    assert len(entries(bearing)) == before
    with pytest.raises(Denied):
        authority.enter("ledger import")
