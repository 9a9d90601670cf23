"""What a shell makes of a line that sets a variable is the value itself, whatever is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.lending.shells import SHELLS, script, shell_of

HOSTILE = [
    "", "plain", "'", "''", "'\\''", "\\", "\\'", "\\\\", '"', "$HOME", "${HOME}", "$(touch hacked)", "`touch hacked`", "a b\tc",
    "line\nbreak", "\r\n", "!!", "%s", "-n", "*", "~", "#", "a;b", "a&b", "a|b", "<(x)", "é\u2019s \u2018quoted\u2019 \u201asingle\u201b",
    "\x01\x1b[31m", "'; touch hacked; '", "\u3000", "🔑", "x" * 5000, "trailing\\", "\n", "{a,b}", "=x", "@{x}",
]  # fmt: skip
READ = "import json, os; print(json.dumps([os.environ.get('AK_VALUE'), os.environ.get('AK_GONE')]))"


def value_in(shell: str, text: str, folder: os.PathLike[str]) -> list[str | None]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    lines = script(shell, {"AK_VALUE": text}, ["AK_GONE"])
    how = [program, "--no-config"] if shell == "fish" else [program, "-f"] if shell == "zsh" else [program, "--norc"]
    evaluate = "aikeys-lines | source" if shell == "fish" else 'eval "$(aikeys-lines)"'
    stand_in = os.path.join(folder, "aikeys-lines")
    with open(os.path.join(folder, "lines"), "w", encoding="utf-8", newline="") as file:
        file.write(lines)
    with open(stand_in, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\ncat {folder}/lines\n")
    os.chmod(stand_in, 0o700)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "AK_GONE": "here",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [*how, "-c", f'{evaluate}; "{sys.executable}" -c "{READ}"'], env=environment, cwd=folder, capture_output=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == b"", done.stderr
    found: list[str | None] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_that_evaluates_the_lines_has_the_value(shell: str, tmp_path: os.PathLike[str]) -> None:
    for text in HOSTILE:
        assert value_in(shell, text, tmp_path) == [text, None], text
    assert not os.path.exists(os.path.join(tmp_path, "hacked"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "A;touch x", "A\n", "é", "$(x)"])
def test_a_name_that_a_shell_cannot_set_is_refused(shell: str, name: str) -> None:
    for values, absent in (({name: "x"}, []), ({}, [name])):
        with pytest.raises(UsageError, match="no shell can set"):
            script(shell, values, absent)


@given(st.text())
@settings(max_examples=200)
def test_a_value_for_powershell_ends_with_its_own_quote(text: str) -> None:
    line = script("powershell", {"A": text}, []).removesuffix("\n")
    assert (line[:8], line[-1]) == ("$env:A =", "'")
    inside = line[len("$env:A = '") : -1]
    plain = inside
    for quote in "'\u2018\u2019\u201a\u201b":
        plain = plain.replace(quote * 2, "\0")
        assert quote not in plain
    assert len(inside) == len(text) + sum(text.count(quote) for quote in "'\u2018\u2019\u201a\u201b")


@pytest.mark.parametrize(
    ("path", "shell"),
    [("/bin/bash", "bash"), ("/usr/bin/fish", "fish"), ("zsh", "zsh"), ("/usr/bin/pwsh", "powershell"), ("", "bash"), ("/bin/dash", "bash")],
)  # fmt: skip
def test_the_shell_is_told_from_its_program(path: str, shell: str) -> None:
    assert shell_of(path) == shell
