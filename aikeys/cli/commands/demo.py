"""`aikeys demo`: the whole story on a throw-away vault, with a provider of its own on loopback and no key of yours."""

from __future__ import annotations

import os
import random
import string
import tempfile
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app

if TYPE_CHECKING:
    from aikeys.cli.demo.provider import DemoProvider
    from aikeys.cli.demo.stage import Stage

app = new_app()
_EXAMPLES = (("aikeys demo", "watch it"), ("aikeys demo --keep", "and leave the vault and the ledger to play with"))
_NOTES = """
It starts a provider and a gateway on 127.0.0.1, at ports that are free, and ends both. Its prices are those of the
model it pretends to have. Nothing of this machine's keys, ledger or AIKEYS_ variables is used or touched.
"""
_AS_CLIENT = "OPENAI_BASE_URL=$GATEWAY/v1 OPENAI_API_KEY=$TOKEN"
_LIMIT_USD = "0.10"
_ALERT_S = 30.0


@app.command(epilog=epilog(_EXAMPLES, (0, 1, 2, 130), _NOTES))
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave vault and ledger there afterwards.")] = False,
) -> None:
    """See the whole of aikeys in seconds: keys, exec, prompt, a token, a gateway, a budget that stops a runaway loop.

    Then an alert, a report, the audit log and the proof that nothing was changed. Every command is shown and really
    run, in a throw-away home. The key is made up; nothing leaves this machine.
    """
    from aikeys.cli.demo.provider import DemoProvider
    from aikeys.cli.demo.stage import Stage, calm, interruptible

    with interruptible():
        folder = tempfile.mkdtemp(prefix="aikeys-demo-")
        passed = None
        try:
            stage = Stage(folder, os.environ)
            with DemoProvider(_made_up_key()) as provider:
                try:
                    passed = _tell(stage, provider)
                finally:
                    with calm():
                        stage.leave()
        finally:
            with calm():
                _clear_away(folder, is_kept=keep, is_whole=passed is not None)
        _sum_up(stage, provider, passed)
        _say_where(stage, folder, is_kept=keep)


def _tell(stage: Stage, provider: DemoProvider) -> int:
    """Tell the story; return how many calls the budget let the loop make."""
    _write_programs(stage.folder)
    stage.unspoken.append(provider.key)
    stage.variables["PROVIDER"] = provider.url
    stage.say(f"PROVIDER={provider.url} speaks OpenAI's language, and is the demo's own.")
    _keep_and_lend(stage, provider)
    _spend(stage)
    passed = _limit(stage, provider)
    _account(stage, provider)
    return passed


def _keep_and_lend(stage: Stage, provider: DemoProvider) -> None:
    stage.title("Keep: a vault that a key file opens, and a key, tried at its provider")
    stage.run("aikeys init --key-file key")
    stage.run("aikeys add openai --stdin --base-url $PROVIDER/v1", given=provider.key, says="accepts the key")
    stage.run("aikeys list", says="openai")
    stage.title("Lend: the key and its address for one program, and for nobody else")
    stage.run("aikeys exec openai -- python app.py", says=provider.key[-4:])


def _spend(stage: Stage) -> None:
    stage.title("Spend: a prompt, and what it cost")
    stage.run('aikeys prompt -m openai/gpt-4.1 --team demo --usage "Why is the build red?"', says="computed")
    stage.title("Lend for a while: a token for an application, and a gateway for it")
    stage.keep("TOKEN", "aikeys token issue --for app --name agent --team demo --ttl 1h")
    stage.variables["GATEWAY"] = stage.start("aikeys gateway --port 0", "gateway.log", r"serving on (http://\S+)")
    stage.say("An application of OpenAI's gets the gateway for an address, the token for a key:")
    stage.run(f"{_AS_CLIENT} python agent.py", says="x-aikeys-cost-usd")


def _limit(stage: Stage, provider: DemoProvider) -> int:
    stage.title("A budget, and somebody to tell")
    stage.run(f"aikeys budget set team:demo {_LIMIT_USD} --alert 80")
    stage.run("aikeys alert add ops --webhook $PROVIDER/alerts --on budget")
    stage.title("The same program goes mad: eight askers at once, without an end")
    before = provider.answered
    line = f"{_AS_CLIENT} python agent.py --forever"
    said = stage.run(line, status=1, says="402 budget_exceeded")
    passed = provider.answered - before
    if f"stopped after {passed} calls" not in said:
        raise stage.failure(line, f"counts other calls than the {passed} that the provider answered")
    stage.run("aikeys budget check team:demo --fail-on warning", status=24, says="warning")
    stage.title("The alert goes out")
    stage.run("aikeys alert deliver")
    if not provider.has_alert.wait(_ALERT_S):  # the gateway may be delivering it
        raise stage.failure("aikeys alert deliver", "did not reach the webhook")
    stage.say(f"The webhook got: {terminal.printable(provider.subjects[0])}")
    stage.title("A token is taken back, and is dead at the next call")
    stage.run("aikeys token revoke agent")
    stage.run(f"{_AS_CLIENT} python agent.py", status=1, says="401")
    stage.stop()
    return passed


def _account(stage: Stage, provider: DemoProvider) -> None:
    stage.title("Account: where the money went, who did what, and that nobody changed it")
    stage.run("aikeys report --by team,model", says=f"{provider.answered} requests")  # as many as the provider answered
    stage.run("aikeys audit", says="budget set")
    stage.run("aikeys ledger verify", says="are unchanged")


def _sum_up(stage: Stage, provider: DemoProvider, passed: int) -> None:
    stage.say(
        f"Demo finished: 1 key sealed and lent, 1 token issued and revoked, {provider.answered} calls metered to the "
        f"last 10⁻¹² USD, a runaway loop stopped after {passed} calls within its ${_LIMIT_USD}, 1 alert delivered, "
        "the ledger verified; neither the key nor the token was printed, and the provider never saw the token."
    )


def _say_where(stage: Stage, folder: str, *, is_kept: bool) -> None:
    if not is_kept:
        stage.say("The vault is gone again; to keep one to play with: aikeys demo --keep")
        return
    stage.say("The home is kept; the provider and the gateway have ended. Go on with:")
    terminal.out(f"  export AIKEYS_HOME={os.path.join(folder, 'home')}")
    for line in ("aikeys log", "aikeys report", "aikeys budget set team:demo 5", "aikeys --help"):
        terminal.out(f"  {line}")
    terminal.out(f"and in the end: rm -r {folder}")


def _write_programs(folder: str) -> None:
    from aikeys.cli.demo import programs

    for name, text in (("app.py", programs.APP), ("agent.py", programs.AGENT)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def _made_up_key() -> str:
    """Return a key of OpenAI's form that nobody ever issued."""
    halves = ("".join(random.choices(string.ascii_letters + string.digits, k=20)) for _ in range(2))  # noqa: S311
    return ("sk-{}T3Blbk" + "FJ{}").format(*halves)


def _clear_away(folder: str, *, is_kept: bool, is_whole: bool) -> None:
    import shutil

    if is_kept:
        if not is_whole:
            terminal.say(f"what there is of the demo is in {folder}")
        return
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.exists(folder):
        terminal.warn(f"{folder} could not be removed whole: delete it")
