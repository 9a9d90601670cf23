"""More connections than there is room for: nothing hangs, nothing floods the log, and money is not stranded."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import resource
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from aikeys.gateway.http.connections import Unforeseen, more_files, room_for_connections
from aikeys.vault.tokens.issuing import Issued
from tests.gateway.process import Client as ProcessClient
from tests.gateway.process import House, chat, gateway, talk
from tests.gateway.serving import Client, talk_to

SOFT_FILES = 128
ROOT = Path(__file__).parents[2]


def test_connections_beyond_the_room_are_turned_away_and_later_ones_served(house: House) -> None:
    """Both limits are 128 files: without room kept free, the ledger's thread is the one that cannot open its file."""
    token = house.issue()
    house.budget("org", 10**13)
    before = ("bash", "-c", f'ulimit -n {SOFT_FILES}; exec "$@"', "bash")
    with gateway(house, before=before) as running:

        def ask(link: http.client.HTTPConnection, spec: str) -> int:
            fields = {"authorization": f"Bearer {token.text}"}
            link.request("POST", "/v1/chat/completions", json.dumps(chat(spec, max_tokens=20)), fields)
            answer = link.getresponse()
            answer.read()
            return answer.status

        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as kept:
            assert ask(kept, "c=1 first") == 200
            crowd = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(2 * SOFT_FILES)]
            turned_away = _turned_away(crowd)
            during = [ask(kept, f"c=1 n={number}") for number in range(3)]
            for one in crowd:
                one.close()
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as late:
            running_again = _until_served(late, lambda: ask(late, "c=1 late"))
    assert (during, running_again) == ([200] * 3, 200), running.log
    assert turned_away > SOFT_FILES
    assert len(running.lines) < 60, running.log
    house.verify()


def _turned_away(crowd: list[socket.socket]) -> int:
    count = 0
    for one in crowd:
        one.settimeout(0.02)
        with suppress(TimeoutError, ConnectionError):
            count += one.recv(12) == b"HTTP/1.1 503"
    return count


def _until_served(link: http.client.HTTPConnection, ask: Callable[[], int]) -> int:
    for _ in range(50):
        try:
            status = ask()
        except (http.client.HTTPException, ConnectionError):
            status = 0
        if status == 200:
            return status
        link.close()
    return 0


def test_a_process_may_open_as_many_files_as_its_hard_limit_says() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT_FILES, hard))
        assert room_for_connections() == (SOFT_FILES - 64) // 2
        more_files()
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised == (1 << 20 if hard == resource.RLIM_INFINITY else hard)
        assert room_for_connections() <= 4096
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_nobody_awaits_is_one_line_a_second_without_its_text() -> None:
    said: list[str] = []
    now_s = 0.0
    loop = asyncio.new_event_loop()
    handler = Unforeseen(said.append, lambda: now_s)
    for _ in range(1000):
        handler(loop, {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "x")})
    assert said == ["there are not enough open files for another connection; trying again in a second"]
    now_s = 1.5
    handler(loop, {"exception": ValueError("sk-secret")})
    assert said[1:] == ["something broke beside the requests: ValueError"]
    loop.close()


def test_when_the_ledgers_thread_fails_nobody_waits_and_health_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = house.issue()

    def broken(_reserver: object, _asked: object) -> None:
        raise OSError(errno.EMFILE, "sk-secret")

    async def talk(client: Client) -> None:
        assert (await client.get("/healthz")).status == 200
        monkeypatch.setattr("aikeys.budgets.reserver.Reserver._round", broken)
        asked = [client.ask("POST", "/v1/chat/completions", token, chat(f"c=1 n={n}")) for n in range(5)]
        answers = await asyncio.wait_for(asyncio.gather(*asked), 20)
        assert {answer.status for answer in answers} == {503}
        await asyncio.wait_for(client.state.broken, 20)
        assert (await client.get("/healthz")).status == 503
        assert (await client.get("/readyz")).json["not_ready"] == ["ledger"]
        assert client.said[0] == "the ledger's thread failed: OSError; this process cannot go on"
        client.said.clear()

    talk_to(house.office, talk)
    assert house.provider.served == []


async def _fails(client: ProcessClient, token: Issued) -> int:
    return (await client.chat(token, "c=1")).status


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_whose_ledgers_thread_fails_ends_and_is_started_anew(
    house: House, tmp_path: Path, workers: int
) -> None:
    token, broken = house.issue(), tmp_path / "broken"
    (tmp_path / "sitecustomize.py").write_text(_BREAKS.format(str(broken)))
    before = ("env", f"PYTHONPATH={tmp_path}:{ROOT}")
    with gateway(house, "--workers", str(workers), before=before) as running:
        assert talk(running, lambda client: client.chat(token, "c=1")).status == 200
        broken.touch()
        assert talk(running, lambda client: _fails(client, token)) == 503
        if workers == 1:
            assert running.process.wait(30) == 1
            return
        running.wait_for(lambda: any("a worker ended (1)" in line for line in running.lines))
        broken.unlink()
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as link:
            assert _until_served(link, lambda: talk(running, lambda client: _fails(client, token))) == 200


_BREAKS = """
import os
from aikeys.budgets import reserver
_round = reserver.Reserver._round
def breaking(desk, asked):
    if asked and os.path.exists({!r}):
        raise OSError(24, "sk-secret")
    _round(desk, asked)
reserver.Reserver._round = breaking
"""
