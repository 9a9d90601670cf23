"""Programs as a way to tell: the alert on stdin, no secrets around, and an end to what hangs."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from aikeys.alerts import command
from aikeys.alerts.channels import CommandChannel
from aikeys.alerts.sending import NotTaken, OutgoingAlert
from tests.alerts.servers import MESSAGE, NOW_US

OUTGOING = OutgoingAlert("5" * 40, NOW_US // 1_000_000, MESSAGE)
HANGS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1] + str(os.getpid()), "w").close()
time.sleep(600)
"""


def python(script: str, *arguments: str, time_limit_s: int = 30) -> CommandChannel:
    return CommandChannel((sys.executable, "-c", script, *arguments), time_limit_s)


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_program_gets_the_document_and_its_arguments_untouched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read() + sys.argv[2])"
    command.send(python(script, str(out), "$(id); *"), OUTGOING, os.environ)
    document, _, rest = out.read_text(encoding="utf-8").partition("\n")
    assert json.loads(document)["facts"]["who"] == "team:support"
    assert rest == "$(id); *"


def test_the_program_gets_no_token_and_no_passphrase(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    environ = {
        "PATH": os.environ["PATH"], "AIKEYS_TOKEN": "aik_x", "AIKEYS_PASSPHRASE": "x", "AIKEYS_PASSPHRASE_FILE": "/x",
        "AIKEYS_HOME": "/home", "AIKEYS_ANYTHING_NEW": "x", "LANG": "C.UTF-8",
    }  # fmt: skip
    command.send(python(script, str(out)), OUTGOING, environ)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert {name for name in found if name.startswith("AIKEYS_")} == {"AIKEYS_HOME"}
    assert found["LANG"] == "C.UTF-8"


def test_a_program_that_does_not_read_is_no_failure() -> None:
    command.send(python("import os; os.close(0)"), OUTGOING, os.environ)


@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        ("raise SystemExit(3)", r"ended with status 3$"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"was ended by signal 9$"),
    ],
)
def test_a_program_that_fails_is_told_with_its_name_and_status(script: str, wrong: str) -> None:
    name = os.path.basename(sys.executable)
    with pytest.raises(NotTaken, match=f"^{name} {wrong}"):
        command.send(python(script), OUTGOING, os.environ)


def test_a_program_that_is_gone_is_told() -> None:
    with pytest.raises(NotTaken, match=r"^page-me cannot be run: No such file or directory$"):
        command.send(CommandChannel(("/nowhere/page-me",)), OUTGOING, os.environ)


def test_a_program_that_hangs_is_cut_with_all_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(NotTaken, match="took over 1 seconds and was stopped"):
        command.send(python(HANGS, f"{tmp_path}/", time_limit_s=1), OUTGOING, os.environ, grace_s=0.2)
    assert time.monotonic() - started < 30
    processes = [int(file.name) for file in tmp_path.iterdir()]
    assert len(processes) == 2
    deadline = time.monotonic() + 30
    while any(is_alive(process) for process in processes):
        assert time.monotonic() < deadline, "a process of the group lives on"
        os.sched_yield()
