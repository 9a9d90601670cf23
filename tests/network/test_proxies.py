"""Which proxy a request takes: a table against what curl, Python and Go do, whatever else the variables hold."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.request import proxy_bypass_environment

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.network.proxies import BadProxy, proxy_for, unreadable, without_proxies

PROXY = {"HTTPS_PROXY": "http://px.example:3128"}
CURL, PYTHON, GO = "curl", "python", "go"

EXEMPT = [  # NO_PROXY, host and port, whether no proxy is taken, and who does the same
    ("example.com", "example.com", True, {CURL, PYTHON, GO}),
    ("example.com", "api.example.com", True, {CURL, PYTHON, GO}),
    ("example.com", "notexample.com", False, {CURL, PYTHON, GO}),
    (".example.com", "api.example.com", True, {CURL, PYTHON, GO}),
    (".example.com", "example.com", True, {CURL, PYTHON}),
    ("*.example.com", "api.example.com", True, {GO}),
    ("EXAMPLE.com", "api.Example.COM", True, {CURL, PYTHON, GO}),
    ("example.com.", "example.com", True, {CURL}),
    ("other.org, example.com", "example.com", True, {CURL, PYTHON, GO}),
    ("other.org example.com", "example.com", True, {CURL}),
    ("*", "example.com", True, {CURL, PYTHON, GO}),
    ("a.org,*", "example.com", True, {GO}),
    ("", "example.com", False, {CURL, PYTHON, GO}),
    (",,", "example.com", False, {CURL, PYTHON, GO}),
    ("example.com:443", "example.com", True, {GO}),
    ("example.com:8443", "example.com", False, {GO}),
    ("example.com:8443", "example.com:8443", True, {PYTHON, GO}),
    ("10.0.0.0/8", "10.1.2.3", True, {CURL, GO}),
    ("10.0.0.0/8", "11.1.2.3", False, {CURL, PYTHON, GO}),
    ("10.1.2.3", "10.1.2.3", True, {CURL, PYTHON, GO}),
    ("10.1.2.3", "110.1.2.3", False, {CURL, PYTHON, GO}),
    ("10.1.*", "10.1.2.3", True, set()),
    ("fd07:b51a:cc66:f0::/64", "[fd07:b51a:cc66:f0::1]", True, {GO}),
    ("[fd07::]/16", "[fd07:b51a::1]", True, set()),
    ("fd07:b51a:cc66:f0::/64", "example.com", False, {CURL, PYTHON, GO}),
    ("[fd07::1]", "[fd07:0:0:0::1]", True, set()),
    ("fd07::1", "[fd07::1]", True, {CURL, GO}),
    ("[fd07::1]:443", "[fd07::1]", True, {GO}),
    ("[fd07::1]:8443", "[fd07::1]", False, {GO}),
    ("http://intranet:port", "example.com", False, {CURL, PYTHON, GO}),
    ("http://intranet:port", "intranet", True, set()),
    ("https://user:word@example.com:443/x", "example.com", True, set()),
    ("localhost,[::1]", "example.com", False, {CURL, PYTHON, GO}),
    ("10.0.0.0/99", "10.1.2.3", False, {GO}),
    ("-x-,\x00,%%%,[::1", "example.com", False, {PYTHON, GO}),
]


@pytest.mark.parametrize(("listed", "host", "exempt", "alike"), EXEMPT)
def test_what_no_proxy_lists_takes_none(listed: str, host: str, exempt: bool, alike: set[str]) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert (proxy_for(f"https://{host}/v1", {**PROXY, name: listed}) is None) is exempt


@pytest.mark.parametrize(("listed", "host", "exempt", "alike"), [row for row in EXEMPT if PYTHON in row[3]])
def test_python_does_the_same(listed: str, host: str, exempt: bool, alike: set[str]) -> None:
    assert bool(proxy_bypass_environment(host, {"no": listed})) is exempt


@pytest.fixture
def refusing() -> Iterator[int]:
    """A proxy that makes no connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
@pytest.mark.parametrize(("listed", "host", "exempt", "alike"), [row for row in EXEMPT if CURL in row[3]])
def test_curl_does_the_same(refusing: int, listed: str, host: str, exempt: bool, alike: set[str]) -> None:
    nobody = socket.create_server(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    nobody.close()
    ended = subprocess.run(
        ["curl", "-gsS", "-m", "5", "--connect-to", f"::127.0.0.1:{port}", f"https://{host}/"],
        env={"HTTPS_PROXY": f"http://127.0.0.1:{refusing}", "NO_PROXY": listed},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == (7 if exempt else 56), ended.stderr


CHOSEN = [
    ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
    ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2"}, "http://a:1"),
    ({"https_proxy": "", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"ALL_PROXY": "http://c:3"}, "http://c:3"),
    ({"ALL_PROXY": "http://c:3", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"all_proxy": "socks5://s:1080", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"https_proxy": "socks5h://s:1080", "ALL_PROXY": "http://c:3"}, "http://c:3"),
    ({"https_proxy": "not an address", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"https_proxy": "http://h:99999", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"https_proxy": "ftp://h:21", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
    ({"HTTP_PROXY": "http://a:1", "http_proxy": "http://a:1"}, ""),
    ({"HTTPS_PROXY": "px.example:3128"}, "http://px.example:3128"),
    ({"HTTPS_PROXY": "PX.example"}, "http://px.example:80"),
    ({"HTTPS_PROXY": "https://px.example"}, "https://px.example:443"),
    ({"HTTPS_PROXY": " http://px.example:3128/ "}, "http://px.example:3128"),
    ({"HTTPS_PROXY": "http://[::2]:3128"}, "http://[::2]:3128"),
    ({}, ""),
]


@pytest.mark.parametrize(("environ", "url"), CHOSEN)
def test_the_first_proxy_that_can_be_used_is_taken(environ: dict[str, str], url: str) -> None:
    found = proxy_for("https://api.example.com/v1", environ)
    assert (found.url if found else "") == url


@pytest.mark.parametrize(
    "url", ["http://10.9.9.9/v1", "http://api.example.com", "https://127.0.0.1:1", "https://[::1]"]
)
def test_plain_http_and_this_machine_take_no_proxy(url: str) -> None:
    assert proxy_for(url, {"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://a:1", "HTTP_PROXY": "http://a:1"}) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("socks5://user:hunter2@s:1080", "SOCKS is not supported"),
        ("SOCKS4A://s", "SOCKS is not supported"),
        ("ftp://user:hunter2@s:21", "neither http nor https"),
        ("http://user:hunter2@", "not an address"),
        ("http://user:hunter2@h:port", "not an address"),
        ("http://user:hunter2\x01@h:1", "not an address"),
        ("http://us\u00e9r:hunter2@h\u00e9:1", "not an address"),
        ("http://user:%ffhunter2@h:1", "not an address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_and_never_passed_over(value: str, why: str) -> None:
    with pytest.raises(BadProxy) as refused:
        proxy_for("https://api.example.com", {"HTTPS_PROXY": value})
    assert why in refused.value.message
    assert refused.value.message.startswith("HTTPS_PROXY ")
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"
    assert proxy_for("https://api.example.com", {"HTTPS_PROXY": value, "NO_PROXY": "example.com"}) is None


def test_who_logs_in_at_a_proxy_is_no_part_of_its_address() -> None:
    found = proxy_for("https://api.example.com", {"HTTPS_PROXY": "http://us%40er:p%3Aw@px:3128"})
    assert found is not None
    assert (found.url, found.user, found.password) == ("http://px:3128", "us@er", "p:w")


def test_entries_that_say_nothing_are_told() -> None:
    assert unreadable({"NO_PROXY": "example.com,10.0.0.0/99,%%%,*,10.*,http://intranet:port,10.,127.1,10.0.0.1-10.0.0.9"}) == [
        "10.0.0.0/99", "%%%", "10.", "127.1", "10.0.0.1-10.0.0.9",
    ]  # fmt: skip


def test_an_environment_without_proxies_keeps_everything_else() -> None:
    given_ = {**PROXY, "all_proxy": "x", "SSL_CERT_FILE": "/ca", "NO_PROXY": "*"}
    assert without_proxies(given_) == {"SSL_CERT_FILE": "/ca", "NO_PROXY": "*"}


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_the_variables_hold_there_is_a_proxy_or_none_or_one_clear_error(value: str, listed: str) -> None:
    environ = {"HTTPS_PROXY": value, "NO_PROXY": listed}
    assert all(entry.isprintable() for entry in unreadable(environ))
    with suppress(BadProxy):
        found = proxy_for("https://api.example.com/v1", environ)
        assert found is None or found.url.startswith(("http://", "https://"))
