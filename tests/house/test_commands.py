"""Commands are independent: none imports another, and none asks whether there is a gateway.

What is on this machine or at a gateway a command asks a port of cli/ports for, and one place chooses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from aikeys.cli import app

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
_COMMANDS = "aikeys.cli.commands"


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


def imported(tree: ast.AST, below: str) -> list[str]:
    """Return which modules, or names of modules, below a package a module imports."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                found += [f"{module}.{one.name}" for one in names]
            case ast.Import(names=names):
                found += [one.name for one in names]
    return [name for name in found if name.startswith(f"{below}.")]


def of_remote(tree: ast.AST) -> list[str]:
    return imported(tree, _REMOTE)


def command_of(module: str) -> str:
    """Return the command that a module belongs to: ledger_erase is a part of `ledger`, unlock_method a command."""
    known = {row.module.rstrip("_") for row in app.COMMANDS.values()}
    words = module.rstrip("_").split("_")
    return next((name for end in range(len(words), 0, -1) if (name := "_".join(words[:end])) in known), module)


def of_other_commands(name: str, tree: ast.AST) -> list[str]:
    """Return the modules of other commands that a module of a command imports."""
    found = {one.removeprefix(f"{_COMMANDS}.").partition(".")[0] for one in imported(tree, _COMMANDS)}
    return sorted(one for one in found if command_of(one) != command_of(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_asks_for_a_gateway(name: str) -> None:
    tree = ast.parse((CLI / "commands" / f"{name}.py").read_text(encoding="utf-8"))
    if name not in ABOUT_GATEWAYS:
        assert (asks(tree), of_remote(tree)) == ([], [])


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_another(name: str) -> None:
    tree = ast.parse((CLI / "commands" / f"{name}.py").read_text(encoding="utf-8"))
    assert of_other_commands(name, tree) == []


def test_nothing_below_the_commands_imports_one() -> None:
    found = {path.relative_to(CLI).as_posix() for path, tree in trees(CLI.rglob("*.py")) if imported(tree, _COMMANDS)}
    assert {name for name in found if not name.startswith("commands/")} == set()


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
    assert of_other_commands("show", ast.parse("from aikeys.cli.commands.list_ import describe")) == ["list_"]
    assert of_other_commands("unlock_method", ast.parse("from aikeys.cli.commands import unlock")) == ["unlock"]
    assert of_other_commands("ledger", ast.parse("from aikeys.cli.commands import ledger_erase")) == []
