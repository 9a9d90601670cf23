"""Which variables may hold a key."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.lending.environment import child_environment, replaced
from tests.conftest import Aikeys, canary
from tests.lending.test_environment import key


@pytest.mark.parametrize(
    "variable",
    ["PATH", "HOME", "SHELL", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PYTHONSTARTUP", "IFS",
     "BASH_ENV", "ENV", "NODE_OPTIONS", "https_proxy", "HTTPS_PROXY", "LC_ALL", "GIT_SSH_COMMAND"],
)  # fmt: skip
def test_a_variable_that_steers_programs_holds_no_key(variable: str) -> None:
    with pytest.raises(UsageError, match=f"{variable} steers programs"):
        child_environment({}, [key()], {variable: "openai"}, clean=False)


@pytest.mark.parametrize("variable", ["MY_KEY", "HOMEBREW_GITHUB_API_TOKEN", "GITHUB_TOKEN", "ENVIRONMENT_KEY"])
def test_any_other_variable_may(variable: str) -> None:
    assert child_environment({}, [key()], {variable: "openai"}, clean=False)[variable.encode()] == b"sk-one"


def test_a_key_in_a_variable_of_the_loader_starts_no_program(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    done = ready_home.run("exec", "--env", "LD_PRELOAD=openai", "--", "true")
    assert done.returncode == 125
    assert "LD_PRELOAD steers programs" in done.stderr


def test_an_address_that_is_not_passed_on_is_named() -> None:
    parent = {b"OPENAI_BASE_URL": b"https://stranger.example", b"OPENAI_API_BASE": b"https://own.example"}
    lent = [key(base_url="https://own.example")]
    assert replaced(parent, child_environment(parent, lent, {}, clean=False), lent) == ["OPENAI_BASE_URL"]


def test_with_verbose_exec_says_which_address_it_does_not_pass_on(ready_home: Aikeys) -> None:
    ready_home.add("openai", canary())
    stray = {"OPENAI_BASE_URL": "https://stranger.example/v1"}
    said = "aikeys: OPENAI_BASE_URL of this environment is not passed on"
    assert said in ready_home.run("exec", "-v", "openai", "--", "true", env=stray).stderr
    assert ready_home.run("exec", "openai", "--", "true", env=stray).stderr == ""
