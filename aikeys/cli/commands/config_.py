"""`aikeys config`: budgets, alerts, aliases and prices as one file for git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Cancelled, MachineFailed, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.ledger.store import Ledger
    from aikeys.policy.plan import PolicyChange
    from aikeys.vault.opening import Place

app = new_app()
_EXPORT = (("aikeys config export > policy.toml", "what holds now, for git"),)
_APPLY = (
    ("aikeys config apply policy.toml --dry-run", "show what would change, exit 0"),
    ("aikeys config apply policy.toml", "show it, ask, and change it"),
    ("git show main:policy.toml | aikeys --yes config apply -", "in a CI job"),
)
_NOTES = """\b
A policy file:
  schema = "aikeys.policy/1"
  [[budgets]]
  who = "team:support"
  usd = "200.00"
  period = "month"
  at_limit = "block"
  alerts = [80, 100]
  [aliases]
  fast = "openai/gpt-4.1-mini"

A section that is missing from the file (budgets, alerts, aliases, prices) stays as it is; what a section does not name
is removed. Secrets have no place in it: alerts name the keys that hold them. Budgets and alerts live in the ledger,
aliases and prices in config.toml, whose comments stay."""
_LARGEST = 1 << 20


@app.callback(epilog=epilog(_EXPORT, (3, 10, 13, 14, 20, 21)))
def config() -> None:
    """Export budgets, alerts, aliases and prices as one file, and apply such a file."""


@app.command(epilog=epilog(_EXPORT, (0, 10, 13, 14, 20, 21), _NOTES))
def export() -> None:
    """Print the policy that holds as TOML, always the same for the same policy."""
    from aikeys.policy.applying import holding
    from aikeys.policy.text import write

    where, ledger = _place()
    terminal.out(write(holding(ledger, where.home)).rstrip("\n"))


@app.command(epilog=epilog(_APPLY, (0, 1, 2, 3, 10, 13, 14, 20, 21), _NOTES))
def apply(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="The policy file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Make a policy hold: show what changes, ask, and change all of it or nothing. Audited."""
    from hashlib import sha256

    from aikeys.cli.render.counted import counted
    from aikeys.cli.render.json_text import document
    from aikeys.policy import applying, plan
    from aikeys.policy.text import read

    text = _text(file)
    where, ledger = _place()
    wanted = read(text, "the policy" if file == "-" else file)
    applying.check(wanted)
    changes = plan.changes(applying.holding(ledger, where.home), wanted)
    if as_json:
        terminal.out(document("aikeys.policy-plan/1", changes=[_known(change) for change in changes]))
    elif changes:
        terminal.out("\n".join(line for change in changes for line in change.lines))
    if not changes:
        terminal.say("nothing changes")
    elif not dry_run:
        if not terminal.confirm(f"make {counted(len(changes), 'change')}", data_on_stdin=file == "-"):
            raise Cancelled("nothing was changed")
        too_late = applying.apply(ledger, where.home, wanted, changes, sha256(text.encode()).hexdigest())
        terminal.say(f"applied: {plan.spoken(changes)}")
        for said in too_late:
            terminal.warn(said)


def _known(change: PolicyChange) -> dict[str, object]:
    name = change.name[0] if change.section == "budgets" else change.name
    more = {"period": change.name[1]} if change.section == "budgets" else {}
    return {"section": change.section, "name": name, **more, "action": change.action, "lines": change.lines}


def _text(file: str) -> str:
    try:
        if file == "-":
            data = terminal.read_stdin_secret()
        else:
            with open(file, "rb") as stream:
                data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {terminal.printable(file)}", "make one: aikeys config export") from None
    except OSError as error:
        raise MachineFailed(f"{terminal.printable(file)} cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{terminal.printable(file)} is larger than 1 MiB", "a policy holds settings only")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{terminal.printable(file)} is not UTF-8 text", "see: aikeys config export") from None


def _place() -> tuple[Place, Ledger]:
    return home.place(), home.present_ledger()
