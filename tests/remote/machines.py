"""A real gateway process before a steered provider, and a machine elsewhere that knows its address and a token."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aikeys.vault.tokens.issuing import Issued
from tests.conftest import Aikeys, make_aikeys
from tests.gateway.process import House, gateway, house_at

EVERYTHING = (
    "chat:write", "chat:read", "usage:read", "budget:read", "audit:read", "keys:read", "keys:write",
)  # fmt: skip


class Served(NamedTuple):
    """A gateway that runs, with the home and the provider behind it."""

    house: House
    url: str

    def here(self, *words: str) -> Any:
        """Return what a command prints as JSON on the gateway's own machine."""
        done = self.house.office.home.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Far:
    """A machine elsewhere: an address, a token, an empty home."""

    def __init__(self, aikeys: Aikeys, served: Served, token: Issued) -> None:
        self.aikeys = aikeys
        self.served = served
        self.token = token
        self.with_variables = {"AIKEYS_GATEWAY": served.url, "AIKEYS_TOKEN": token.text}

    def run(
        self,
        *words: str,
        input: str | None = None,  # noqa: A002  as subprocess calls it
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, with both variables unless others are given; its token shows up nowhere."""
        done = self.aikeys.run(*words, input=input, env=self.with_variables if env is None else env)
        assert self.token.text not in done.stdout + done.stderr
        return done

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def files(self) -> list[str]:
        """Every file and folder that came to be on this machine."""
        folders = (self.aikeys.home, self.aikeys.folder / "user")
        return [str(path) for folder in folders for path in folder.rglob("*")] + [
            str(folder) for folder in folders[:1] if os.path.exists(folder)
        ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with house_at(tmp_path_factory.mktemp("gateway")) as house, gateway(house) as running:
        yield Served(house, running.url)


@pytest.fixture
def far(served: Served, tmp_path: Path) -> Callable[..., Far]:
    """Make such a machine for a token with these scopes; without any, with all that these commands take."""

    def make(*scopes: str, **token_request: Any) -> Far:
        folder = tmp_path / f"far-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Far(make_aikeys(folder), served, served.house.issue(*(scopes or EVERYTHING), **token_request))

    return make
