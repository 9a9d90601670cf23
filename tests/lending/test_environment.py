from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aikeys.errors import BadConfiguration, UsageError
from aikeys.lending.environment import LentKey, child_environment, nested
from aikeys.secret import Secret

ROOT = Path(__file__).parents[2]


def key(name: str = "openai", secret: bytes = b"sk-one", **other: object) -> LentKey:
    given: dict[str, object] = {
        "env": ("OPENAI_API_KEY",),
        "base_url_env": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "base_url": "",
        "extra": (),
        "clear": (),
        "is_admin": False,
        **other,
    }
    return LentKey(name=name, secret=Secret(secret), **given)  # type: ignore[arg-type]


ANTHROPIC = key("anthropic", b"sk-two", env=("ANTHROPIC_API_KEY",), base_url_env=("ANTHROPIC_BASE_URL",))


def test_the_child_gets_the_key_and_keeps_the_rest_of_the_environment() -> None:
    parent = {b"PATH": b"/bin", b"ODD": b"\xff"}
    assert child_environment(parent, [key()], {}, clean=False) == {
        b"PATH": b"/bin",
        b"ODD": b"\xff",
        b"OPENAI_API_KEY": b"sk-one",
        b"AIKEYS_EXEC": b"openai",
    }
    assert parent == {b"PATH": b"/bin", b"ODD": b"\xff"}


def test_a_key_is_set_under_every_name_its_provider_reads() -> None:
    child = child_environment({}, [key(env=("GEMINI_API_KEY", "GOOGLE_API_KEY"))], {}, clean=False)
    assert child[b"GEMINI_API_KEY"] == child[b"GOOGLE_API_KEY"] == b"sk-one"


def test_a_key_left_over_in_the_parent_is_replaced() -> None:
    child = child_environment({b"OPENAI_API_KEY": b"old"}, [key()], {}, clean=False)
    assert child[b"OPENAI_API_KEY"] == b"sk-one"


def test_a_stray_base_url_is_cleared() -> None:
    parent = {b"OPENAI_BASE_URL": b"https://stranger.example", b"OPENAI_API_BASE": b"https://stranger.example"}
    child = child_environment(parent, [key()], {}, clean=False)
    assert b"OPENAI_BASE_URL" not in child
    assert b"OPENAI_API_BASE" not in child


def test_a_base_url_of_its_own_is_set_in_every_variable_for_it() -> None:
    parent = {b"OPENAI_BASE_URL": b"https://stranger.example"}
    child = child_environment(parent, [key(base_url="https://eu.example/v1")], {}, clean=False)
    assert child[b"OPENAI_BASE_URL"] == child[b"OPENAI_API_BASE"] == b"https://eu.example/v1"


def test_extra_variables_are_set_as_they_are_and_the_clear_list_is_removed() -> None:
    lent = key(extra=(("AZURE_API_VERSION", "2026-01"),), clear=("OPENAI_ORG_ID",))
    child = child_environment({b"OPENAI_ORG_ID": b"org", b"AZURE_API_VERSION": b"old"}, [lent], {}, clean=False)
    assert child[b"AZURE_API_VERSION"] == b"2026-01"
    assert b"OPENAI_ORG_ID" not in child


@pytest.mark.parametrize("reverse", [False, True])
def test_a_variable_set_by_one_key_is_not_cleared_by_another_keys_list(reverse: bool) -> None:
    lent = [key(), ANTHROPIC._replace(clear=("OPENAI_API_KEY",))]
    child = child_environment({}, lent[::-1] if reverse else lent, {}, clean=False)
    assert child[b"OPENAI_API_KEY"] == b"sk-one"


def test_two_keys_on_one_variable_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"work and openai both need OPENAI_API_KEY"):
        child_environment({}, [key("work"), key(secret=b"sk-three")], {}, clean=False)


def test_two_keys_on_one_variable_are_refused_even_where_their_secrets_are_equal() -> None:
    with pytest.raises(UsageError):
        child_environment({}, [key("work"), key()], {}, clean=False)


def test_two_keys_of_one_provider_go_together_when_one_is_renamed() -> None:
    child = child_environment({b"OPENAI_BASE_URL": b"x"}, [key(), key("work", b"sk-w")], {"WORK": "work"}, clean=False)
    assert (child[b"OPENAI_API_KEY"], child[b"WORK"]) == (b"sk-one", b"sk-w")
    assert b"OPENAI_BASE_URL" not in child


@pytest.mark.parametrize("reverse", [False, True])
def test_a_renamed_key_cannot_send_another_key_to_its_base_url(reverse: bool) -> None:
    lent = [key(), key("proxy", b"sk-p", base_url="https://proxy.example")]
    with pytest.raises(UsageError, match=r"both need OPENAI_BASE_URL"):
        child_environment({}, lent[::-1] if reverse else lent, {"PROXY": "proxy"}, clean=False)


def test_two_keys_may_share_one_base_url() -> None:
    lent = [key(base_url="https://p.example"), key("work", b"w", base_url="https://p.example")]
    child = child_environment({}, lent, {"WORK": "work"}, clean=False)
    assert child[b"OPENAI_BASE_URL"] == b"https://p.example"


def test_a_renamed_key_stands_only_under_its_new_names_with_its_base_url() -> None:
    lent = key(base_url="https://eu.example")
    child = child_environment({b"OPENAI_API_BASE": b"x"}, [lent], {"ONE": "openai", "TWO": "openai"}, clean=False)
    assert child[b"ONE"] == child[b"TWO"] == b"sk-one"
    assert b"OPENAI_API_KEY" not in child
    assert child[b"OPENAI_BASE_URL"] == child[b"OPENAI_API_BASE"] == b"https://eu.example"


def test_a_renamed_key_clears_its_stray_base_url() -> None:
    assert b"OPENAI_BASE_URL" not in child_environment({b"OPENAI_BASE_URL": b"x"}, [key()], {"K": "openai"}, False)


@pytest.mark.parametrize("variable", ["", "A=B", "A\0", "A B", "A\n", "1A", "\u00a0A"])
def test_an_impossible_variable_name_is_a_usage_error(variable: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        child_environment({}, [key()], {variable: "openai"}, clean=False)


@pytest.mark.parametrize("variable", ["AIKEYS_TOKEN", "AIKEYS_EXEC", "AIKEYS_PASSPHRASE", "OPENAI_BASE_URL"])
def test_a_key_cannot_be_put_into_a_variable_with_another_meaning(variable: str) -> None:
    with pytest.raises(UsageError):
        child_environment({}, [key()], {variable: "openai"}, clean=False)


def test_renaming_a_key_that_is_not_lent_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--env K=groq names a key that is not lent"):
        child_environment({}, [key()], {"K": "groq"}, clean=False)


def test_an_admin_key_is_never_handed_out() -> None:
    with pytest.raises(BadConfiguration, match="openai is an admin key: exec never hands it out"):
        child_environment({}, [key(is_admin=True)], {"K": "openai"}, clean=True)


def test_a_secret_with_a_nul_byte_is_refused_without_being_shown() -> None:
    with pytest.raises(BadConfiguration) as caught:
        child_environment({}, [key(secret=b"sk-\0hidden")], {}, clean=False)
    assert "hidden" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("clean", [False, True])
def test_the_child_never_sees_what_opens_the_vault(clean: bool) -> None:
    ours = (b"AIKEYS_TOKEN", b"AIKEYS_PASSPHRASE", b"AIKEYS_PASSPHRASE_FILE", b"AIKEYS_PASSPHRASE_NEW")
    child = child_environment({**dict.fromkeys(ours, b"x"), b"AIKEYS_HOME": b"/h"}, [key()], {}, clean=clean)
    assert not set(ours) & set(child)
    assert (b"AIKEYS_HOME" in child) is not clean


def test_the_child_is_marked_with_the_names_of_its_keys() -> None:
    child = child_environment({b"AIKEYS_EXEC": b"outer"}, [key(), ANTHROPIC], {}, clean=False)
    assert child[b"AIKEYS_EXEC"] == b"openai,anthropic"
    assert nested(child) == "openai,anthropic"


def test_outside_of_exec_there_is_no_nesting() -> None:
    assert nested({b"PATH": b"/bin"}) is None


def test_a_clean_environment_keeps_only_what_a_program_needs_to_start() -> None:
    kept = b"PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE LC_ALL LC_TIME TZ TMPDIR XDG_RUNTIME_DIR".split()
    gone = b"DISPLAY LD_PRELOAD AWS_SECRET_ACCESS_KEY OPENAI_BASE_URL PATHS".split()
    child = child_environment(dict.fromkeys(kept + gone, b"x"), [key()], {}, clean=True)
    assert set(child) == {*kept, b"OPENAI_API_KEY", b"AIKEYS_EXEC"}


def test_the_modules_of_the_hot_path_import_nothing_slow() -> None:
    allowed = "import os, sys, signal, resource, typing"
    ours = "aikeys.lending.environment", "aikeys.lending.child", "aikeys.lending.arguments"
    code = f"{allowed}\nbefore = set(sys.modules)\nimport {', '.join(ours)}\nprint(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == {
        "__future__",
        "aikeys",
        "aikeys.errors",
        "aikeys.lending",
        "aikeys.secret",
        "aikeys.storage",
        "aikeys.storage.record",
        *ours,
    }
