"""The unit that `aikeys gateway --print-systemd` prints, and the datagram that says it serves."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aikeys.gateway import credential, ready, systemd
from aikeys.gateway.settings import Settings
from aikeys.gateway.systemd import ServicePlace, text, unit
from tests.conftest import Aikeys

PLACE = ServicePlace("/var/lib/aikeys", "aikeys", ("/opt/aikeys/bin/aikeys",))
OPTIONS = {
    "Unit": ("Description", "Documentation", "Wants", "After"),
    "Service": (
        *("Type", "ExecStart", "User", "LoadCredential", "Environment", "Environment", "EnvironmentFile"),
        *(
            "KillSignal",
            "KillMode",
            "TimeoutStopSec",
            "Restart",
            "RestartSec",
            "RestartPreventExitStatus",
            "LimitCORE",
            "LimitNOFILE",
            "UMask",
        ),
        *("StateDirectory", "StateDirectoryMode", "ProtectSystem", "ReadWritePaths", "ProtectHome", "PrivateTmp"),
        *("PrivateDevices", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities", "ProtectProc"),
        *("ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules"),
        *("ProtectKernelTunables", "LockPersonality", "MemoryDenyWriteExecute", "RestrictNamespaces"),
        *("RestrictRealtime", "RestrictSUIDSGID", "RestrictAddressFamilies", "SystemCallArchitectures"),
        *("SystemCallFilter", "SystemCallErrorNumber"),
    ),
    "Install": ("WantedBy",),
}


def parsed(words: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    rows: list[tuple[str, str]] = []
    for line in words.splitlines():
        if line.startswith("["):
            rows = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            name, sign, value = line.partition("=")
            assert sign, line
            rows.append((name, value))
    return found


def values(words: str, name: str) -> list[str]:
    return [value for option, value in parsed(words)["Service"] if option == name]


def value(words: str, name: str) -> str:
    (found,) = values(words, name)
    return found


def test_every_option_is_one_of_the_list_and_spelled_as_systemd_does() -> None:
    found = {section: tuple(name for name, _ in rows) for section, rows in parsed(text(Settings(), PLACE)).items()}
    assert found == OPTIONS


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(port=443, host="::", tls_cert="/etc/ssl/a b.pem", tls_key="/etc/ssl/100%.pem", workers=4),
    ],
    ids=["plain", "all"],
)
def test_systemd_finds_nothing_to_say(settings: Settings, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    me = pwd.getpwuid(os.geteuid()).pw_name
    program = shutil.which("true") or "/bin/true"
    place = PLACE._replace(user=me, program=(program,))
    if settings.tls_cert:
        place = place._replace(home='/srv/it\'s 5% "$HOME"', ledger="/srv/a b")
    words = text(settings, place)
    lines = [line for line in words.splitlines() if not line.startswith("Documentation=")]  # the page is not installed
    file = tmp_path / "aikeys-gateway.service"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning", "LC_ALL": "C"}
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(file)], capture_output=True, text=True, check=False, env=environment
    )
    about_it = [line for line in done.stderr.splitlines() if "aikeys-gateway" in line]
    assert (about_it, done.returncode) == ([], 0), done.stderr


def test_it_is_always_sealed_and_its_credential_comes_through_systemd() -> None:
    words = text(Settings(), PLACE)
    assert value(words, "ExecStart") == "/opt/aikeys/bin/aikeys gateway --sealed"
    assert value(words, "LoadCredential") == "aikeys-gateway:/etc/aikeys/gateway.cred"
    assert credential.path_of("", {"CREDENTIALS_DIRECTORY": "/run/x"}) == "/run/x/aikeys-gateway"


def test_options_of_the_command_line_are_kept_and_certificates_are_credentials() -> None:
    settings = Settings("::", 443, 2, tls_cert="/etc/ssl/a b.pem", tls_key="/etc/ssl/100%.pem", is_behind_proxy=True)
    words = text(settings, PLACE)
    assert value(words, "ExecStart") == (
        "/opt/aikeys/bin/aikeys gateway --sealed --host :: --port 443 --workers 2 "
        "--tls-cert %d/aikeys-tls-cert --tls-key %d/aikeys-tls-key --behind-proxy"
    )
    assert values(words, "LoadCredential")[1:] == [
        "aikeys-tls-cert:/etc/ssl/a b.pem",
        "aikeys-tls-key:/etc/ssl/100%%.pem",
    ]
    assert value(words, "AmbientCapabilities") == "CAP_NET_BIND_SERVICE"
    assert value(text(Settings(), PLACE), "CapabilityBoundingSet") == ""


def test_a_token_of_its_own_for_alerts_is_no_argument_and_may_be_missing() -> None:
    assert value(text(Settings(), PLACE), "EnvironmentFile") == "-/etc/aikeys/gateway.env"


def test_it_has_longer_to_stop_than_the_calls_under_way() -> None:
    for stop_s in (Settings().stop_s, 300.0):
        words = text(Settings(stop_s=stop_s), PLACE)
        assert int(value(words, "TimeoutStopSec")) > stop_s + 10


def test_only_the_first_process_hears_sigterm_as_a_second_one_ends_a_worker_at_once() -> None:
    words = text(Settings(workers=4), PLACE)
    assert (value(words, "KillMode"), value(words, "KillSignal")) == ("mixed", "SIGTERM")


def test_names_of_files_are_quoted_as_systemd_reads_them() -> None:
    odd = PLACE._replace(home='/srv/a "b" 5% $X\n[Service]', program=("/opt/a b/aikeys",), ledger="/srv/l")
    words = text(Settings(), odd)
    assert list(parsed(words)) == ["Unit", "Service", "Install"]
    home = r"/srv/a \"b\" 5%% $X[Service]"
    assert values(words, "Environment")[0] == f'"AIKEYS_HOME={home}"'
    assert value(words, "ReadWritePaths") == f'"{home}" /srv/l'
    assert value(words, "ExecStart").startswith('"/opt/a b/aikeys" gateway')
    assert "Environment=AIKEYS_LEDGER=/srv/l" in words
    assert systemd._argument("/a$b") == '"/a$$b"'


def test_a_home_of_roots_moves_and_one_of_an_ordinary_user_stays_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def owned_by(uid: int) -> None:
        entry = pwd.struct_passwd(("ana", "x", uid, uid, "", str(tmp_path), ""))
        monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)

    owned_by(0)
    words = unit(Settings(), str(tmp_path))
    assert (value(words, "User"), value(words, "StateDirectory")) == ("aikeys", "aikeys")
    assert "useradd --system" in words
    owned_by(1000)
    words = unit(Settings(), str(tmp_path))
    assert (value(words, "User"), value(words, "ReadWritePaths")) == ("ana", str(tmp_path))
    assert values(words, "StateDirectory") == []
    assert "useradd" not in words


def test_homes_of_people_stay_hidden_unless_the_vault_or_the_program_lies_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/aikeys")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    assert value(text(Settings(), PLACE), "ProtectHome") == "yes"
    for place in (PLACE._replace(home="/home/ana/v"), PLACE._replace(program=("/home/ana/.local/bin/aikeys",))):
        assert value(text(Settings(), place), "ProtectHome") == "read-only"


def test_the_command_prints_the_unit_and_needs_no_vault(bare_home: Aikeys) -> None:
    done = bare_home.run("gateway", "--print-systemd", "--workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "gateway --sealed --workers 2" in value(done.stdout, "ExecStart")
    assert Path(value(done.stdout, "ExecStart").split()[0]).is_absolute()


def test_the_unit_of_an_address_for_everybody_needs_tls_like_the_gateway(bare_home: Aikeys) -> None:
    assert bare_home.run("gateway", "--print-systemd", "--host", "::").returncode == 2


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_who_waits_for_the_gateway_is_told_that_it_serves(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    name = f"\0aikeys-test-{os.getpid()}" if kind == "abstract" else str(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(5)
        ready.tell({"NOTIFY_SOCKET": name.replace("\0", "@")})
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nobody/listens/here", "@nobody-listens-here"])
def test_nobody_to_tell_is_no_failure(address: str) -> None:
    ready.tell({"NOTIFY_SOCKET": address})
