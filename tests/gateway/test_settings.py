"""A gateway that other machines reach has TLS, or a proxy in front that brings it."""

from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.gateway.serve import listening_socket
from aikeys.gateway.settings import LOOPBACK, Settings

TLS = {"tls_cert": "/etc/ssl/cert.pem", "tls_key": "/etc/ssl/key.pem"}


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_alone_needs_no_tls(host: str) -> None:
    Settings(host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "aikeys.example.com", ""])  # noqa: S104  refused
def test_no_socket_takes_tokens_in_the_clear_from_other_machines(host: str) -> None:
    with pytest.raises(UsageError, match="tokens would travel in the clear"):
        listening_socket(Settings(host, 0))


@pytest.mark.parametrize("settings", [Settings("::", **TLS), Settings("::", is_behind_proxy=True)])
def test_tls_or_a_proxy_is_enough(settings: Settings) -> None:
    settings.check()


@pytest.mark.parametrize("half", TLS)
def test_half_of_tls_is_refused_on_every_address(half: str) -> None:
    for host in ("127.0.0.1", "::"):
        with pytest.raises(UsageError, match="belong together"):
            listening_socket(Settings(host, 0, **{half: TLS[half]}))
