"""The manual pages and completion scripts are those the command tree gives, and are well formed."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

from aikeys.cli import app

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def pages() -> list[Path]:
    return sorted((ROOT / "man").glob("*.1"))


@pytest.mark.parametrize("folder", ["man", "completions"])
def test_generated_files_are_fresh(folder: str) -> None:
    done = run(sys.executable, f"{folder}/generate.py", "--check")
    assert done.returncode == 0, done.stderr


def test_every_command_has_a_manual_page() -> None:
    wanted = {"aikeys.1"} | {f"aikeys-{name}.1" for name, row in app.COMMANDS.items() if row.group != app.HIDDEN}
    assert {page.name for page in pages()} == wanted


def test_every_command_gives_examples_and_exit_statuses() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert "EXIT STATUS" in text.upper(), page.name
        assert "EXAMPLES" in text.upper() or page.name == "aikeys.1", page.name


def test_mandoc_finds_nothing_in_the_manual_pages() -> None:
    done = run(needed("mandoc"), "-Tlint", "-W", "style", *map(str, pages()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_man_warns_of_nothing_in_the_manual_pages() -> None:
    man = needed("man")
    for page in pages():
        assert run(man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)).stderr == ""


@pytest.mark.parametrize(("shell", "name"), [("bash", "aikeys.bash"), ("zsh", "_aikeys"), ("fish", "aikeys.fish")])
def test_the_shell_accepts_its_completion_script(shell: str, name: str) -> None:
    script = ROOT / "completions" / name
    done = run(needed(shell), "-n", str(script))
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_stops_behind_the_dashes_of_exec() -> None:
    script = ROOT / "completions" / "aikeys.bash"
    call = 'COMP_WORDS=(aikeys {0}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _aikeys; echo "${{COMPREPLY[*]}}"'
    lines = [f"source {script}", call.format("rot"), call.format("exec -- rot")]
    assert run(needed("bash"), "-c", "\n".join(lines)).stdout == "rotate\n\n"


def test_pip_installs_every_manual_page(monkeypatch: pytest.MonkeyPatch) -> None:
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    hook = runpy.run_path(str(ROOT / ".packaging" / "man_pages.py"))["ManPages"]()
    hook.root, found = str(ROOT), {"shared_data": {}}
    hook.initialize("standard", found)
    pages = [page.name for page in (ROOT / "man").iterdir() if page.suffix in (".1", ".5", ".7")]
    assert len(pages) > 40
    assert found["shared_data"] == {f"man/{page}": f"share/man/man{page[-1]}/{page}" for page in pages}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hooks = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]
    assert (ROOT / hooks["custom"]["path"]).is_file()


def test_an_argument_stands_in_its_manual_page_as_in_the_help() -> None:
    for name, shown in (("exec", r"\fI[NAME]... \-\- CMD [ARG]...\fR"), ("verify", r"\fI[NAME]...\fR")):
        assert shown in (ROOT / "man" / f"aikeys-{name}.1").read_text(encoding="utf-8").splitlines()
