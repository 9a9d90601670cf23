"""kill -9 at every write step of what changes tokens: grants old or new together with their key, revocations kept."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from aikeys.budgets.verify import verify_budgets
from aikeys.errors import TokenRefused
from aikeys.ledger import token_acts
from aikeys.ledger.verify import verify
from aikeys.vault.tokens import issuing, revoking
from tests.vault.conftest import Home
from tests.vault.test_killed import Forker, _write_steps
from tests.vault.tokens_at_hand import MAY_ISSUE, Office

CHUNKS = 3
COMMANDS = {
    "rotate": (("rotate", "openai", "--stdin", "--no-verify"), "sk-proj-rotated"),
    "issue": (("token", "issue", "--name", "fresh", "--key", "openai", "--scope", "env:read", "--budget", "5"), ""),
    "revoke": (("--yes", "token", "revoke", "{parent}"), ""),
    "revoke keeping": (("--yes", "token", "revoke", "--keep-children", "{parent}"), ""),
    "prune": (("--yes", "token", "prune"), ""),
}
pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


class Scene(NamedTuple):
    """A home with a parent, its child, a revoked token and one of nobody's; what to look at afterwards."""

    office: Office
    tokens: dict[str, issuing.Issued]

    def state(self, home: Home) -> dict[str, str]:
        """Return what each token opens, or why it opens nothing; and how many tokens there are."""
        office = Office(home)
        found = {"key": home.secrets()["openai"], "rows": str(len(office.rows().links))}
        for name, token in self.tokens.items():
            try:
                found[name] = office.secret(token)
            except TokenRefused as refusal:
                found[name] = "deleted" if "there is no" in refusal.message else "revoked"
        return found


def _scene(make_home: Callable[..., Home]) -> Scene:
    home = make_home()
    home.add("openai", "sk-proj-first")
    office = Office(home)
    parent, other, gone = office.issue(*MAY_ISSUE), office.issue(), office.issue()
    tokens = {"parent": parent, "child": office.child(parent), "other": other, "gone": gone}
    revoking.revoke(home.place, [gone.claims.id])
    return Scene(office, tokens)


def _check(home: Home, where: str) -> None:
    """Ledger and vault agree about tokens, and everything verifies."""
    ledger = home.place.ledger.open()
    try:
        verify(ledger)
        verify_budgets(ledger)
        with ledger.reading() as connection:
            known = token_acts.read_tokens(connection)
    finally:
        ledger.close()
    found = revoking.read_tokens(home.place)
    assert found.wrong == (), where
    for token_id, (claims, *_) in found.chains.items():
        assert known[token_id.hex()][1] == claims.parent.hex(), where
    for token_id in Office(home).rows().revoked_us:
        assert known[token_id.hex()][2] > 0, where
    assert revoking.missing_revocations(home.place, home.place.ledger) == (), where


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_about_tokens_killed_at_any_write_step_leaves_the_old_or_the_new(
    make_home: Callable[..., Home], tmp_path: Path, name: str, chunk: int
) -> None:
    scene = _scene(make_home)
    original = scene.office.home
    home, log = original.at(tmp_path / "tried"), tmp_path / "log"

    old = scene.state(original)
    ledger = original.place.ledger.open()
    ledger.truncate_log()
    ledger.close()

    def fresh() -> None:
        """Put everything back as it was, the ledger's log empty: every run takes the same steps."""
        shutil.rmtree(home.directory, ignore_errors=True)
        shutil.copytree(original.directory, home.directory, ignore=shutil.ignore_patterns("*-wal", "*-shm"))

    fresh()
    words, given = COMMANDS[name]
    words = tuple(word.format(parent=scene.tokens["parent"].claims.shown_id) for word in words)
    with closing(Forker(home, tmp_path / "said", given, words)) as forker:
        ended, said = forker.run("-o", str(log))
        assert ended == 0, said
        new = scene.state(home)
        _check(home, "not killed")
        assert new != old
        between = {**new, "parent": old["parent"]}  # the children are taken over, their parent not yet revoked
        steps = _write_steps(log, home.directory)
        assert len(steps) > 10, log.read_text()
        for step in steps[chunk::CHUNKS]:
            where = f"{name} killed at {step.call} number {step.number}"
            fresh()
            ended, said = forker.run("-o", os.devnull, "-e", f"inject={step.call}:signal=KILL:when={step.number}")
            assert ended == -signal.SIGKILL, f"{where}: {ended} {said}"
            assert scene.state(home) in (old, new, between), where
            if not _are_children_announced_as_they_are(home):
                assert name == "revoke keeping", where
                words_again = forker.run("-o", os.devnull)
                assert words_again[0] == 0, f"{where}: {words_again[1]}"
                assert scene.state(home) == new, where
            home.add("afterwards", "sk-proj-after")
            _check(home, where)


def _are_children_announced_as_they_are(home: Home) -> bool:
    """Tell whether vault and ledger name the same parents; killed in between, doing it again makes it so."""
    with home.place.ledger.open().reading() as connection:
        known = token_acts.read_tokens(connection)
    chains = revoking.read_tokens(home.place).chains
    return all(known[token_id.hex()][1] == line[0].parent.hex() for token_id, line in chains.items())
