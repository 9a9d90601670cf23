"""The variables that exec sets a key in: its provider's, or those it was given."""

from __future__ import annotations

import pytest

from tests.conftest import Aikeys, canary

NO_VERIFY = ("--stdin", "--no-verify")


def ok(home: Aikeys, *words: str, stdin: str | None = None) -> None:
    done = home.run(*words, input=stdin)
    assert done.returncode == 0, done.stderr


def test_a_key_of_any_provider_goes_to_the_variables_it_was_given(ready_home: Aikeys) -> None:
    secret = canary()
    ok(ready_home, "add", "tavily", "--provider", "other", "--var", "TAVILY_API_KEY", *NO_VERIFY, stdin=secret)
    assert ready_home.lent("tavily")["TAVILY_API_KEY"] == secret
    ok(ready_home, "add", "work", "--provider", "openai", "--var", "A_KEY", "--var", "B_KEY", *NO_VERIFY, stdin=secret)
    lent = ready_home.lent("work")
    assert (lent["A_KEY"], lent["B_KEY"], lent.get("OPENAI_API_KEY")) == (secret, secret, None)


def test_edit_changes_them_and_nothing_else_takes_them_away(ready_home: Aikeys) -> None:
    secret, other = canary(), canary("two")
    ready_home.add("openai", secret)
    ok(ready_home, "edit", "openai", "--var", "OPENAI_KEY")
    ok(ready_home, "edit", "openai", "--base-url", "https://eu.api.openai.com/v1")
    assert ready_home.lent("openai")["OPENAI_KEY"] == secret
    ok(ready_home, "rotate", "openai", *NO_VERIFY, stdin=other)
    lent = ready_home.lent("openai")
    assert (lent["OPENAI_KEY"], lent["OPENAI_BASE_URL"]) == (other, "https://eu.api.openai.com/v1")
    assert ready_home.run("edit", "openai", "--var", "OPENAI_KEY").returncode == 2  # it is so already
    ok(ready_home, "edit", "openai", "--var", "")
    lent = ready_home.lent("openai")
    assert (lent["OPENAI_API_KEY"], lent.get("OPENAI_KEY")) == (other, None)


def test_two_keys_of_one_provider_run_together_in_variables_of_their_own(ready_home: Aikeys) -> None:
    mine, theirs = canary(), canary("two")
    ready_home.add("openai", mine)
    ok(ready_home, "add", "openai-dev", "--provider", "openai", "--var", "OPENAI_API_KEY_DEV", *NO_VERIFY, stdin=theirs)
    lent = ready_home.lent("openai", "openai-dev")
    assert (lent["OPENAI_API_KEY"], lent["OPENAI_API_KEY_DEV"]) == (mine, theirs)


@pytest.mark.parametrize(
    "variable", ["PATH", "LD_PRELOAD", "PYTHONPATH", "AIKEYS_X", "1A", "A B", "A=B", "", "NODE_OPTIONS"]
)
@pytest.mark.parametrize("command", ["add", "edit"])
def test_a_variable_that_cannot_hold_a_key_is_refused_before_anything_is_asked(
    ready_home: Aikeys, variable: str, command: str
) -> None:
    ready_home.add("openai", canary())
    words = ("edit", "openai", "--var", "A", "--var", variable) if command == "edit" else (
        "add", "x", "--provider", "other", "--var", variable, "--stdin"
    )  # fmt: skip
    done = ready_home.run(*words, env={"AIKEYS_PASSPHRASE": "wrong"})
    assert done.returncode == 2, done.stderr
    assert "--var" in done.stderr


def test_all_lends_each_providers_default_and_whatever_has_a_variable_of_its_own(ready_home: Aikeys) -> None:
    mine, dev, work, tavily = (canary(name) for name in ("mine", "dev", "work", "tavily"))
    ready_home.add("a-work", work, "--provider", "openai")
    ready_home.add("openai", mine)
    ok(ready_home, "edit", "openai", "--default")
    ready_home.add("openai-dev", dev, "--provider", "openai", "--var", "OPENAI_API_KEY_DEV")
    ready_home.add("tavily", tavily, "--provider", "other", "--var", "TAVILY_API_KEY")
    ready_home.add("nameless", canary("n"), "--provider", "other")
    lent = ready_home.lent("--all")
    found = [lent[name] for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_DEV", "TAVILY_API_KEY")]
    assert found == [mine, dev, tavily]
    assert lent["AIKEYS_EXEC"] == "openai,openai-dev,tavily"
    done = ready_home.run("exec", "--all", "--", "true")
    assert "left out: a-work, nameless" in done.stderr
    assert ready_home.lent("--all", "--env", "N=nameless")["N"] == canary("n")
    assert ready_home.lent("--all", "--env", "OPENAI_API_KEY=a-work")["OPENAI_API_KEY"] == work
