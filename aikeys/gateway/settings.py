"""Settings of the gateway: the command line's options and `[gateway]` of config.toml, as one value."""

from __future__ import annotations

from typing import NamedTuple

from aikeys.errors import UsageError
from aikeys.providers.transport import Timeouts

DEFAULT_PORT = 8787
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Settings(NamedTuple):
    """Sizes in bytes, times in seconds. `hosts`: names under which clients reach it, beside those of this machine.

    `uses_proxy`: of HTTPS_PROXY, to reach providers.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    workers: int = 1
    is_sealed: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    is_behind_proxy: bool = False
    hosts: tuple[str, ...] = ()
    uses_proxy: bool = True
    largest_request_bytes: int = 64 << 20
    largest_reply_bytes: int = 128 << 20
    slow_client_s: float = 60.0
    idle_s: float = 75.0
    drain_s: float = 60.0
    stop_s: float = 90.0
    timeouts: Timeouts = Timeouts()

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def url(self) -> str:
        """Return what clients on this machine use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    def check(self) -> None:
        """Raise UsageError where tokens would travel in the clear between machines, or where TLS is half given."""
        if bool(self.tls_cert) != bool(self.tls_key):
            raise UsageError("--tls-cert and --tls-key belong together", "give both")
        if not self.is_loopback and not self.tls_cert and not self.is_behind_proxy:
            raise UsageError(
                f"{self.host} is reached by other machines, and tokens would travel in the clear",
                "give --tls-cert and --tls-key, or --behind-proxy where a proxy brings TLS",
            )
