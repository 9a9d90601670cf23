"""A key that was imported goes to its program as the program had it; whatever holds a key is taken or named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Aikeys, canary


def taken(home: Aikeys, *words: str, stdin: str | None = None) -> str:
    done = home.run("import", "--yes", *words, input=stdin)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_each_program_has_its_variable_again(ready_home: Aikeys) -> None:
    file = ready_home.folder / ".env"
    file.write_text(f"OPENAI_KEY={canary('a')}\n")
    taken(ready_home, str(file))
    lent = ready_home.lent("openai")
    assert (lent["OPENAI_KEY"], lent.get("OPENAI_API_KEY")) == (canary("a"), None)
    other = ready_home.folder / "other.env"
    other.write_text(f"OPENAI_API_KEY={canary('a')}\nVITE_OPENAI={canary('a')}\n")
    said = taken(ready_home, str(other))
    assert "exec sets openai in OPENAI_KEY, OPENAI_API_KEY, VITE_OPENAI now" in said
    lent = ready_home.lent("openai")
    assert [lent[name] for name in ("OPENAI_KEY", "OPENAI_API_KEY", "VITE_OPENAI")] == [canary("a")] * 3


def test_another_providers_key_beside_a_base_url_stays_that_pair(ready_home: Aikeys) -> None:
    key = "gsk_" + "abcdefghij" * 5 + "ab"
    file = ready_home.folder / ".env"
    file.write_text(f"OPENAI_API_KEY={key}\nOPENAI_BASE_URL=https://api.groq.com/openai/v1\n")
    taken(ready_home, str(file))
    lent = ready_home.lent("groq", env={"OPENAI_API_BASE": "https://evil.example/v1"})
    assert (lent["OPENAI_API_KEY"], lent["OPENAI_BASE_URL"]) == (key, "https://api.groq.com/openai/v1")
    assert lent.get("OPENAI_API_BASE") == "https://api.groq.com/openai/v1"


def test_a_token_of_anthropics_goes_back_to_its_variable_with_its_address(ready_home: Aikeys) -> None:
    file = ready_home.folder / "settings.json"
    key = "sk-ant-api03-" + "a" * 93 + "AA"
    settings = {"env": {"ANTHROPIC_AUTH_TOKEN": key, "ANTHROPIC_BASE_URL": "https://proxy.example"}}
    file.write_text(json.dumps(settings, indent=2))
    taken(ready_home, str(file))
    lent = ready_home.lent("anthropic")
    assert (lent["ANTHROPIC_AUTH_TOKEN"], lent["ANTHROPIC_BASE_URL"]) == (key, "https://proxy.example")


def test_a_token_for_all_of_github_stays_where_it_is(ready_home: Aikeys) -> None:
    file = ready_home.folder / ".env"
    file.write_text("GITHUB_TOKEN=ghp_" + "abcdefghijkl" * 3 + "\n")
    said = taken(ready_home, str(file))
    assert "GITHUB_TOKEN was left where it is" in said
    assert "delete these lines" not in said
    assert json.loads(ready_home.run("list", "--json").stdout)["keys"] == []


def _tree(folder: Path) -> Path:
    tree = folder / "src"
    for name in ("app", "web/node_modules/x", "old/.git"):
        (tree / name).mkdir(parents=True)
    (tree / "app" / ".env").write_text(f"MISTRAL_API_KEY={canary('m')}\n")
    (tree / "app" / "profile.fish").write_text(f"set -gx OPENAI_API_KEY {canary('o')}\n")
    (tree / "web" / "node_modules" / "x" / ".env").write_text(f"OPENAI_API_KEY={canary('n')}\n")
    (tree / "old" / ".git" / "config").write_text(f"OPENAI_API_KEY={canary('g')}\n")
    (tree / "old" / "program").write_bytes(b"\x7fELF\0OPENAI_API_KEY=" + canary("p").encode())
    (tree / "old" / "link").symlink_to("/dev/zero")
    return tree


def test_a_tree_is_searched_and_a_dry_run_takes_nothing(ready_home: Aikeys) -> None:
    tree = _tree(ready_home.folder)
    seen = ready_home.run("import", "-r", "--dry-run", str(tree))
    assert seen.returncode == 0
    assert "2 places in 2 files: 0 in the vault, 2 named and left" in seen.stderr
    assert json.loads(ready_home.run("list", "--json").stdout)["keys"] == []
    said = taken(ready_home, "-r", str(tree))
    assert "2 places in 2 files: 2 in the vault, 0 named and left" in said
    assert [key["name"] for key in json.loads(ready_home.run("list", "--json").stdout)["keys"]] == ["mistral", "openai"]
    assert ready_home.run("import", str(tree)).returncode == 2


def test_lines_of_any_tool_come_from_standard_input(ready_home: Aikeys) -> None:
    said = taken(ready_home, "-", stdin=f"OPENAI_API_KEY={canary()}\n")
    assert "1 place in 1 file: 1 in the vault" in said
    assert ready_home.lent("openai")["OPENAI_API_KEY"] == canary()


@pytest.mark.parametrize(
    "line",
    ["#OPENAI_API_KEY={}", "curl -H 'Authorization: Bearer {}'", "OPENAI_API_KEY=op://vault/item/{:.3}", "URL=https://x/?k={}"],
)  # fmt: skip
def test_what_is_not_taken_is_named(ready_home: Aikeys, line: str) -> None:
    file = ready_home.folder / ".env"
    key = "gsk_" + "abcdefghij" * 5 + "ab"
    file.write_text(line.format(key) + "\n")
    done = ready_home.run("import", "--yes", str(file))
    assert done.returncode == 10
    assert f"{file}:1" in done.stderr
    assert key not in done.stderr
    assert "delete" not in done.stderr
    assert "1 place in 1 file: 0 in the vault, 1 named and left" in done.stderr
