"""The gateway's speed beside a bare aiohttp proxy and its peers, in one run. Run by hand on a quiet machine:

    python tests/bench/gateway_speed.py [--seconds 5] [--calls 100000] [--portkey FOLDER] [--litellm BIN] [--home FOLDER]

Needs cc, wrk and ../shared/upstreams (a mock provider in C, a script for wrk). Peers that are not named are left out:
FOLDER is where `npm install @portkey-ai/gateway` was run, BIN the program `litellm` of an environment of its own.
Whatever is compared takes turns, so a drift of the machine's speed touches all alike: take ratios, not milliseconds.
The gateway runs with one worker; every call is reserved and settled on disk, with a blocking budget and without one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
UPSTREAMS = ROOT.parent / "shared" / "upstreams"
MODEL = "gpt-4o-mini"
BARE = """
import asyncio, sys
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
port, upstream = sys.argv[1:]
async def passed_on(request):
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bare"}
    body = await request.read()
    async with request.app["session"].post(upstream + request.path, data=body, headers=headers) as reply:
        kind = {"content-type": reply.headers["content-type"]}
        if not kind["content-type"].startswith("text/event-stream"):
            return web.Response(status=reply.status, body=await reply.read(), headers=kind)
        answer = web.StreamResponse(status=reply.status, headers=kind)
        await answer.prepare(request)
        async for piece in reply.content.iter_any():
            await answer.write(piece)
        await answer.write_eof()
        return answer
async def main():
    app = web.Application()
    app.router.add_post("/{tail:.*}", passed_on)
    app["session"] = ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), auto_decompress=False)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


class Peer(NamedTuple):
    """Something that takes chat completions. `pid` 0: not a process of ours to look at."""

    name: str
    port: int
    pid: int
    token: str = "sk-mock"
    model: str = MODEL
    headers: tuple[tuple[str, str], ...] = ()


def out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, env: dict[str, str] | None = None, log: Path | None = None) -> Iterator[int]:
    """Start a server, wait until its port is open, and end it by its id."""
    with open(log, "w") if log else open(os.devnull, "w") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=env)
    try:
        until_s = time.monotonic() + 180
        while True:
            if process.poll() is not None or time.monotonic() > until_s:
                raise SystemExit(f"{command[0]} did not start")
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.01)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def ready_s(port: int, started_s: float) -> float:
    while True:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as reply:
            if reply.status == 200:
                return time.monotonic() - started_s
        time.sleep(0.005)


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sync_us(folder: Path) -> float:
    """Return the median of a 4 KiB write with fdatasync."""
    took = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1e6)
    return statistics.median(took)


def wrk(peer: Peer, connections: int, seconds: float) -> dict[str, float]:
    headers = "|".join(f"{name}: {value}" for name, value in peer.headers)
    env = {**os.environ, "WRK_TOKEN": peer.token, "WRK_MODEL": peer.model, "WRK_HEADERS": headers}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(UPSTREAMS / "wrk_chat.lua")]
    before = cpu_s(peer.pid) if peer.pid else 0.0
    url = f"http://127.0.0.1:{peer.port}/v1/chat/completions"
    said = subprocess.run([*command, url], env=env, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.partition("WRKJSON ")[2].splitlines()[0])
    found["cpu_us"] = (cpu_s(peer.pid) - before) * 1e6 / max(1, found["requests"]) if peer.pid else 0.0
    if found["non2xx"] or found["socket_errors"]:
        out(f"  {peer.name}: {found['non2xx']} refused, {found['socket_errors']} errors")
    return found


class Client:
    """One connection, raw: as little of its own as possible."""

    def __init__(self, peer: Peer, text: str, *, stream: bool = False) -> None:
        body = {"model": peer.model, "messages": [{"role": "user", "content": text}], "max_tokens": 64}
        raw = json.dumps({**body, "stream": True} if stream else body).encode()
        fields = (("Host", "127.0.0.1"), ("Authorization", f"Bearer {peer.token}"), *peer.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        head = f"POST /v1/chat/completions HTTP/1.1\r\n{lines}Content-Type: application/json\r\n"
        self.request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(raw) + raw
        self.socket = socket.create_connection(("127.0.0.1", peer.port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask_us(self) -> float:
        """Send and read a whole reply; return how long it took."""
        start = time.perf_counter()
        self.socket.sendall(self.request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, rest = data.partition(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(rest)
        while left > 0:
            left -= len(self.socket.recv(65536))
        return (time.perf_counter() - start) * 1e6

    def stream_us(self) -> tuple[float, list[float], float]:
        """Return when the first token came, each chunk's transit (its text says when it left), and when it ended."""
        started_ns = time.monotonic_ns()
        self.socket.sendall(self.request)
        data, first_us, transits = b"", 0.0, []
        while not data.endswith(b"\r\n0\r\n\r\n"):
            came = self.socket.recv(1 << 18)
            now_ns = time.monotonic_ns()
            if not came:  # some end a stream by closing
                break
            first_us = first_us or ((now_ns - started_ns) / 1e3 if b'"t=' in came else 0.0)
            transits += [
                (now_ns - int(each.split(b" ", 1)[0])) / 1e3 for each in came.split(b'"t=')[1:] if b" " in each
            ]
            data = data[-64:] + came
        return first_us, transits, (time.monotonic_ns() - started_ns) / 1e3


def throughput(peers: list[Peer], seconds: float) -> None:
    for peer in peers:
        wrk(peer, 32, 2)
    rounds = [{peer.name: wrk(peer, 32, seconds) for peer in peers} for _ in range(3)]
    out(f"\n32 connections, {seconds:g} s, median of 3\n{'':26}requests/s  x bare     p50      p99   CPU a request")
    bare = statistics.median(each["bare aiohttp proxy"]["rps"] for each in rounds)
    for peer in peers:
        rps, p50, p99, cpu = (
            statistics.median(each[peer.name][key] for each in rounds) for key in ("rps", "p50_us", "p99_us", "cpu_us")
        )
        out(f"{peer.name:26}{rps:10.0f}{rps / bare:8.2f}{p50 / 1e3:7.1f}ms{p99 / 1e3:7.1f}ms{cpu:9.0f} us")


def alone(peers: list[Peer], calls: int = 400) -> None:
    clients = {peer.name: Client(peer, "hi [[p=20 c=10]]") for peer in peers}
    took: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(calls + 50):
        for name, client in clients.items():
            us = client.ask_us()
            if number >= 50:
                took[name].append(us)
    direct = statistics.median(took["direct"])
    out(f"\nalone, {calls} calls each, in turns\n{'':26}     p50   added")
    for name, each in took.items():
        p50 = statistics.median(each)
        out(f"{name:26}{p50 / 1e3:6.2f}ms{(p50 - direct) / 1e3:6.2f}ms")


def streams(peers: list[Peer], rounds: int = 30) -> None:
    first: dict[str, list[float]] = {peer.name: [] for peer in peers}
    transit: dict[str, list[float]] = {peer.name: [] for peer in peers}
    whole: dict[str, list[float]] = {peer.name: [] for peer in peers}
    many = 2000
    for _ in range(rounds):
        for peer in peers:
            first_us, transits, _ = Client(peer, "hi [[n=20 us=2000]]", stream=True).stream_us()
            first[peer.name].append(first_us)
            transit[peer.name] += transits[1:]
    for _ in range(max(3, rounds // 5)):
        for peer in peers:
            whole[peer.name].append(Client(peer, f"hi [[n={many}]]", stream=True).stream_us()[2])
    names = {key: {peer.name: statistics.median(of[peer.name]) for peer in peers} for key, of in
             (("first", first), ("transit", transit), ("whole", whole))}  # fmt: skip
    out(f"\nstreams, {rounds} in turns: first token and transit of a chunk beyond direct; {many} chunks at once, each\n"
        f"{'':26}first token  transit   a chunk")  # fmt: skip
    for peer in peers:
        added = [names[key][peer.name] - names[key]["direct"] for key in ("first", "transit", "whole")]
        out(f"{peer.name:26}{added[0] / 1e3:9.2f}ms{added[1]:7.0f}us{added[2] / many:8.1f}us")


def memory(peer: Peer, calls: int) -> None:
    out(f"\nmemory of the worker (RSS) after calls: at start {rss_mib(peer.pid):.1f} MiB")
    done = 0
    for upto in sorted({calls // 10, calls // 2, calls}):
        while done < upto:
            done += int(wrk(peer, 32, 5)["requests"])
        out(f"{done:9} calls {rss_mib(peer.pid):6.1f} MiB")


def aikeys(home: Path, *words: str, stdin: str = "") -> str:
    env = {**os.environ, "AIKEYS_HOME": str(home), "AIKEYS_NO_INPUT": "1"}
    command = [sys.executable, "-m", "aikeys", *words]
    return subprocess.run(command, env=env, cwd=ROOT, input=stdin, capture_output=True, text=True, check=True).stdout


def gateway(stack: ExitStack, folder: Path, upstream: int) -> list[Peer]:
    home = folder / "home"
    aikeys(home, "init", "--key-file", str(folder / "key"))
    url = f"http://127.0.0.1:{upstream}/v1"
    aikeys(home, "add", "openai", "--stdin", "--no-verify", "--base-url", url, stdin="sk-upstream")
    plain = aikeys(home, "token", "issue", "--for", "app").strip()
    aikeys(home, "budget", "set", "team:bench", "1000000")
    limited = aikeys(home, "token", "issue", "--for", "app", "--team", "bench").strip()
    env = {**os.environ, "AIKEYS_HOME": str(home), "AIKEYS_NO_INPUT": "1", "PYTHONPATH": str(ROOT)}
    took = []
    for _ in range(3):
        port, started_s = free_port(), time.monotonic()
        with running([sys.executable, "-m", "aikeys", "gateway", "--port", str(port)], port, env):
            took.append(ready_s(port, started_s))
    out(f"ready in {min(took):.2f} to {max(took):.2f} s (key file)")
    port = free_port()
    log = folder / "gateway.log"
    pid = stack.enter_context(running([sys.executable, "-m", "aikeys", "gateway", "--port", str(port)], port, env, log))
    model = f"openai/{MODEL}"
    return [Peer("aikeys", port, pid, plain, model), Peer("aikeys, blocking budget", port, pid, limited, model)]


def others(stack: ExitStack, options: argparse.Namespace, folder: Path, upstream: int) -> list[Peer]:
    found, url = [], f"http://127.0.0.1:{upstream}/v1"
    if options.portkey:
        port = free_port()
        script = Path(options.portkey) / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
        pid = stack.enter_context(running(["node", str(script), "--headless", f"--port={port}"], port))
        headers = (("x-portkey-provider", "openai"), ("x-portkey-custom-host", url))
        found.append(Peer("Portkey, no ledger", port, pid, headers=headers))
    if options.litellm:
        port = free_port()
        settings = folder / "litellm.yaml"
        row = {"model_name": MODEL, "litellm_params": {"model": f"openai/{MODEL}", "api_base": url, "api_key": "sk-up"}}
        settings.write_text(json.dumps({"model_list": [row]}))
        command = [options.litellm, "--config", str(settings), "--host", "127.0.0.1", "--port", str(port)]
        pid = stack.enter_context(running(command, port, {**os.environ, "LITELLM_LOG": "ERROR"}))
        found.append(Peer("LiteLLM, no database", port, pid))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--calls", type=int, default=0, help="how many for the memory, 100000 to see it flat")
    parser.add_argument("--portkey", default="")
    parser.add_argument("--litellm", default="")
    parser.add_argument("--home", default="", help="where the ledger is: its disk's sync time counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.home or None) as place, ExitStack() as stack:
        folder = Path(place)
        mock, upstream, bare = folder / "upstream", free_port(), free_port()
        subprocess.run(["cc", "-O2", "-o", str(mock), str(UPSTREAMS / "fast_upstream.c")], check=True)
        up = stack.enter_context(running([str(mock), str(upstream)], upstream))
        below = f"http://127.0.0.1:{upstream}"
        floor = stack.enter_context(running([sys.executable, "-c", BARE, str(bare), below], bare))
        version = ".".join(map(str, sys.version_info[:3]))
        out(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, Python {version}, "
            f"fdatasync of 4 KiB {sync_us(folder):.0f} us (median)")  # fmt: skip
        ours = gateway(stack, folder, upstream)
        peers = [Peer("bare aiohttp proxy", bare, floor), *ours, *others(stack, options, folder, upstream)]
        throughput(peers, options.seconds)
        direct = [Peer("direct", upstream, up), *peers]
        alone(direct)
        streams(direct)
        for peer in peers:
            out(f"{peer.name:26}{rss_mib(peer.pid):7.1f} MiB")
        if options.calls:
            memory(ours[0], options.calls)
        out(f"load {os.getloadavg()[0]:.2f}, fdatasync {sync_us(folder):.0f} us")


if __name__ == "__main__":
    main()
