"""`aikeys top`: one picture for a script, and a screen that is drawn anew."""

from __future__ import annotations

from collections.abc import Callable

import pexpect
import pytest

from tests.conftest import Aikeys
from tests.remote.machines import Far, Served, far, served

__all__ = ["far", "served"]
ASK = ("prompt", "-m", "openai/gpt-4.1")


def test_one_picture_is_the_same_here_and_at_a_gateway(served: Served, far: Callable[..., Far]) -> None:
    one = far()
    for team in ("red", "red", "blue"):
        assert one.run(*ASK, "Hello [[p=50 c=7]]", "--team", team, "--no-stream").returncode == 0
    here, there = served.here("top", "--by", "team"), one.json("top", "--by", "team")
    assert here.pop("at") <= there.pop("at")
    assert here == there
    assert [(row["team"], row["requests"], row["cost_usd"]) for row in there["rows"]] == [
        ("red", 2, "0.000312"), ("blue", 1, "0.000156"),
    ]  # fmt: skip
    assert there["total"]["cost_usd"] == "0.000468"
    shown = one.run("top")
    assert shown.returncode == 0
    assert "3 requests" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert one.files == []


def test_a_token_sees_its_own_calls_alone(served: Served, far: Callable[..., Far]) -> None:
    one = far("usage:own", "chat:write")
    assert one.json("top")["total"]["requests"] == 0
    assert one.run(*ASK, "Hello", "--no-stream").returncode == 0
    assert one.json("top", "--by", "token")["total"]["requests"] == 1
    assert far("chat:write").run("top").returncode == 20
    assert far().run("top", "--by", "tema").returncode == 2
    assert far().run("top", "--minutes", "0").returncode == 2


def test_without_calls_it_says_so(ready_home: Aikeys) -> None:
    done = ready_home.run("top", "--once")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "no calls")


@pytest.mark.parametrize("place", ["here", "at the gateway"])
def test_on_a_terminal_it_is_drawn_anew_and_gives_the_screen_back(
    place: str, served: Served, far: Callable[..., Far]
) -> None:
    one = far()
    home = served.house.office.home
    environment = home.environ() if place == "here" else one.aikeys.env(one.with_variables)
    argv = home.command("top", "--by", "team,model")
    screen = pexpect.spawn(
        argv[0], argv[1:], env={**environment, "TERM": "xterm"}, dimensions=(30, 120), encoding="utf-8", timeout=30,
        cwd=str(one.aikeys.folder),
    )  # fmt: skip
    try:
        screen.expect_exact("\x1b[?1049h")
        screen.expect("last 15 minutes")
        team = f"late-{place.split(maxsplit=1)[0]}"
        assert one.run(*ASK, "Hello [[p=50 c=7]]", "--team", team, "--no-stream").returncode == 0
        screen.expect_exact(team)
        screen.sendintr()
        screen.expect_exact("\x1b[?25h\x1b[?1049l")
        screen.expect(pexpect.EOF)
    finally:
        screen.close()
    assert screen.exitstatus == 130
