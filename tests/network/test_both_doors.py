"""Proxies and certificates, the same at both doors: what sends a prompt, and what sends for the gateway's clients."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import trustme

import aikeys
from aikeys.gateway.upstream import Upstream
from aikeys.providers.transport import HttpxTransport, NotSent, Parcel, Timeouts
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret
from tests.conftest import canary
from tests.network.conftest import HOST, ConnectProxy, TlsProvider

LIMITS = Timeouts(connect_s=5, first_byte_s=5, between_s=5, total_s=10)
Door = Callable[[str, Mapping[str, str]], int]


def parcel(url: str) -> Parcel:
    return Parcel(Outgoing("POST", "/v1/x", (("content-type", "application/json"),), b"{}"), url, "bearer",
                  Secret(canary().encode()))  # fmt: skip


def by_httpx(url: str, environ: Mapping[str, str]) -> int:
    with closing(HttpxTransport(environ=environ)) as transport, transport.send(parcel(url), LIMITS) as reply:
        b"".join(reply.pieces())
        return reply.status


def by_aiohttp(url: str, environ: Mapping[str, str]) -> int:
    async def send() -> int:
        upstream = Upstream(environ=environ)
        try:
            async with upstream.send(parcel(url), LIMITS) as reply:
                b"".join([piece async for piece in reply.pieces()])
                return reply.status
        finally:
            await upstream.close()

    return asyncio.run(send())


@pytest.fixture(params=[by_httpx, by_aiohttp])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


def test_what_is_far_goes_through_the_proxy_which_sees_a_name_and_no_key(
    door: Door, far: TlsProvider, proxy: ConnectProxy, trusted: str
) -> None:
    assert door(f"https://{HOST}", {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": trusted}) == 200
    assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert b"authorization" not in proxy.heads[0].lower()
    assert canary().encode() in far.seen[0]


def test_a_login_at_the_proxy_is_sent_and_never_shown(door: Door, proxy: ConnectProxy, trusted: str) -> None:
    url = proxy.url.replace("://", "://me:sw%40rdfish@")
    environ = {"HTTPS_PROXY": url, "SSL_CERT_FILE": trusted}
    assert door(f"https://{HOST}", environ) == 200
    assert proxy.login() == b"me:sw@rdfish"
    for status in (403, 407, 502):
        proxy.status = status
        with pytest.raises(NotSent) as refused:
            door(f"https://{HOST}", environ)
        told = f"{refused.value.message} {refused.value.hint}"
        assert (f"the proxy {proxy.url} refused to connect to {HOST}" in told, str(status) in told) == (True, True)
        assert ("rdfish" in told, "secret-words" in told) == (False, False)
        assert refused.value.may_pass is (status == 502)


def test_a_proxy_that_is_not_there_is_named_without_its_login(door: Door, proxy: ConnectProxy) -> None:
    proxy.close()
    environ = {"HTTPS_PROXY": proxy.url.replace("://", "://me:swordfish@"), "NO_PROXY": "10.0.0.0/99"}
    with pytest.raises(NotSent, match="cannot connect to") as refused:
        door(f"https://{HOST}", environ)
    assert f"through the proxy {proxy.url}" in refused.value.message
    assert "10.0.0.0/99" in refused.value.hint
    assert "swordfish" not in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.may_pass


@pytest.mark.parametrize("value", ["socks5://me:swordfish@127.0.0.1:1", "http://me:swordfish@"])
def test_a_proxy_that_cannot_be_used_is_an_error_and_no_way_around_it(
    door: Door, far: TlsProvider, trusted: str, value: str
) -> None:
    with pytest.raises(NotSent, match="HTTPS_PROXY") as refused:
        door(f"https://{HOST}", {"HTTPS_PROXY": value, "SSL_CERT_FILE": trusted})
    assert "swordfish" not in f"{refused.value.message} {refused.value.hint}"
    assert not refused.value.may_pass
    assert far.seen == []


def test_this_machine_takes_no_proxy(door: Door, far: TlsProvider, proxy: ConnectProxy, trusted: str) -> None:
    assert door(f"https://127.0.0.1:{far.port}", {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": trusted}) == 200
    assert proxy.heads == []


@pytest.mark.parametrize("through", [True, False])
def test_a_certificate_that_is_not_trusted_is_called_that_and_nothing_is_sent(
    door: Door, far: TlsProvider, proxy: ConnectProxy, through: bool
) -> None:
    url = f"https://{HOST}" if through else f"https://127.0.0.1:{far.port}"
    with pytest.raises(NotSent, match=r"the certificate of .* is not trusted: ") as refused:
        door(url, {"HTTPS_PROXY": proxy.url})
    assert "SSL_CERT_FILE" in refused.value.hint
    assert not refused.value.may_pass
    assert far.seen == []


def test_a_certificate_of_another_name_is_not_trusted(door: Door, authority: trustme.CA, trusted: str) -> None:
    other = TlsProvider(authority, "other.example")
    with pytest.raises(NotSent, match=r"the certificate of 127.0.0.1:.* is not trusted"):
        door(f"https://127.0.0.1:{other.port}", {"SSL_CERT_FILE": trusted})
    other.close()
    assert other.seen == []


def test_certificates_that_cannot_be_read_are_named(door: Door, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for environ in ({"SSL_CERT_FILE": str(empty)}, {"SSL_CERT_FILE": "/nowhere"}, {"SSL_CERT_DIR": "/nowhere"}):
        with pytest.raises(NotSent, match="SSL_CERT_") as refused:
            door(f"https://{HOST}", environ)
        assert not refused.value.may_pass


def test_no_connection_leaves_its_secrets_where_sslkeylogfile_says(
    door: Door, proxy: ConnectProxy, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "tls.keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(kept))
    environ = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": trusted, "SSLKEYLOGFILE": str(kept)}
    assert door(f"https://{HOST}", environ) == 200
    assert not kept.exists()


def test_nothing_else_makes_a_context_or_lets_httpx_read_the_environment() -> None:
    loose = re.compile(
        r"create_default_context|create_ssl_context|_create_unverified|SSLContext\(|httpx\.(Client|get|post|stream|request)\(|trust_env=(?!False)"
    )
    found = set()
    for folder, _, names in os.walk(Path(aikeys.__file__).parent):
        for name in names:
            path = Path(folder, name)
            if name.endswith(".py") and loose.search(path.read_text()):
                found.add(path.relative_to(Path(aikeys.__file__).parent).as_posix())
    assert found == {"network/certificates.py", "network/clients.py"}
