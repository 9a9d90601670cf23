"""A file of variables gives a program what it says, and no key that nobody named."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.lending.env_files import read
from tests.conftest import Aikeys, canary

NAMED = ("openai", "gemini")


def test_keys_and_variables_are_told_apart() -> None:
    found = read("A=1\nexport B='two words'\nK=aikeys://openai\nL=aikeys://gemini\nA=3\n#C=4\n", "f", NAMED)
    assert found.plain == (("B", "two words"), ("A", "3"))
    assert found.keys == (("K", "openai"), ("L", "gemini"))
    assert found.left_out == ()


@pytest.mark.parametrize(
    "variable",
    [
        "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_BASE", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES", "PATH", "NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "GIT_SSH_COMMAND", "AIKEYS_TOKEN", "SSLKEYLOGFILE_PROXY",
        "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
    ],
)  # fmt: skip
def test_what_could_send_a_key_elsewhere_is_left_out(variable: str) -> None:
    found = read(f"{variable}=x\nB=1\n", "f", NAMED)
    assert (found.plain, found.left_out) == ((("B", "1"),), (variable,))


def test_a_key_that_was_not_named_is_refused() -> None:
    with pytest.raises(UsageError, match="asks for the key mine"):
        read("A=aikeys://mine\n", "f", NAMED)
    with pytest.raises(UsageError, match="f:2"):
        read('A=1\nB="x\n', "f", NAMED)


@pytest.mark.parametrize("more", [(), ("--clean-env",)])
def test_exec_sets_them(ready_home: Aikeys, more: tuple[str, ...]) -> None:
    ready_home.add("openai", canary())
    file = ready_home.folder / "dev.env"
    file.write_text("MY_KEY=aikeys://openai\nDEBUG=1\nOPENAI_BASE_URL=https://evil.example\nOPENAI_API_KEY=old\n")
    lent = ready_home.lent("openai", "--env-file", str(file), *more)
    assert (lent["MY_KEY"], lent["DEBUG"]) == (canary(), "1")
    assert "OPENAI_BASE_URL" not in lent
    done = ready_home.run("exec", "--env-file", str(file), "--", "true")
    assert (done.returncode, "asks for the key openai" in done.stderr) == (125, True)
    assert ready_home.run("exec", "openai", "--env-file", "nowhere", "--", "true").returncode == 125
