"""`aikeys prompt`: ask a model, and know what it cost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aikeys.cli.asking import Typed
    from aikeys.cli.models import Shelf
    from aikeys.ledger.store import Ledger
    from aikeys.secret import Secret
    from aikeys.spending.attempt import Asked, Tools
    from aikeys.spending.authorise import Caller
    from aikeys.spending.interruption import Interruption
    from aikeys.spending.names import Held, Target
    from aikeys.vault.opening import Opened, Place

app = new_app()
_EXAMPLES = (
    ('aikeys prompt -m claude "What does exit status 141 mean?"', "the reply as it comes"),
    ('git diff | aikeys prompt -m openai/gpt-4.1 -s "Write a commit message" --usage', "piped in; its cost on stderr"),
    ("aikeys prompt -m gemini -a photo.jpg --schema plant.json 'Which plant?'", "a reply that fits a JSON schema"),
    ("aikeys prompt -m gpt-4.1 -m claude --max-cost 0.05 'Name a colour'", "two models, neither beyond 5 cents"),
)
_NOTES = """
MODEL is provider/model, key-name/model, an alias (gpt-4.1, claude, gemini, deepseek, or one of config.toml), or a bare
name that one provider alone has which you hold a key for. -o takes temperature, top_p, stop (again for more), seed, n,
effort and max_tokens. What a provider does not take is refused before anything is sent.

Every attempt is in the ledger with its cost, also one that failed. Ctrl-C lets the reply come to its end, so that its
cost is known; a second one stops it.

config.toml can name models that stand in where one cannot answer: [fallbacks] "openai/gpt-4.1" = ["claude"].
"""
_STATUSES = (0, 1, 2, 10, 11, 12, 13, 14, 20, 22, 23, 30, 31, 32, 130)


@app.command(epilog=epilog(_EXAMPLES, _STATUSES, _NOTES))
def prompt(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What to ask; goes behind what is piped in.")] = "",
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="MODEL", help="Whom to ask; several to compare.")
    ] = None,
    system: Annotated[str, typer.Option("--system", "-s", metavar="TEXT", help="The system prompt.")] = "",
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="FILE", help="A text to put in front.")
    ] = None,
    attachment: Annotated[
        list[str] | None, typer.Option("--attachment", "-a", metavar="FILE|URL", help="An image, a PDF or a recording.")
    ] = None,
    schema: Annotated[str, typer.Option(metavar="FILE", help="The JSON schema that the reply has to fit.")] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the model.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, metavar="N", help="The most output, in tokens.")
    ] = None,
    max_cost: Annotated[str, typer.Option("--max-cost", metavar="USD", help="The most that each model may cost.")] = "",
    team: Annotated[str, typer.Option(metavar="T", help="Label: team.")] = "",
    project: Annotated[str, typer.Option(metavar="P", help="Label: project.")] = "",
    environment: Annotated[str, typer.Option(metavar="E", help="Label: environment.")] = "",
    user: Annotated[str, typer.Option(metavar="U", help="Label: user.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A label of your own.")] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Print the reply when it is whole.")] = False,
    usage: Annotated[bool, typer.Option("--usage", help="Say tokens, cost and time on stderr.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a model, with the vault's key; what it cost is in the ledger, exactly."""
    from aikeys.cli import asking, models
    from aikeys.cli.labels import labels
    from aikeys.money import parse_usd
    from aikeys.spending.attempt import Asked
    from aikeys.spending.authorise import Caller
    from aikeys.spending.spend import targets_of

    where = home.place()
    where.vault.require()
    limit_pusd = parse_usd(max_cost) if max_cost else None
    typed = asking.Typed(
        text, system, tuple(file or ()), tuple(attachment or ()), schema, tuple(option or ()), max_tokens
    )
    is_held = as_json or no_stream or bool(schema) or _asks_for_several(typed)
    asked = Asked(asking.request_of(typed, stream=not is_held), limit_pusd)
    ledger = where.ledger
    shelf = models.shelf(where, models.rows_if_any(where, ledger))
    chosen = [targets_of(shelf.names, each, shelf.settings.fallbacks) for each in models.wanted(model, shelf.settings)]
    own = {"team": team, "project": project, "environment": environment, "user": user}
    callers = [
        Caller(labels(own, tag or (), shelf.settings, models.labels_of(targets[0].key)), "prompt") for targets in chosen
    ]
    jobs = list(zip(callers, chosen, strict=True))
    if dry_run:
        _show(ledger, asked, jobs, as_json=as_json)
        return
    _ask(where, ledger, shelf, _Wish(asked, jobs, as_json, usage))


class _Wish:
    """What is to be done, and how it is shown."""

    def __init__(self, asked: Asked, jobs: list[tuple[Caller, list[Target]]], as_json: bool, usage: bool) -> None:
        self.asked = asked
        self.jobs = jobs
        self.as_json = as_json
        self.usage = usage


def _asks_for_several(typed: Typed) -> bool:
    return any(each.startswith("n=") and each != "n=1" for each in typed.options)


def _show(ledger: Ledger, asked: Asked, jobs: list[tuple[Caller, list[Target]]], *, as_json: bool) -> None:
    from aikeys.cli.render import prompt_request
    from aikeys.providers.transport import Timeouts
    from aikeys.spending.attempt import planned

    plans = [planned(ledger, caller, asked, targets[0], Timeouts().total_s) for caller, targets in jobs]
    terminal.out(prompt_request.as_json(plans) if as_json else prompt_request.as_text(plans))


def _ask(where: Place, ledger: Ledger, shelf: Shelf, wish: _Wish) -> None:
    from aikeys.cli.prompt_replies import Replies
    from aikeys.spending.spend import spend

    opened = home.unlock(where, data_on_stdin=True, ledger=ledger).opened
    replies = Replies(wish.asked.request, len(wish.jobs), as_json=wish.as_json, usage=wish.usage)
    with _tools(where, ledger, shelf, opened) as tools:
        for caller, targets in wish.jobs:
            with replies.of(targets[0]) as reply:
                reply.done(spend(tools, caller, wish.asked, targets, reply.take))
            if tools.interruption.count:
                reply.say_cost()
                raise KeyboardInterrupt
    replies.finish()


@contextmanager
def _tools(where: Place, ledger: Ledger, shelf: Shelf, opened: Opened) -> Iterator[Tools]:
    """Yield what spending works with; afterwards everything is let go and the ledger vouched for."""
    import signal

    from aikeys.budgets.desk import PATIENT, Desk
    from aikeys.budgets.recovery import recover
    from aikeys.providers.transport import HttpxTransport
    from aikeys.spending.attempt import Settings, Tools
    from aikeys.storage import ballast

    def secret_of(held: Held) -> Secret:
        from aikeys.secret import Secret
        from aikeys.vault.names import exact_key

        return Secret(opened.content(exact_key(opened.rows, held.name)).secret)

    _tell_of_the_dead(recover(ledger))
    interruption = _interruption()
    before = signal.signal(signal.SIGINT, interruption.on_signal)
    desk = Desk(ledger, PATIENT._replace(sleep_s=interruption.sleep))
    transport = HttpxTransport()
    settings = Settings(make_room=lambda: ballast.drop(where.home), say=terminal.say)
    try:
        yield Tools(desk, transport, shelf.book, secret_of, interruption, settings)
    finally:
        transport.close()
        with interruption.busy():
            _vouch(ledger, opened)
            desk.close()
            ballast.load(where.home)
        signal.signal(signal.SIGINT, before)


def _interruption() -> Interruption:
    from aikeys.spending.interruption import Interruption

    def say() -> None:
        terminal.note_in_handler("reading the reply to its end, so that its cost is known; Ctrl-C again stops it")

    return Interruption(say)


def _vouch(ledger: Ledger, opened: Opened) -> None:
    """Sign the ledger up to here; a disk without room for that is no failure of the prompt."""
    from contextlib import suppress

    from aikeys.errors import MachineFailed

    with suppress(MachineFailed), ledger.writing() as writer:
        writer.checkpoint(opened.signer())


def _tell_of_the_dead(entries: tuple[int, ...]) -> None:
    for entry in entries:
        terminal.warn(
            f"a call was under way when its process ended: entry {entry} holds its worst case "
            f"(aikeys log {entry}; correct it: aikeys ledger resolve {entry} --cost USD)"
        )
