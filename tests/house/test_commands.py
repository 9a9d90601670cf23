"""A command never asks whether there is a gateway: it asks a port of cli/ports, and one place chooses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLI = ROOT / "aikeys" / "cli"
COMMANDS = sorted(path.stem for path in (CLI / "commands").glob("*.py") if path.stem != "__init__")

ABOUT_GATEWAYS = {
    "login": "it makes the login that the choice reads",
    "logout": "it takes that login away",
}
"""Modules of commands that may name what a gateway elsewhere is asked with, and why."""
CHOOSERS = {"ports/choice.py": "chooses", "authority.py": "knows the address and the token"}
_NAMES = frozenset(("gateway", "gateway_url"))
_REMOTE = "aikeys.remote"


def trees(paths: Iterator[Path]) -> Iterator[tuple[Path, ast.Module]]:
    for path in paths:
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def asks(tree: ast.AST) -> list[str]:
    """Return where a module asks for the gateway: `authority.gateway()`, `from … authority import gateway_url`."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="authority"), attr=attr) if attr in _NAMES:
                found.append(f"{node.lineno}: authority.{attr}")
            case ast.ImportFrom(module="aikeys.cli.authority", names=names):
                found += [f"{node.lineno}: {one.name}" for one in names if one.name in _NAMES]
    return found


def of_remote(tree: ast.AST) -> list[str]:
    """Return which modules of aikeys/remote/ a module imports."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found += [f"{module}.{one.name}" for one in names]
            case ast.Import(names=names):
                found += [one.name for one in names]
    return [name for name in found if name.startswith(_REMOTE)]


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_asks_for_a_gateway(name: str) -> None:
    tree = ast.parse((CLI / "commands" / f"{name}.py").read_text(encoding="utf-8"))
    if name not in ABOUT_GATEWAYS:
        assert (asks(tree), of_remote(tree)) == ([], [])


def test_one_place_chooses_between_this_machine_and_a_gateway() -> None:
    found = {path.relative_to(CLI).as_posix() for path, tree in trees(CLI.rglob("*.py")) if asks(tree)}
    assert found - CHOOSERS.keys() - {f"commands/{name}.py" for name in ABOUT_GATEWAYS} == set()
    assert "ports/choice.py" in found


def test_what_asks_a_gateway_elsewhere_are_ports() -> None:
    users = {path.relative_to(CLI).as_posix() for path, tree in trees(CLI.rglob("*.py")) if of_remote(tree)}
    users -= {f"commands/{name}.py" for name in ABOUT_GATEWAYS} | CHOOSERS.keys()
    assert {name for name in users if not name.startswith("ports/")} == set()


@pytest.mark.parametrize("code", ["authority.gateway()", "from aikeys.cli.authority import gateway_url"])
def test_a_breach_is_seen(code: str) -> None:
    assert asks(ast.parse(code))
    assert of_remote(ast.parse("from aikeys.remote.client import Gateway"))
