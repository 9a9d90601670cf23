"""What the shells offer at a TAB, asked of the shells themselves."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("completions_generate", ROOT / "completions" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def needed(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


def in_bash(generate: ModuleType, tmp_path: Path, line: str) -> list[str]:
    script = tmp_path / "aikeys.bash"
    script.write_text(generate.bash(generate.nodes()), encoding="utf-8")
    ask = 'COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _aikeys; printf "%s\\n" "${COMPREPLY[@]}"'
    code = f"source {script}; COMP_WORDS=({line}); {ask}"
    done = subprocess.run([needed("bash"), "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


def in_fish(generate: ModuleType, tmp_path: Path, line: str) -> list[str]:
    script = tmp_path / "aikeys.fish"
    script.write_text(generate.fish(generate.nodes()), encoding="utf-8")
    code = f"source {script}; complete --do-complete='{line}'"
    fish = [needed("fish"), "--no-config", "-c", code]
    done = subprocess.run(fish, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    assert done.stderr == b""
    return [row.split("\t")[0] for row in done.stdout.decode().splitlines()]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("aikeys rot", ["rotate"]),
        ("aikeys add --provider opena", ["openai"]),
        ("aikeys import --from d", ["dotenv"]),
        ("aikeys unlock-method add rec", ["recovery"]),
        ("aikeys token issue --role op", ["operator"]),
        ("aikeys token issue --scope env", ["env:read"]),
        ("aikeys exec -- base6", ["base64"]),
    ],
)
def test_bash_and_fish_offer_what_can_stand_there(
    generate: ModuleType, tmp_path: Path, line: str, offered: list[str]
) -> None:
    assert sorted({*in_bash(generate, tmp_path, line)}) == offered
    assert in_fish(generate, tmp_path, line) == offered


@pytest.mark.parametrize("line", ["aikeys token revoke 12", "aikeys token show 12"])
def test_bash_offers_the_ids_of_tokens(generate: ModuleType, tmp_path: Path, line: str) -> None:
    script = tmp_path / "aikeys.bash"
    script.write_text(generate.bash(generate.nodes()), encoding="utf-8")
    code = f"source {script}; aikeys() {{ [ \"$*\" = '__names tokens' ] && printf '1234\\n5678\\n'; }}; "
    code += f"COMP_WORDS=({line}); COMP_CWORD=3; _aikeys; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([needed("bash"), "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1234\n", "")


@pytest.mark.parametrize("line", ["aikeys --home ~/other show ''", "aikeys show --home = ~/other ''"])
def test_bash_offers_the_keys_of_the_home_that_is_named(generate: ModuleType, tmp_path: Path, line: str) -> None:
    script = tmp_path / "aikeys.bash"
    script.write_text(generate.bash(generate.nodes()), encoding="utf-8")
    words = line.split(" ")
    code = (
        f"HOME=/h; source {script}; aikeys() {{ printf '%s\\n' \"$*\"; }}; COMP_WORDS=({' '.join(map(quote, words))}); "
    )
    code += f"COMP_WORDS[-1]=; COMP_CWORD={len(words) - 1}; _aikeys; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([needed("bash"), "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("--home /h/other __names\n", "")


def test_fish_goes_on_behind_an_option(generate: ModuleType, tmp_path: Path) -> None:
    assert "--base-url" in in_fish(generate, tmp_path, "aikeys add --provider openai --b")


def test_bash_asks_the_completion_of_the_program_behind_the_dashes(generate: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "aikeys.bash"
    script.write_text(generate.bash(generate.nodes()), encoding="utf-8")
    code = f'_command_offset() {{ echo "from $1"; }}; source {script}; COMP_WORDS=(aikeys exec openai -- git c); '
    done = subprocess.run([needed("bash"), "-c", code + "COMP_CWORD=5; _aikeys"], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"from 4\n", b"")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("aikeys exec openai -- base6\t", "base64"),
        ("aikeys add --provider opena\t", "openai"),
        ("aikeys import --from d\t", "dotenv"),
    ],
)
def test_zsh_offers_what_can_stand_there(generate: ModuleType, tmp_path: Path, typed: str, becomes: str) -> None:
    pexpect = pytest.importorskip("pexpect")
    (tmp_path / "_aikeys").write_text(generate.zsh(generate.nodes()), encoding="utf-8")
    (tmp_path / ".zshrc").write_text(
        f"PS1='ready> '; fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D; aikeys() {{ :; }}\n"
    )
    environment = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    shell = pexpect.spawn(
        needed("zsh"), ["-d", "-i"], env=environment, timeout=20, encoding="utf-8", dimensions=(24, 200)
    )
    try:
        shell.expect_exact("ready> ")
        shell.send(typed)
        shell.expect(f"{becomes}[ \x08]")
    finally:
        shell.close(force=True)
