"""Standard streams that cannot be used, descriptors and memory that run out: one sentence and the right status."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.conftest import Aikeys

OUT, IN = "aikeys: error: standard output", "aikeys: error: standard input"


@pytest.mark.parametrize(
    ("words", "redirection", "status", "sentence"),
    [
        ("providers", ">&-", 1, f"{OUT} is closed\n"),
        ("providers", "1</dev/null", 1, f"{OUT} cannot be written: bad file descriptor\n"),
        ("providers", ">/dev/full", 1, f"{OUT} cannot be written: no space left on device\n"),
        ("--help", ">&-", 1, f"{OUT} is closed\n"),
        ("--help", ">/dev/full", 1, f"{OUT} cannot be written: no space left on device\n"),
        ("add x --stdin --no-verify", "0>>sink", 2, f"{IN} cannot be read: bad file descriptor\n"),
        ("add x --stdin --no-verify", "<&-", 2, f"{IN} is closed\n"),
        ("show nobody", "2>&-", 10, ""),
        ("show nobody", "2>/dev/full", 10, ""),
        ("providers", "<&- >&- 2>&-", 1, ""),
    ],
)  # fmt: skip
def test_a_stream_that_cannot_be_used_is_named(
    ready_home: Aikeys, words: str, redirection: str, status: int, sentence: str
) -> None:
    done = ready_home.run_argv(["sh", "-c", f'"{sys.executable}" -m aikeys {words} {redirection}'])
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == (2 if sentence else 0)


@pytest.mark.parametrize("most", [5, 6, 7])
@pytest.mark.parametrize(("words", "status"), [("report", 1), ("list", 1), ("exec openai -- true", 125)])
def test_descriptors_that_run_out_are_named(ready_home: Aikeys, words: str, status: int, most: int) -> None:
    done = subprocess.run(
        ready_home.argv(*words.split(" ")),
        env=ready_home.env(),
        cwd=ready_home.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    if done.returncode != 23 and "there is no key" not in done.stderr:  # where it needed no more than that
        assert done.returncode in (status, 0, 10)
        assert done.returncode != status or "too many open files" in done.stderr
