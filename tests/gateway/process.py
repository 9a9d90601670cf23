"""A real `aikeys gateway` process on a home of its own, before a steered provider; what its ledger says; a client."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from aikeys import clock
from aikeys.budgets.changes import set_budget
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.budgets.who import parse_who
from aikeys.ledger.store import Act
from aikeys.ledger.verify import verify
from aikeys.vault import changes
from aikeys.vault.format import Content
from aikeys.vault.tokens.issuing import Issued
from aikeys.vault.writing import write
from tests.conftest import clean_environment
from tests.forking import Run, forking_process, start_and_read_errors
from tests.gateway.serving import Told, make_office
from tests.gateway.steered import Steered, steered
from tests.vault.tokens_at_hand import Office

SECRET = "sk-CANARY-of-the-provider-0123456789"
_SERVING = re.compile(r"serving on (http\S+)")
Chat = Mapping[str, Any]


class Entry(NamedTuple):
    """A call as the ledger has it."""

    number: int
    cost_pusd: int
    source: str
    status: str
    corrects: int
    extra: bytes


class House:
    """A home with one key, its provider, and what its ledger says."""

    def __init__(self, folder: Path, provider: Steered) -> None:
        self.folder = folder
        self.provider = provider
        self.office: Office = make_office(folder)
        self.place = self.office.home.place
        self.texts: list[str] = []
        """Every token that was handed out: none may show up in a log."""
        self.add_key("openai", SECRET)

    def add_key(self, name: str, secret: str, provider: str = "openai", base_url: str = "") -> None:
        content = Content(secret.encode(), (), (), "", (), ())
        new = changes.NewKey(name, provider, "", base_url or self.provider.base_url, "", False, 0, 0, content)
        write(
            self.place, self.office.home.open(), Act("add", name),
            lambda vault: changes.add_key(vault, new, clock.now_s(), os.urandom),
        )  # fmt: skip

    def issue(self, *scopes: str, parent: Issued | None = None, **token_request: Any) -> Issued:
        scopes = scopes or ("chat:write", "chat:read")
        if parent is None:
            made = self.office.issue(*scopes, **{"ttl_s": 3600, **token_request})
        else:
            made = self.office.child(parent, *scopes, **token_request)
        self.texts.append(made.text)
        return made

    def budget(self, who: str, limit_pusd: int, at_limit: str = "block", when_unknown: str = "worst") -> None:
        ledger = self.place.ledger.open()
        with ledger.writing() as writer:
            set_budget(writer, parse_who(who), Terms(limit_pusd, at_limit=at_limit, when_unknown=when_unknown))
        ledger.close()

    @property
    def ledger_path(self) -> str:
        return self.place.ledger.path

    def rows(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.ledger_path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(query, values).fetchall()

    def entries(self) -> list[Entry]:
        query = "SELECT id, cost_pusd, source, status, corrects, extra FROM call ORDER BY id"
        return [Entry(*row) for row in self.rows(query)]

    def counter(self, who: str) -> tuple[int, int]:
        """Return spent and reserved."""
        rows = self.rows("SELECT spent, reserved FROM counter WHERE who = ? AND period = 'month'", who)
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    @property
    def reserved(self) -> int:
        return int(self.rows("SELECT count(*) FROM reservation")[0][0])

    def verify(self) -> None:
        """Check chain, roll-ups, counters and budgets."""
        ledger = self.place.ledger.open()
        verify(ledger)
        verify_budgets(ledger)
        ledger.close()


class Gateway:
    """The process."""

    def __init__(self, process: subprocess.Popen[str] | Run, house: House) -> None:
        self.process = process
        self.house = house
        self.url = ""
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                if found := _SERVING.search(line):
                    self.url = found.group(1)
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(end)")
            self._changed.notify_all()

    def wait_for(self, is_so: Callable[[], bool], timeout_s: float = 30) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: is_so() or "(end)" in self.lines, timeout_s), self.log
        assert is_so(), self.log

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Power off: the process and its workers, at once."""
        workers = [pid for pid in _session_of(self.process.pid) if pid != self.process.pid]
        for pid in (self.process.pid, *workers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self, timeout_s: float = 60) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def check_log(self) -> None:
        """Nothing secret, nothing unforeseen."""
        for text in (SECRET, *self.house.texts):
            assert text not in self.log
            assert text[-20:] not in self.log
        assert "Traceback" not in self.log, self.log
        assert "internal error" not in self.log, self.log


def _session_of(leader: int) -> list[int]:
    """Return the processes of a session that we started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(path.parent.name))
    return found


@contextmanager
def house_at(folder: Path) -> Iterator[House]:
    with steered() as provider:
        yield House(folder, provider)


def _started(
    before: Sequence[str], args: list[str], environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[str] | Run:
    forking = None if before else forking_process(environment)
    if forking is not None:
        return start_and_read_errors(forking, args, environment, str(folder))
    return subprocess.Popen(
        [*before, sys.executable, "-m", "aikeys", *args], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", start_new_session=True,
    )  # fmt: skip


@contextmanager
def gateway(house: House, *options: str, before: Sequence[str] = ()) -> Iterator[Gateway]:
    """Run `aikeys gateway` until the block ends; its log is searched then."""
    user = house.folder / "user"
    user.mkdir(exist_ok=True)
    environment = {**clean_environment(user), "AIKEYS_HOME": house.place.home, "AIKEYS_DEBUG": "1"}
    running = Gateway(_started(before, ["gateway", "--port", "0", *options], environment, house.folder), house)
    try:
        running.wait_for(lambda: bool(running.url))
        yield running
    finally:
        running.stop()
    running.check_log()


class Answer(NamedTuple):
    """What a client got: `chunks` of a stream, which `is_cut` where it did not end properly."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool = False
    took_s: float = 0.0

    @property
    def told(self) -> Told:
        return Told(self.status, self.headers, self.body.decode())

    @property
    def code(self) -> str:
        """The code of an error, "" where there is none."""
        error = self.told.json.get("error") if self.status >= 400 else None
        return str(error.get("code", "")) if isinstance(error, dict) else ""


class Client:
    """Asks a gateway, as many at once as wanted."""

    def __init__(self, running: Gateway, session: ClientSession) -> None:
        self.url = running.url
        self.session = session

    async def ask(
        self, method: str, path: str, token: Issued | None = None, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        given = {"authorization": f"Bearer {token.text}"} if token else {}
        started_s = time.monotonic()
        data: dict[str, Any] = (
            {"data": body} if isinstance(body, bytes | BytesIO) else {"json": body} if body is not None else {}
        )
        async with self.session.request(method, self.url + path, headers={**given, **headers}, **data) as answer:
            found, is_cut = b"", False
            try:
                async for piece in answer.content.iter_any():
                    found += piece
            except (ClientError, ConnectionError):
                is_cut = True
            fields = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, fields, found, is_cut, time.monotonic() - started_s)

    async def chat(self, token: Issued, spec: str, **fields: Any) -> Answer:
        return await self.ask("POST", "/v1/chat/completions", token, chat(spec, **fields))

    async def leaves_after_first(self, token: Issued, spec: str, **fields: Any) -> int:
        """Begin a stream, read a piece, and go away."""
        body = chat(spec, stream=True, **fields)
        given = {"authorization": f"Bearer {token.text}"}
        async with self.session.post(self.url + "/v1/chat/completions", json=body, headers=given) as answer:
            if answer.status == 200:
                await answer.content.readany()
            answer.close()
            return answer.status


def chat(spec: str, **fields: Any) -> dict[str, Any]:
    """Return a body whose text is long enough to be so many tokens."""
    return {
        "model": "openai/gpt-4.1",
        "messages": [{"role": "user", "content": f"[[{spec}]] {'word ' * 60}"}],
        **fields,
    }


def talk(running: Gateway, conversation: Callable[[Client], Any]) -> Any:
    """Run a conversation with a gateway, and return what it returns."""

    async def whole() -> Any:
        connector = TCPConnector(limit=0, keepalive_timeout=60)
        async with ClientSession(connector=connector, timeout=ClientTimeout(total=120)) as session:
            return await conversation(Client(running, session))

    return asyncio.run(whole())
