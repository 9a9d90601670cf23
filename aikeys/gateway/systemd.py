"""The systemd unit of a sealed gateway: credentials, hardening, and in its comments how it is installed.

- The service is a user of its own that owns the home; the credential belongs to root and reaches it through systemd.
  A home of an ordinary user stays that user's; one of root's moves to /var/lib/aikeys, no gateway runs as root.
- Nothing but the home can be written. Names of files are quoted as systemd reads them (systemd.syntax(7)).
- SIGTERM goes to the first process alone (KillMode=mixed): it tells its workers; a second would cut their calls off.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import NamedTuple

from aikeys.gateway import credential
from aikeys.gateway.settings import DEFAULT_PORT, Settings

STATE = "/var/lib/"
DEFAULT_HOME = f"{STATE}aikeys"
DEFAULT_USER = "aikeys"
CREDENTIAL_FILE = "/etc/aikeys/gateway.cred"
_TLS = ("aikeys-tls-cert", "aikeys-tls-key")
_LAST_STEPS_S = 30
"""After `stop_s`: what is cancelled is settled, connections and databases are closed."""
SERVICE_FILE = "/etc/aikeys/gateway.env"
_POINTLESS = (2, 10, 11, 12, 13, 14, 15, 20, 21)
"""Exit statuses that a restart does not change: usage, not found, locked, damaged, configuration, its own token."""
_PRIVILEGED_PORTS = 1024
_PEOPLES_FOLDERS = ("/home/", "/root/", "/run/user/")
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+", re.ASCII)
Pairs = list[tuple[str, str]]


class ServicePlace(NamedTuple):
    """Where a service keeps its vault, whose that is, and the program it runs."""

    home: str
    user: str
    program: tuple[str, ...]
    ledger: str = ""


def unit(settings: Settings, home: str, ledger: str = "") -> str:
    """Return the unit for the vault in `home`; `ledger`: the directory that AIKEYS_LEDGER names."""
    folder, user = _whose(os.path.abspath(home))
    return text(settings, ServicePlace(folder, user, _program(), os.path.abspath(ledger) if ledger else ""))


def text(settings: Settings, place: ServicePlace) -> str:
    """Return the unit for a place (pure)."""
    sections = (
        ("Unit", _unit()),
        ("Service", [*_service(settings, place), *_files(place), *_hardening(settings)]),
        ("Install", [("WantedBy", "multi-user.target")]),
    )
    blocks = ["\n".join([f"[{name}]", *(f"{option}={value}" for option, value in pairs)]) for name, pairs in sections]
    return "\n\n".join([_steps(place), *blocks])


def _steps(place: ServicePlace) -> str:
    """Return how it is installed, as comments."""
    run = f"sudo -u {place.user} env AIKEYS_HOME={_word(place.home)}"
    made = "/dev/shm/aikeys-gateway.cred"  # noqa: S108  memory; a new file, of its owner alone
    lines = [
        "A sealed gateway of aikeys: it holds no key of the vault and opens nothing without a token.",
        "",
        "Install, as root; aikeys(1) must lie where the service's user can run it, /opt for example:",
    ]
    if place.user == DEFAULT_USER:
        lines.append(f"  useradd --system --home-dir {_word(place.home)} --shell /usr/sbin/nologin {place.user}")
    lines += [
        f"  install -d -m 700 -o {place.user} {_word(place.home)}    (or move a vault there: mv, chown -R)",
        f"  {run} aikeys init --passphrase",
        f"  {run} aikeys add openai",
        f"  {run} aikeys gateway --write-credential {made}",
        f"  install -D -m 600 {made} {CREDENTIAL_FILE} && rm {made}",
        "  aikeys gateway --print-systemd > /etc/systemd/system/aikeys-gateway.service    (this file)",
        "  systemctl daemon-reload && systemctl enable --now aikeys-gateway",
        "  journalctl -u aikeys-gateway",
        "",
        "Tokens for its clients, with the passphrase that only you have:",
        f"  {run} aikeys token issue --for app",
        "",
        "Alerts whose passwords are keys of the vault need a token of the gateway's own: the scopes alert:send and",
        f"env:read, those keys, as AIKEYS_TOKEN=aik_... in {SERVICE_FILE} (mode 600). Without it the others are sent.",
        "",
        f"The credential can lie encrypted: systemd-creds encrypt --name={credential.NAME} IN OUT, and below",
        "LoadCredentialEncrypted= in the place of LoadCredential=. aikeys-gateway(7) explains the rest.",
    ]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _unit() -> Pairs:
    return [
        ("Description", "aikeys gateway (sealed)"),
        ("Documentation", "man:aikeys-gateway(7)"),
        ("Wants", "network-online.target"),
        ("After", "network-online.target"),
    ]


def _service(settings: Settings, place: ServicePlace) -> Pairs:
    stop_s = int(settings.stop_s) + _LAST_STEPS_S
    loaded = [(credential.NAME, CREDENTIAL_FILE)]
    if settings.tls_cert:
        loaded += zip(_TLS, map(os.path.abspath, (settings.tls_cert, settings.tls_key)), strict=True)
    return [
        ("Type", "notify"),
        ("ExecStart", " ".join(map(_argument, _command(settings, place)))),
        ("User", place.user),
        *(("LoadCredential", f"{name}:{_value(path)}") for name, path in loaded),
        *(("Environment", _quoted(f"{name}={value}")) for name, value in _environment(place)),
        ("EnvironmentFile", f"-{SERVICE_FILE}"),
        ("KillSignal", "SIGTERM"),
        ("KillMode", "mixed"),
        ("TimeoutStopSec", str(stop_s)),
        ("Restart", "on-failure"),
        ("RestartSec", "2"),
        ("RestartPreventExitStatus", " ".join(map(str, _POINTLESS))),
        ("LimitCORE", "0"),
        ("LimitNOFILE", "65536"),
        ("UMask", "0077"),
    ]


def _command(settings: Settings, place: ServicePlace) -> list[str]:
    found = [*place.program, "gateway", "--sealed"]
    if settings.host != Settings().host:
        found += ["--host", settings.host]
    if settings.port != DEFAULT_PORT:
        found += ["--port", str(settings.port)]
    if settings.workers != 1:
        found += ["--workers", str(settings.workers)]
    if settings.tls_cert:
        found += ["--tls-cert", f"\0d/{_TLS[0]}", "--tls-key", f"\0d/{_TLS[1]}"]
    if settings.is_behind_proxy:
        found.append("--behind-proxy")
    if not settings.uses_proxy:
        found.append("--no-proxy")
    return found


def _environment(place: ServicePlace) -> list[tuple[str, str]]:
    found = [("AIKEYS_HOME", place.home), ("AIKEYS_NO_INPUT", "1")]
    return [*found, ("AIKEYS_LEDGER", place.ledger)] if place.ledger else found


def _files(place: ServicePlace) -> Pairs:
    """Return what of the file system it sees: everything read-only but the home and the ledger."""
    found: Pairs = []
    if place.home.startswith(STATE) and _PLAIN.fullmatch(place.home):  # systemd 252 takes no quotes here
        found += [("StateDirectory", place.home.removeprefix(STATE)), ("StateDirectoryMode", "0700")]
    writable = dict.fromkeys(filter(None, (place.home, place.ledger)))
    seen = (*writable, *place.program, sys.prefix, sys.base_prefix)
    lives_with_people = any(f"{path}/".startswith(_PEOPLES_FOLDERS) for path in seen)
    return [
        *found,
        ("ProtectSystem", "strict"),
        ("ReadWritePaths", " ".join(map(_quoted, writable))),
        ("ProtectHome", "read-only" if lives_with_people else "yes"),
        ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"),
    ]


def _hardening(settings: Settings) -> Pairs:
    """Return what it may not do; MemoryDenyWriteExecute was tried with cryptography, cffi and aiohttp."""
    capability = "CAP_NET_BIND_SERVICE" if 0 < settings.port < _PRIVILEGED_PORTS else ""
    return [
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", capability),
        ("AmbientCapabilities", capability),
        ("ProtectProc", "invisible"),
        *((name, "yes") for name in _PROTECTED),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service"),
        ("SystemCallErrorNumber", "EPERM"),
    ]


_PROTECTED = (
    "ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
    "ProtectKernelTunables", "LockPersonality", "MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictRealtime",
    "RestrictSUIDSGID",
)  # fmt: skip


def _whose(home: str) -> tuple[str, str]:
    """Return the home of the service and its user: an ordinary owner's, else one of its own."""
    import pwd

    try:
        owner = pwd.getpwuid(os.stat(home).st_uid)
    except (OSError, KeyError):
        owner = None
    if owner is not None and owner.pw_uid:
        return home, owner.pw_name
    return home if home.startswith(STATE) else DEFAULT_HOME, DEFAULT_USER


def _program() -> tuple[str, ...]:
    """Return how this program is started: by its own script, else the one on the PATH, else as a module."""
    started = sys.argv[0] if os.path.basename(sys.argv[0]) == "aikeys" else ""
    found = shutil.which(started or "aikeys") or shutil.which("aikeys")
    return (os.path.abspath(found),) if found else (sys.executable, "-m", "aikeys")


def _word(path: str) -> str:
    """Return a path as a shell takes it, for a comment."""
    import shlex

    return shlex.quote("".join(sign for sign in path if sign.isprintable()))


def _value(path: str) -> str:
    r"""Return a text in which systemd expands nothing; \0 stands for a specifier that is meant."""
    return "".join(sign for sign in path if sign.isprintable() or sign == "\0").replace("%", "%%").replace("\0", "%")


def _quoted(value: str) -> str:
    found = _value(value)
    if _PLAIN.fullmatch(found.replace("%", "")):
        return found
    return '"' + found.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _argument(value: str) -> str:
    """Return a word of ExecStart, where `$` is expanded too."""
    return _quoted(value).replace("$", "$$")
