"""Whether the gateway reaches providers through HTTPS_PROXY: as `prompt` does, unless config.toml or --no-proxy says no."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from aikeys import config
from aikeys.errors import BadConfiguration
from aikeys.network.proxies import proxy_for
from tests.gateway.serving import make_office, serving


def environ_of(tmp_path: Path, **settings: bool) -> Mapping[str, str]:
    async def run() -> Mapping[str, str]:
        async with serving(make_office(tmp_path), **settings) as client:
            return client.state.upstream._environ

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "taken"), [({}, True), ({"uses_proxy": True}, True), ({"uses_proxy": False}, False)]
)
def test_a_proxy_of_the_environment_is_taken_unless_it_is_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, bool], taken: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://px.example:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = proxy_for("https://api.example.com", environ_of(tmp_path, **settings))
    assert (found is not None) is taken


@pytest.mark.parametrize(("line", "uses"), [("", True), ("proxy = true", True), ("proxy = false", False)])
def test_config_says_whether(tmp_path: Path, line: str, uses: bool) -> None:
    (tmp_path / "config.toml").write_text(f"[gateway]\n{line}\n")
    assert config.load(str(tmp_path)).gateway_uses_proxy is uses


@pytest.mark.parametrize("value", ['"no"', "0", "[]"])
def test_anything_else_in_config_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.toml").write_text(f"[gateway]\nproxy = {value}\n")
    with pytest.raises(BadConfiguration, match=r"gateway\.proxy"):
        config.load(str(tmp_path))
