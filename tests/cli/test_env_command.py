"""`aikeys env` lends as exec does: its rules, one entry, its variables; without a name it prints no key."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Aikeys, canary

READ = "import json, os; print(json.dumps(dict(os.environ)))"


def evaluated(home: Aikeys, *words: str) -> dict[str, str]:
    """Return the environment after `eval "$(aikeys env …)"` in sh."""
    printed = home.run("env", *words, reveals=True)
    assert printed.returncode == 0, printed.stderr
    environment = {**home.env(), "OPENAI_BASE_URL": "https://evil.example/v1"}
    line = f"{printed.stdout}\n\"{sys.executable}\" -c '{READ}'"
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, check=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_it_sets_what_exec_sets(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary("one"))
    ready_home.add("gemini", canary("two"), "--var", "MY_GEMINI")
    found = evaluated(ready_home, "openai", "gemini")
    assert (found["OPENAI_API_KEY"], found["MY_GEMINI"]) == (canary("one"), canary("two"))
    assert "OPENAI_BASE_URL" not in found
    assert "AIKEYS_EXEC" not in found
    assert evaluated(ready_home, "--env", "OTHER=openai")["OTHER"] == canary("one")
    assert evaluated(ready_home, "--all")["MY_GEMINI"] == canary("two")


def test_it_is_recorded_and_counts_as_a_run_that_nobody_metered(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.run("env", "openai", reveals=True)
    newest = json.loads(ready_home.run("audit", "--act", "exec", "--json").stdout)["entries"][-1]
    assert (newest["subject"], newest["status"]) == ("openai", "ok")
    assert "way=env" in newest["detail"]
    assert "1 exec run whose spending was not metered" in ready_home.run("report").stdout


def test_without_a_name_it_prints_no_key_and_records_nothing(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run("env")
    assert done.returncode == 0
    assert done.stdout.split()[:4] == ["VARIABLE", "KEY", "OPENAI_API_KEY", "openai"]
    told = json.loads(ready_home.run("env", "--json").stdout)
    assert told == {"schema": "aikeys.env/1", "variables": [{"variable": "OPENAI_API_KEY", "key": "openai"}]}
    assert json.loads(ready_home.run("audit", "--act", "exec", "--json").stdout)["entries"] == []


def test_json_has_what_is_set_and_what_is_to_be_unset(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    told = json.loads(ready_home.run("env", "openai", "--json", reveals=True).stdout)
    assert told["set"] == {"OPENAI_API_KEY": canary()}
    assert "OPENAI_BASE_URL" in told["unset"]


def test_a_key_with_a_budget_is_refused_as_by_exec(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.run("budget", "set", "key:openai", "5")
    done = ready_home.run("env", "openai")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has a budget" in done.stderr
    assert ready_home.run("env", "openai", "--unmetered", reveals=True).returncode == 0


@pytest.mark.parametrize(
    ("words", "status"),
    [(("nobody",), 10), (("--shell", "tcsh", "openai"), 2), (("--env", "A"), 2), (("--env", "PATH=openai"), 2), (("--env", "A-B=openai"), 2)],
)  # fmt: skip
def test_what_is_wrong_prints_no_key(ready_home: Aikeys, words: tuple[str, ...], status: int) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run("env", *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert json.loads(ready_home.run("audit", "--act", "exec", "--json").stdout)["entries"] == []


def test_a_screen_gets_no_key_unless_it_is_wished(ready_home: Aikeys) -> None:
    pexpect = pytest.importorskip("pexpect")
    ready_home.add("openai", canary())
    for words, shown in (((), False), (("--yes",), True)):
        argv = ready_home.argv("env", "openai", *words)
        child = pexpect.spawn(argv[0], argv[1:], env=ready_home.env(), timeout=30, encoding="utf-8")
        child.expect(pexpect.EOF)
        assert (canary() in child.before) == shown
        child.close()


def test_a_token_lends_its_keys_only_and_a_single_use_is_used_up(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    ready_home.add("gemini", canary("two"))
    words = ("token", "issue", "--scope", "env:read", "--key", "openai", "--once")
    token = {"AIKEYS_TOKEN": ready_home.run(*words).stdout.strip()}
    assert ready_home.run("env", "gemini", env=token).returncode == 20
    assert canary() in ready_home.run("env", "openai", env=token, reveals=True).stdout
    again = ready_home.run("env", "openai", env=token)
    assert (again.returncode, again.stdout) == (21, "")
