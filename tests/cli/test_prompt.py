"""`aikeys prompt`, `estimate` and `models` as people, pipes and programs use them, against a provider on loopback."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from aikeys.money import usd_text
from tests.conftest import CANARY, Aikeys, canary
from tests.spending.conftest import (
    REPLY,
    USAGE_PUSD,
    WHOLE_STREAM,
    FakeProvider,
    Play,
    Seen,
    answer,
    chunk,
    in_two,
    stream,
)

COST = usd_text(USAGE_PUSD)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    one = FakeProvider()
    one.plays = [stream(*WHOLE_STREAM)]
    yield one
    one.close()


@pytest.fixture
def home(ready_home: Aikeys, provider: FakeProvider) -> Aikeys:
    ready_home.add("openai", canary(), "--base-url", f"{provider.url}/v1", "--team", "search")
    return ready_home


def entries(home: Aikeys) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(home.run("log", "--json").stdout)["calls"]
    assert home.run("ledger", "verify").returncode == 0
    return found


def said(error: str) -> dict[str, object]:
    return {"error": {"message": error}}


def test_a_person_gets_the_text(home: Aikeys) -> None:
    done = home.run("prompt", "-m", "openai/gpt-4.1", "Say hello", "--usage")
    assert (done.returncode, done.stdout) == (0, "Hello\n")
    assert done.stderr.startswith("aikeys: openai/gpt-4.1: 10 in 20 out; $0.0002 computed; ")
    (entry,) = entries(home)
    assert (entry["cost_usd"], entry["cost_source"], entry["team"]) == (COST, "computed", "search")
    assert entry["door"] == "prompt"


def test_a_program_gets_json(home: Aikeys, provider: FakeProvider) -> None:
    provider.plays = [answer(200, REPLY, x_request_id="req-1")]
    done = home.run("prompt", "-m", "gpt4", "Say hello", "--json", "--tag", "client=acme", "--team", "ads")
    document = json.loads(done.stdout)
    assert (document["schema"], document["text"], document["cost_usd"]) == ("aikeys.prompt/1", "Hello", COST)
    assert document["usage"]["input_tokens"] == 10
    assert (document["entry"], document["request_id"]) == (document["attempts"][0]["entry"], "req-1")
    (entry,) = entries(home)
    assert (entry["team"], entry["id"] is not None) == ("ads", True)
    assert "acme" in json.dumps(entry)


def test_what_is_piped_in_comes_before_the_argument(home: Aikeys, provider: FakeProvider) -> None:
    (home.folder / "notes.txt").write_text("notes\n", encoding="utf-8")
    done = home.run("prompt", "-m", "gpt4", "why?", "-s", "Be brief", "-f", "notes.txt", input="the log\n")
    assert done.returncode == 0, done.stderr
    assert provider.seen[0].body["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "notes\n\nthe log\n\nwhy?"},
    ]


def test_a_provider_that_does_not_stream_is_heard_all_the_same(home: Aikeys, provider: FakeProvider) -> None:
    provider.plays = [answer(200, REPLY)]
    assert home.run("prompt", "-m", "gpt4", "hi").stdout == "Hello\n"


def test_ten_megabytes_go_through(home: Aikeys, provider: FakeProvider) -> None:
    done = home.run("prompt", "-m", "gpt4", "why?", input="x" * 10_000_000)
    assert (done.returncode, done.stdout) == (0, "Hello\n")
    assert len(json.dumps(provider.seen[0].body)) > 10_000_000


def test_what_is_no_text_is_refused(home: Aikeys, provider: FakeProvider) -> None:
    (home.folder / "bad").write_bytes(b"ok \xff\xfe")
    done = home.run("prompt", "-m", "gpt4", "-f", "bad")
    assert done.returncode == 2
    assert "bad is not UTF-8 text (byte 4)" in done.stderr
    assert not provider.seen


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_to_ask_is_a_usage_error(home: Aikeys, provider: FakeProvider, text: str) -> None:
    done = home.run("prompt", "-m", "gpt4", text)
    assert done.returncode == 2
    assert "nothing to ask" in done.stderr
    assert not provider.seen


def test_a_closed_pipe_is_no_traceback(home: Aikeys, provider: FakeProvider) -> None:
    lines = [chunk(f"line {number}\n") for number in range(3)]
    going_on = threading.Event()
    provider.plays = [stream(*lines, stall=going_on)]
    child = subprocess.Popen(
        home.argv("prompt", "-m", "gpt4", "hello"),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    _, errors = child.communicate(timeout=60)
    going_on.set()
    assert b"Traceback" not in errors
    assert child.returncode == 141
    (entry,) = entries(home)
    assert (entry["status"], entry["cost_source"]) == ("cancelled", "estimated")


def test_a_reply_that_fits_its_schema(home: Aikeys, provider: FakeProvider) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    (home.folder / "n.json").write_text(json.dumps(schema), encoding="utf-8")
    good = {**REPLY, "choices": [{"message": {"content": '{"n": 1}'}, "finish_reason": "stop"}]}
    provider.plays = [answer(200, good), answer(200, REPLY)]
    done = home.run("prompt", "-m", "gpt4", "a number", "--schema", "n.json")
    assert (done.returncode, done.stdout) == (0, '{"n": 1}\n')
    assert provider.seen[0].body["response_format"]["json_schema"]["schema"] == schema  # type: ignore[index]
    done = home.run("prompt", "-m", "gpt4", "a number", "--schema", "n.json")
    assert (done.returncode, done.stdout) == (30, "Hello\n")
    assert "does not fit the schema: it is not JSON" in done.stderr
    assert [entry["cost_usd"] for entry in entries(home)] == [COST, COST]


def test_an_image_goes_along(home: Aikeys, provider: FakeProvider) -> None:
    (home.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    done = home.run("prompt", "-m", "gpt4", "what?", "-a", "a.png")
    assert done.returncode == 0, done.stderr
    assert "data:image/png;base64,iVBORw0K" in json.dumps(provider.seen[0].body)
    (home.folder / "a.txt").write_text("text", encoding="utf-8")
    assert home.run("prompt", "-m", "gpt4", "what?", "-a", "a.txt").returncode == 2


def test_a_dry_run_shows_the_request_and_never_the_key(home: Aikeys, provider: FakeProvider) -> None:
    done = home.run("prompt", "-m", "gpt4", "Say hello", "--dry-run", "-v")
    assert done.returncode == 0, done.stderr
    assert "authorization: Bearer ‹secret›" in done.stdout
    assert "could cost up to $" in done.stdout
    document = json.loads(home.run("prompt", "-m", "gpt4", "Say hello", "--dry-run", "--json").stdout)
    (request,) = document["requests"]
    assert request["url"] == f"{provider.url}/v1/chat/completions"
    assert request["body"]["messages"][0]["content"] == "Say hello"
    assert not provider.seen
    assert entries(home) == []


def test_options_reach_the_model(home: Aikeys, provider: FakeProvider) -> None:
    words = ["-o", "temperature=0.5", "-o", "stop=a", "-o", "stop=b", "-o", "seed=7", "--max-tokens", "9"]
    assert home.run("prompt", "-m", "gpt4", "hi", *words).returncode == 0
    body = provider.seen[0].body
    assert (body["temperature"], body["stop"], body["seed"], body["max_completion_tokens"]) == (0.5, ["a", "b"], 7, 9)
    done = home.run("prompt", "-m", "gpt4", "hi", "-o", "temprature=1")
    assert (done.returncode, "did you mean temperature?" in done.stderr) == (2, True)


def by_model(**plays: Play) -> Play:
    """Answer each model in its own way; `_` stands for what a name cannot hold."""

    def play(connection: socket.socket, seen: Seen) -> None:
        plays[re.sub(r"\W", "_", str(seen.body["model"]))](connection, seen)

    return play


TWO = ("-m", "openai/gpt-4.1", "-m", "openai/gpt-4o", "hi")


def test_models_are_compared_and_the_worst_failure_decides(home: Aikeys, provider: FakeProvider) -> None:
    provider.plays = [by_model(gpt_4_1=answer(400, said("no such thing")), gpt_4o=stream(*WHOLE_STREAM))]
    done = home.run("prompt", *TWO)
    assert done.returncode == 30
    assert "== openai/gpt-4.1 ==\n\n== openai/gpt-4o ==\nHello\n" in done.stdout
    assert "openai/gpt-4.1: OpenAI: no such thing" in done.stderr
    assert sorted(str(entry["status"]) for entry in entries(home)) == ["bad_request", "ok"]
    limited = answer(429, said("slow"), retry_after="600")
    provider.plays = [by_model(gpt_4_1=limited, gpt_4o=answer(400, said("no")))]
    assert home.run("prompt", *TWO).returncode == 32


def test_models_are_asked_at_the_same_time_and_shown_in_order(home: Aikeys, provider: FakeProvider) -> None:
    both_asked = threading.Barrier(2, timeout=30)
    second_over = threading.Event()

    def first(connection: socket.socket, seen: Seen) -> None:
        both_asked.wait()
        second_over.wait(30)
        stream(*WHOLE_STREAM)(connection, seen)

    def second(connection: socket.socket, seen: Seen) -> None:
        both_asked.wait()
        stream(chunk("second"), *WHOLE_STREAM[2:])(connection, seen)
        second_over.set()

    provider.plays = [by_model(gpt_4_1=first, gpt_4o=second)]
    done = home.run("prompt", *TWO, "--usage")
    assert (done.returncode, done.stdout) == (0, "== openai/gpt-4.1 ==\nHello\n\n== openai/gpt-4o ==\nsecond\n\n")
    assert [line.split()[1] for line in done.stderr.splitlines()] == ["openai/gpt-4.1:", "openai/gpt-4o:"]
    assert [entry["status"] for entry in entries(home)] == ["ok", "ok"]
    document = json.loads(home.run("prompt", *TWO, "--json").stdout)
    assert [each["model"] for each in document["replies"]] == ["openai/gpt-4.1", "openai/gpt-4o"]


def test_models_do_not_mix_on_a_terminal(home: Aikeys, provider: FakeProvider) -> None:
    pexpect = pytest.importorskip("pexpect")
    both_asked = threading.Barrier(2, timeout=30)

    def play(connection: socket.socket, seen: Seen) -> None:
        both_asked.wait()
        stream(*WHOLE_STREAM)(connection, seen)

    provider.plays = [play]
    argv = home.argv("prompt", *TWO)
    child = pexpect.spawn(argv[0], argv[1:], env=home.env(), cwd=str(home.folder), encoding="utf-8", timeout=60)
    lines = child.read().replace("\r", "").split("\n")
    child.close()
    assert lines == ["== openai/gpt-4.1 ==", "Hello", "", "== openai/gpt-4o ==", "Hello", "", ""]


def interrupted_twins(home: Aikeys, provider: FakeProvider, times: int) -> tuple[int, bytes]:
    """Ask two models, interrupt when both are under way, and return how it ended."""
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]
    child = subprocess.Popen(
        home.argv("prompt", *TWO),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    read = b""
    while not read.endswith(b"Hel") or len(provider.seen) < 2:
        assert child.poll() is None
        if not read.endswith(b"Hel"):
            piece = child.stdout.read(1)
            assert piece, child.stderr.read()
            read += piece
    errors = b""
    for _ in range(times):
        os.kill(child.pid, signal.SIGINT)
        while b"Ctrl-C again" not in errors:
            errors += child.stderr.read(1)
    if times == 1:
        going_on.set()
    _, rest = child.communicate(timeout=60)
    going_on.set()
    return child.returncode, errors + rest


def test_ctrl_c_reads_every_reply_to_its_end(home: Aikeys, provider: FakeProvider) -> None:
    status, errors = interrupted_twins(home, provider, 1)
    assert status == 130, errors
    assert b"openai/gpt-4.1: 10 in 20 out" in errors
    assert b"openai/gpt-4o: 10 in 20 out" in errors
    assert [(entry["cost_source"], entry["status"]) for entry in entries(home)] == [("computed", "ok")] * 2


def test_ctrl_c_twice_stops_every_model_and_settles(home: Aikeys, provider: FakeProvider) -> None:
    status, errors = interrupted_twins(home, provider, 2)
    assert status == 130, errors
    assert b"Traceback" not in errors
    assert [(entry["cost_source"], entry["status"]) for entry in entries(home)] == [("estimated", "cancelled")] * 2


def test_a_closed_pipe_ends_every_model(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [stream(*[chunk(f"line {number}\n") for number in range(3)], stall=going_on)]
    child = subprocess.Popen(
        home.argv("prompt", *TWO),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.close()
    child.stdout = None
    going_on.set()
    _, errors = child.communicate(timeout=60)
    assert b"Traceback" not in errors
    assert child.returncode == 141
    assert {entry["status"] for entry in entries(home)} <= {"cancelled", "ok"}


@pytest.mark.parametrize(
    ("play", "status", "recorded", "attempts"),
    [
        (answer(401, said("bad key")), 30, "authentication", 1),
        (answer(500, said("oh")), 30, "server", 3),
        (answer(429, said("slow"), retry_after="0"), 32, "rate_limited", 3),
        (answer(429, said("slow"), retry_after="600"), 32, "rate_limited", 1),
        (answer(200, b"<html>"), 30, "unreadable", 1),
        (stream(*WHOLE_STREAM, cut_after=100), 31, "broken", 1),
    ],
)
def test_a_failure_has_its_status_and_an_entry_for_every_attempt(
    home: Aikeys, provider: FakeProvider, play: Callable[..., None], status: int, recorded: str, attempts: int
) -> None:
    provider.plays = [play]
    done = home.run("prompt", "-m", "gpt4", "hi")
    assert done.returncode == status, done.stderr
    assert [entry["status"] for entry in entries(home)] == [recorded] * attempts


def test_nobody_at_the_address_is_a_network_failure(home: Aikeys, provider: FakeProvider) -> None:
    home.add("gone", canary(), "--provider", "openai", "--base-url", "http://127.0.0.1:9/v1")
    done = home.run("prompt", "-m", "gone/gpt-4.1", "hi")
    assert done.returncode == 31
    assert [entry["status"] for entry in entries(home)] == ["not_sent"] * 3


def test_budgets_are_kept(home: Aikeys, provider: FakeProvider) -> None:
    assert home.run("budget", "set", "team:search", "0.0001").returncode == 0
    done = home.run("prompt", "-m", "gpt4", "hi")
    assert done.returncode == 22
    assert "team:search" in done.stderr
    assert home.run("prompt", "-m", "gpt4", "hi", "--team", "ads").returncode == 0
    done = home.run("prompt", "-m", "openai/brand-new", "hi")
    assert done.returncode == 23
    assert '[prices."openai/brand-new"]' in done.stderr
    assert home.run("prompt", "-m", "gpt4", "hi", "--team", "ads", "--max-cost", "0.0001").returncode == 22
    assert len(provider.seen) == 1


def test_unknown_names_are_told_the_nearest(home: Aikeys) -> None:
    done = home.run("prompt", "-m", "gpt-4.1-minni", "hi")
    assert (done.returncode, "openai/gpt-4.1-mini" in done.stderr) == (2, True)
    assert home.run("prompt", "-m", "groq/x", "hi").returncode == 10
    done = home.run("prompt", "hi")
    assert (done.returncode, "which model" in done.stderr) == (2, True)


def test_the_config_names_a_default_and_stand_ins(home: Aikeys, provider: FakeProvider) -> None:
    second = FakeProvider()
    home.add("openai-2", canary("two"), "--provider", "openai", "--base-url", f"{second.url}/v1")
    text = '[defaults]\nmodel = "gpt-4.1"\n[fallbacks]\nopenai = ["openai-2"]\n'
    (home.home / "config.toml").write_text(text, encoding="utf-8")
    provider.plays = [answer(401, said("no such key"))]
    done = home.run("prompt", "hi", "--no-stream")
    second.close()
    assert (done.returncode, done.stdout) == (0, "Hello\n")
    assert [entry["key"] for entry in entries(home)] == ["openai", "openai-2"]
    (home.home / "config.toml").write_text('[fallbacks]\nopenai = "openai-2"\n', encoding="utf-8")
    assert home.run("prompt", "-m", "gpt-4.1", "hi").returncode == 14


def test_a_limit_per_minute_holds_across_commands(home: Aikeys, provider: FakeProvider) -> None:
    (home.home / "config.toml").write_text('[limits]\n"key:openai" = 2\n', encoding="utf-8")
    assert [home.run("prompt", "-m", "gpt4", "hi").returncode for _ in range(3)] == [0, 0, 32]
    done = home.run("prompt", "-m", "gpt4", "hi")
    assert "key:openai may have 2 requests in a minute" in done.stderr
    assert "hint: try again in " in done.stderr
    assert len(provider.seen) == 2
    for wrong in ('"team:x" = 2', '"key:openai" = -1', '"key:openai" = true', '"key:openai" = { request = 1 }'):
        (home.home / "config.toml").write_text(f"[limits]\n{wrong}\n", encoding="utf-8")
        assert home.run("prompt", "-m", "gpt4", "hi").returncode == 14


def test_a_provider_of_the_user_speaks_responses(home: Aikeys, provider: FakeProvider) -> None:
    mine = f'[providers.mine]\nprotocol = "openai-responses"\nbase_url = "{provider.url}/v1"\nenv = "MINE_API_KEY"\n'
    (home.home / "config.toml").write_text(mine, encoding="utf-8")
    home.add("mine", canary())
    provider.plays = [
        stream(
            {"type": "response.created", "response": {"id": "resp_1", "model": "m1"}},
            {"type": "response.output_text.delta", "delta": "Hello"},
            {
                "type": "response.completed",
                "response": {
                    "id": "resp_1",
                    "model": "m1",
                    "status": "completed",
                    "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30},
                },
            },
        )
    ]
    done = home.run("prompt", "-m", "mine/m1", "hi", "--max-tokens", "9")
    assert (done.returncode, done.stdout) == (0, "Hello\n"), done.stderr
    assert provider.seen[0].path == "/v1/responses"
    assert provider.seen[0].body["max_output_tokens"] == 9
    (entry,) = entries(home)
    assert (entry["status"], entry["output_tokens"]) == ("ok", 20)


def interrupted(home: Aikeys, provider: FakeProvider, times: int, going_on: threading.Event) -> tuple[int, bytes]:
    """Start a prompt, send Ctrl-C when its text is there, the second when the first was answered."""
    child = subprocess.Popen(
        home.argv("prompt", "-m", "gpt4", "hello"),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    assert child.stdout.read(3) == b"Hel"
    errors = b""
    for _ in range(times):
        os.kill(child.pid, signal.SIGINT)
        while b"Ctrl-C again" not in errors:
            errors += child.stderr.read(1)
    if times == 1:
        going_on.set()
    errors += child.stderr.read()
    status = child.wait(60)
    going_on.set()
    child.stdout.close()
    child.stderr.close()
    return status, errors


def test_ctrl_c_reads_the_reply_to_its_end(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]
    status, errors = interrupted(home, provider, 1, going_on)
    assert status == 130, errors
    assert b"20 out; $0.0002 computed" in errors
    (entry,) = entries(home)
    assert (entry["cost_usd"], entry["cost_source"], entry["status"]) == (COST, "computed", "ok")


def test_ctrl_c_twice_stops_and_settles(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]
    status, errors = interrupted(home, provider, 2, going_on)
    assert status == 130, errors
    assert b"Traceback" not in errors
    (entry,) = entries(home)
    assert (entry["cost_source"], entry["status"]) == ("estimated", "cancelled")


def test_a_killed_prompt_is_booked_by_the_next_command(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on), stream(*WHOLE_STREAM)]
    child = subprocess.Popen(
        home.argv("prompt", "-m", "gpt4", "hello", "--max-tokens", "100"),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    assert child.stdout is not None
    assert child.stdout.read(3) == b"Hel"
    child.kill()
    child.wait(60)
    child.stdout.close()
    going_on.set()
    done = home.run("prompt", "-m", "gpt4", "hello")
    assert done.returncode == 0
    assert "holds its worst case" in done.stderr
    lost, answered = entries(home)
    assert (lost["cost_source"], lost["status"]) == ("worst_case", "lost")
    assert (answered["cost_source"], answered["cost_usd"]) == ("computed", COST)


def test_no_output_holds_the_key_even_when_the_provider_repeats_it(home: Aikeys, provider: FakeProvider) -> None:
    provider.plays = [answer(401, said(f"the key {canary()} is wrong"))]
    done = home.run("prompt", "-m", "gpt4", "hi", "-v", env={"AIKEYS_DEBUG": "1"})
    assert done.returncode == 30
    assert CANARY not in done.stdout + done.stderr  # and run() looks for it too


def test_a_terminal_is_not_steered_by_a_reply(home: Aikeys, provider: FakeProvider) -> None:
    pexpect = pytest.importorskip("pexpect")
    evil = {**REPLY, "choices": [{"message": {"content": "a\x1b]0;title\x07b 👩‍💻"}, "finish_reason": "stop"}]}
    provider.plays = [answer(200, evil)]
    argv = home.argv("prompt", "-m", "gpt4", "hi", "--no-stream")
    child = pexpect.spawn(argv[0], argv[1:], env=home.env(), cwd=str(home.folder), encoding="utf-8", timeout=60)
    text = child.read()
    child.close()
    assert "\x1b]0" not in text
    assert "a\\x1b]0;title\\x07b 👩‍💻" in text


def test_reasoning_is_shown_on_a_terminal_only(home: Aikeys, provider: FakeProvider) -> None:
    thought = {"model": "gpt-4.1", "choices": [{"index": 0, "delta": {"reasoning_content": "Hmm."}}]}
    provider.plays = [stream(thought, *WHOLE_STREAM)]
    done = home.run("prompt", "-m", "gpt4", "hi")
    assert (done.stdout, done.stderr) == ("Hello\n", "")


def test_an_estimate_of_a_misspelt_model_offers_what_is_near(bare_home: Aikeys) -> None:
    done = bare_home.run("estimate", "-m", "openai/gpt-4.1-mni", "hi")
    assert done.returncode == 23
    assert "hint: did you mean openai/gpt-4.1-mini" in done.stderr


@pytest.mark.parametrize("words", [("prompt", "-m", "openai/gpt-4.1"), ("estimate", "-m", "openai/gpt-4.1")])
def test_a_text_that_is_not_utf_8_is_called_that(home: Aikeys, words: tuple[str, ...]) -> None:
    done = home.run(*words, "\udcff")
    assert done.returncode == 2
    assert "error: the text is not UTF-8\n" in done.stderr
    done = home.run(*words, "hi", "--system", "\udcff")
    assert (done.returncode, "error: the system prompt is not UTF-8\n" in done.stderr) == (2, True)


def test_what_is_tried_again_is_named_with_its_model_and_port(ready_home: Aikeys) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ready_home.add("openai", canary(), "--base-url", f"http://{address}/v1", "--no-verify")
        done = ready_home.run("prompt", "-m", "openai/gpt-4.1", "hi")
    assert f"aikeys: openai/gpt-4.1: cannot connect to {address}; retrying in " in done.stderr


def test_an_estimate_needs_neither_vault_nor_network(bare_home: Aikeys) -> None:
    done = bare_home.run("estimate", "-m", "gpt-4.1", "-m", "claude", "x" * 400, "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["estimates"]
    assert (first["model"], first["input_tokens"], first["low_usd"]) == ("openai/gpt-4.1", 100, "0.0002")
    assert first["expected_usd"] == "0.0042"
    assert float(first["worst_usd"]) > float(first["expected_usd"])
    assert second["model"].startswith("anthropic/")


def test_an_unknown_price_is_not_zero(bare_home: Aikeys) -> None:
    done = bare_home.run("estimate", "-m", "openai/brand-new", "-m", "gpt-4.1", "hi")
    assert done.returncode == 23
    assert "unknown" in done.stdout
    assert "openai/brand-new" in done.stderr


def test_models_say_what_they_cost_and_which_keys_reach_them(home: Aikeys) -> None:
    rows = json.loads(home.run("models", "gpt-4.1", "--json").stdout)["models"]
    plain = next(row for row in rows if row["model"] == "openai/gpt-4.1")
    assert (plain["input_usd_per_million"], plain["output_usd_per_million"]) == ("2.00", "8.00")
    assert (plain["context_window"], plain["max_output"]) == (1_047_576, 32_768)
    assert (plain["keys"], plain["aliases"]) == (["openai"], ["gpt-4.1", "gpt4"])
    assert all(row["model"].startswith("openai/") for row in rows)
    everything = json.loads(home.run("models", "gpt-4.1", "--all", "--json").stdout)["models"]
    assert len(everything) > len(rows)
    assert home.run("models", "nosuchmodel").returncode == 10


def started(home: Aikeys, *args: str) -> subprocess.Popen[bytes]:
    """Start a prompt and return it when the first piece of its reply is there."""
    child = subprocess.Popen(
        home.argv("prompt", "-m", "gpt4", "hello", *args),
        env=home.env(),
        cwd=home.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdout is not None
    assert child.stdout.read(3) == b"Hel"
    return child


def allow_files(child: subprocess.Popen[bytes], size: int) -> None:
    """Let a running process write files up to that size: a disk that fills up, and is emptied again."""
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_disk_that_is_full_for_a_while_loses_nothing(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on)]
    child = started(home)
    allow_files(child, 0)
    going_on.set()
    assert child.stderr is not None
    errors = b""
    while b"cannot be recorded yet" not in errors:
        errors += child.stderr.read(1)
    allow_files(child, resource.RLIM_INFINITY)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, b"lo\n")
    (entry,) = entries(home)
    assert (entry["cost_usd"], entry["cost_source"]) == (COST, "computed")


def test_a_disk_that_stays_full_is_told_and_the_worst_case_is_booked(home: Aikeys, provider: FakeProvider) -> None:
    going_on = threading.Event()
    provider.plays = [in_two(going_on), stream(*WHOLE_STREAM)]
    child = started(home, "--max-tokens", "100")
    allow_files(child, 0)
    going_on.set()
    out, errors = child.communicate(timeout=60)
    assert (child.returncode, out) == (1, b"lo\n")  # what was paid for is handed over
    assert b"could not be recorded" in errors
    assert b"Traceback" not in errors
    done = home.run("prompt", "-m", "gpt4", "hello")
    assert "holds its worst case" in done.stderr
    assert [entry["cost_source"] for entry in entries(home)] == ["worst_case", "computed"]


def test_a_budget_that_revokes_ends_the_token_that_it_turns_away(home: Aikeys, provider: FakeProvider) -> None:
    used = {"prompt_tokens": 400, "completion_tokens": 90, "total_tokens": 490}
    provider.plays = [answer(200, {**REPLY, "usage": used})]
    scopes = ("--scope", "env:read", "--scope", "chat:write")
    token = home.run("token", "issue", "--name", "loop", *scopes, reveals=True).stdout.strip()
    assert home.run("budget", "set", "token:loop", "0.006", "--at-limit", "revoke").returncode == 0
    ask = ("prompt", "-m", "openai/gpt-4.1", "--no-stream", "--max-tokens", "100", "Say hello")
    ended = []
    for _ in range(30):
        done = home.run(*ask, env={"AIKEYS_TOKEN": token})
        ended.append(done.returncode)
        if done.returncode:
            break
    assert ended == [0] * (len(ended) - 1) + [22], done.stderr
    assert len(ended) > 1, done.stderr
    assert home.run(*ask, env={"AIKEYS_TOKEN": token}).returncode == 21
