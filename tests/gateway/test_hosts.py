"""Which Host a request may name: spelled by the RFCs, and a name of this gateway."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from aikeys.gateway.http.hosts import host_in, is_ours, names_of_certificate
from aikeys.gateway.settings import LOOPBACK
from tests.gateway.serving import Client, make_office, talk_to

NOT_ONE = [
    "[::1]evil.example", "[::1", "::1", "[::1]]", "[::1%25lo]", "[127.0.0.1]", "[v1.x]", "127.0.0.1:8787@evil.example",
    "user@localhost", "localhost:80:80", "localhost:port", "localhost:-1", "localhost:99999", "localhost:1 ",
    " localhost", "localhost/", "localhost?x", "localhost#x", "localhost\\@x", "local host", "localhost\x00", "localhost\t",
    "http://localhost", "l\u00f6calhost", "%zz", "localhost%", "a,b\n", "\uff4cocalhost", "localhost:\u0661",
]  # fmt: skip


@pytest.mark.parametrize("field", NOT_ONE)
def test_what_no_rfc_calls_a_host_is_none(field: str) -> None:
    assert host_in([field]) is None


@pytest.mark.parametrize(
    ("field", "host"),
    [
        ("localhost", "localhost"), ("LocalHost:8787", "localhost"), ("127.0.0.1:", "127.0.0.1"), ("[::1]:1", "::1"),
        ("[FD00::1]", "fd00::1"), ("a_b-c.example", "a_b-c.example"), ("x%41:1", "x%41"), ("", ""), (":80", ""),
    ],
)  # fmt: skip
def test_what_is_a_host_is_read_without_its_port(field: str, host: str) -> None:
    assert host_in([field]) == host


def test_there_is_exactly_one_host() -> None:
    assert host_in([]) is None
    assert host_in(["localhost", "localhost"]) is None


@given(st.text(max_size=30))
def test_whatever_is_sent_is_ours_only_where_it_is_our_name_and_perhaps_a_port(field: str) -> None:
    host = host_in([field])
    if host is not None and is_ours(host, LOOPBACK):
        name, _, port = field.rpartition(":") if not field.endswith("]") and ":" in field else (field, "", "")
        assert name.lower().strip("[]") in LOOPBACK or ipaddress.ip_address(name.strip("[]")).is_loopback, field
        assert port == "" or port.isdigit()


@pytest.mark.parametrize(
    ("host", "names", "ours"),
    [
        ("ai.example.com", ["ai.example.com"], True),
        ("x.ai.example.com", ["ai.example.com"], False),
        ("ai.example.com.", ["ai.example.com"], False),
        ("x.example.com", ["*.example.com"], True),
        ("x.y.example.com", ["*.example.com"], False),
        ("example.com", ["*.example.com"], False),
        ("0:0:0:0:0:0:0:1", ["::1"], True),
        ("10.1.2.3", ["10.1.2.3"], True),
        ("2130706433", ["127.0.0.1"], False),
        ("127.1", ["127.0.0.1"], False),
        ("", ["", "localhost"], True),
        ("", ["localhost", "*."], False),
    ],
)
def test_a_name_is_ours_as_it_is_written(host: str, names: list[str], ours: bool) -> None:
    assert is_ours(host, names) is ours


def test_a_certificate_says_names_and_addresses(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("ai.example.com", "*.example.org", "10.1.2.3")
    path = tmp_path / "cert.pem"
    made.cert_chain_pems[0].write_to_path(str(path))
    assert set(names_of_certificate(str(path))) == {"ai.example.com", "*.example.org", "10.1.2.3"}
    path.write_text("no certificate")
    assert names_of_certificate(str(path)) == names_of_certificate("/nowhere") == ()


async def said_to(client: Client, *lines: str) -> int:
    port = int(client.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join((*lines, "Connection: close", "", "")).encode("latin-1"))
    head = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    return int(head.split()[1])


def test_the_gateway_serves_its_own_names_alone(tmp_path: Path) -> None:
    get = "GET /healthz HTTP/1.1"
    asked = {
        (get, "Host: localhost"): 200,
        (get, "Host: [::1]:1"): 200,
        (get, "Host: ai.example.com:8787"): 200,
        ("GET http://localhost/healthz HTTP/1.1", "Host: localhost"): 200,
        (get, "Host: evil.example"): 421,
        (get, "Host: "): 421,
        ("GET http://evil.example/healthz HTTP/1.1", "Host: localhost"): 421,
        ("GET http://localhost/healthz HTTP/1.1", "Host: evil.example"): 421,
        (get, "Host: [::1]evil.example"): 400,
        (get, "Host: 127.0.0.1:80@evil.example"): 400,
        (get, "Host: localhost", "Host: evil.example"): 400,
        (get,): 400,
    }

    async def talk(client: Client) -> None:
        found = {lines: await said_to(client, *lines) for lines in asked}
        client.said.clear()  # what aiohttp refuses itself is said
        assert found == asked

    talk_to(make_office(tmp_path), talk, hosts=("ai.example.com",))


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104  what is listened on is 127.0.0.1 here
def test_where_others_reach_it_a_name_has_to_be_ours_too(tmp_path: Path, host: str) -> None:
    async def talk(client: Client) -> None:
        assert await said_to(client, "GET /healthz HTTP/1.1", "Host: evil.example") == 421
        assert await said_to(client, "GET /healthz HTTP/1.1", "Host: 127.0.0.1") == 200

    talk_to(make_office(tmp_path), talk, host=host)
