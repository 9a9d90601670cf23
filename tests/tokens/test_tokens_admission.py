"""The one table of commands, routes and scopes: nothing that can be run or asked is missing from it, or in it twice."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aikeys.cli import app
from aikeys.gateway.app import make_app
from aikeys.gateway.settings import Settings
from aikeys.providers import catalogue
from aikeys.providers.native_routes import routes_of
from aikeys.tokens import admission
from aikeys.tokens.scopes import SCOPES

ROUTES = sorted(
    {
        (route.method, route.resource.canonical)
        for route in make_app(cast("Any", SimpleNamespace(settings=Settings())), lambda *_: None).router.routes()
        if route.resource is not None
    }
)
SERVED = [(method, path) for method, path in ROUTES if method not in ("HEAD", "*") or (method, path) == ("HEAD", "/")]


def commands(command: Any, path: str = "") -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
    for name, each in (below or {}).items():
        yield from commands(each, f"{path} {name}".strip())


def test_every_command_is_in_the_table_and_nothing_else() -> None:
    ways = {way for way in admission.COMMANDS if " --" in way}  # ways of a command that take more than it
    assert set(admission.COMMANDS) - ways == set(commands(app.load_all()))
    assert {way.partition(" --")[0] for way in ways} <= set(admission.COMMANDS)


def test_every_route_is_in_the_table_and_nothing_else() -> None:
    assert [route for route in SERVED if route not in admission.ROUTES] == []
    assert [route for route in admission.ROUTES if route not in ROUTES] == []
    assert all(admission.of_route("HEAD", path) == admission.of_route("GET", path) for _, path in SERVED if path != "/")


@pytest.mark.parametrize("provider", catalogue.load(()))
def test_every_native_route_takes_a_scope_that_its_meter_may_take(provider: str) -> None:
    for route in routes_of(catalogue.load(())[provider]):
        assert admission.of_native(route.meter, route.scope) == route.scope, route


def test_every_scope_in_the_table_is_one() -> None:
    words = {admission.NO_TOKEN, admission.ANY_TOKEN, admission.CATALOGUE}
    used = {scope for takes in admission.COMMANDS.values() for scope in takes or ()}
    used |= set(admission.ROUTES.values()) - words | {scope for each in admission.NATIVE.values() for scope in each}
    assert used <= set(SCOPES)


def test_what_nobody_decided_is_refused() -> None:
    assert admission.of_command("shutdown") is admission.OWNER_ONLY
    assert admission.of_route("POST", "/v1/shutdown") == ""
    assert admission.of_route("POST", "/v1/usage") == ""
    assert admission.of_native("openai_chat", "usage:own") == "native:all"
    assert admission.of_native("a_new_meter", "chat:write") == "native:all"


def test_commands_that_a_gateway_decides_about_are_known_and_so_is_the_other_list() -> None:
    assert set(admission.COMMANDS) > admission.AT_GATEWAY
    assert set(admission.COMMANDS) > admission.NOT_AT_GATEWAY
    assert not admission.AT_GATEWAY & admission.NOT_AT_GATEWAY
