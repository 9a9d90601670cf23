"""What `aikeys gateway` prints for a client's shell can be copied there as it is."""

from __future__ import annotations

import subprocess

from tests.gateway.process import House, gateway


def test_a_shell_takes_the_lines_as_they_are(house: House) -> None:
    with gateway(house) as running:
        lines = [line for line in running.lines if line.startswith("  ")]
        assert all(len(line) <= 80 for line in lines)
        assert running.lines.index(lines[-1]) < running.lines.index(f"aikeys: serving on {running.url}")
        script = "\n".join(["aikeys() { echo made-by-$1-$2; }", *lines, "env | grep -E '_(BASE_URL|API_KEY)=' | sort"])
        done = subprocess.run(
            ["sh", "-eu", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    token = "made-by-token-issue"
    assert done.stdout.splitlines() == [
        f"ANTHROPIC_API_KEY={token}",
        f"ANTHROPIC_BASE_URL={running.url}",
        f"GEMINI_API_KEY={token}",
        f"GOOGLE_GEMINI_BASE_URL={running.url}",
        f"OPENAI_API_KEY={token}",
        f"OPENAI_BASE_URL={running.url}/openai/v1",
    ]
    assert f"{running.url}/v1" in running.log


def test_nothing_to_copy_is_printed_where_the_address_is_taken(house: House) -> None:
    with gateway(house) as running:
        done = subprocess.run(
            [*running.process.args[:4], "--port", str(running.port)],  # type: ignore[index]
            env={"PATH": "/usr/bin:/bin", "AIKEYS_HOME": house.place.home, "HOME": str(house.folder)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "cannot listen" in done.stderr
    assert "export" not in done.stderr
