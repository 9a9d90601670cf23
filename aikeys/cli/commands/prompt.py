"""`aikeys prompt`: ask a model, and know what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.prompt_options import Attachments, Files, MaxTokens, NoStdin, System
from aikeys.errors import Usage

if TYPE_CHECKING:
    from aikeys.cli.asking import Typed
    from aikeys.cli.models import Shelf
    from aikeys.cli.prompt_replies import Replies
    from aikeys.cli.till import Till
    from aikeys.ledger.calls import Labels
    from aikeys.ledger.store import Ledger
    from aikeys.names import Label
    from aikeys.spending.authorise import Caller
    from aikeys.spending.blocking import Wish
    from aikeys.spending.names import Target
    from aikeys.vault.opening import Place

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

Several models are asked at the same time and shown one after the other; each has its own limit and entry, and the
worst failure is the exit status.

Every attempt is in the ledger with its cost, also one that failed. Ctrl-C lets the reply come to its end, so that its
cost is known; a second one stops it. SIGTERM (a CI job's time limit) and SIGHUP stop it at once, with status 143 or
129. What was spent is recorded.

The end of an attachment's address tells what it is: an image, or a PDF (fetched by Anthropic and by models of OpenAI's
responses API). Without a known end it is sent as an image.

config.toml can name models that stand in where one cannot answer: [fallbacks] "openai/gpt-4.1" = ["claude"];
and limits per minute for all who use this home: [limits] "key:openai" = 60, or "provider:openai" = { requests = 60,
tokens = 100000 }. Who reaches one waits up to 20 seconds, else status 32.

With AIKEYS_GATEWAY and AIKEYS_TOKEN, or after aikeys login, the gateway there asks the model: no vault is needed here,
and its ledger has the call. --usage says what a reply cost that was not streamed; of a streamed one only the tokens.
"""
_STATUSES = (0, 1, 2, 10, 11, 12, 13, 14, 20, 21, 22, 23, 30, 31, 32, 130)


@app.command(epilog=epilog(_EXAMPLES, _STATUSES, _NOTES))
def prompt(
    text: Annotated[
        str,
        typer.Argument(metavar="[TEXT]", help="The question, added after standard input; - is standard input alone."),
    ] = "",
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="MODEL", help="The model; several to compare.")
    ] = None,
    system: System = "",
    file: Files = None,
    attachment: Attachments = None,
    schema: Annotated[str, typer.Option(metavar="FILE", help="The JSON schema that the reply has to fit.")] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the model.")
    ] = None,
    max_tokens: MaxTokens = None,
    no_stdin: NoStdin = False,
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
    from aikeys.cli import asking, authority, models
    from aikeys.cli.around import Around
    from aikeys.cli.labels import labels, typed_labels
    from aikeys.money import parse_usd
    from aikeys.spending.blocking import Wish
    from aikeys.vault.opening import require_vault

    limit_pusd = parse_usd(max_cost) if max_cost else None
    typed = asking.Typed(
        text, system, tuple(file or ()), tuple(attachment or ()), schema, tuple(option or ()), max_tokens, no_stdin
    )
    is_held = as_json or no_stream or bool(schema) or _asks_for_several(typed)
    own = typed_labels({"team": team, "project": project, "environment": environment, "user": user}, ())
    gateway = authority.gateway()
    if gateway is not None:
        from aikeys.cli import remote_prompt

        if limit_pusd is not None:
            raise Usage("a gateway takes no --max-cost", "give --max-tokens, or use a token with a budget")
        wish = remote_prompt.Wish(typed, model, own, tuple(tag or ()), is_held, dry_run, as_json, usage)
        remote_prompt.run(gateway, wish)
        return
    where = home.place()
    require_vault(where)
    request = asking.request_of(typed, stream=not is_held)
    ledger = where.ledger
    shelf = models.shelf(where, models.rows_if_any(where, ledger))
    chosen = [models.targets(shelf, each, where) for each in models.wanted(model, shelf.settings)]
    around = Around(where.home)
    callers = [
        _caller(labels(own, tag or (), shelf.settings, models.labels_of(targets[0].key), around), own)
        for targets in chosen
    ]
    around.say_uncounted(callers[0].labels, ledger)
    jobs = [(Wish(caller, request, limit_pusd), targets) for caller, targets in zip(callers, chosen, strict=True)]
    if dry_run:
        _show(ledger, shelf, jobs, as_json=as_json)
        return
    _ask(where, ledger, shelf, _Task(jobs, as_json, usage))


def _caller(found: Labels, typed: dict[str, Label]) -> Caller:
    """Return who asks: with a token its labels stand, whatever the surroundings say; Denied where typed ones differ."""
    from aikeys.cli import authority
    from aikeys.spending.authorise import Caller, bound_labels
    from aikeys.spending.labels import labels_of, pairs_of

    who = authority.bearer()
    if who is None:
        return Caller(found, "prompt")
    own = dict(who.claims.labels)
    open_ones = {name: value for name, value in pairs_of(found).items() if name not in own}
    return Caller(labels_of(bound_labels(who.claims, {**open_ones, **typed})), "prompt", who.claims, who.above)


class _Task:
    """What is to be done, and how it is shown."""

    def __init__(self, jobs: list[tuple[Wish, list[Target]]], as_json: bool, usage: bool) -> None:
        self.jobs = jobs
        self.as_json = as_json
        self.usage = usage


def _asks_for_several(typed: Typed) -> bool:
    return any(each.startswith("n=") and each != "n=1" for each in typed.options)


def _show(ledger: Ledger, shelf: Shelf, jobs: list[tuple[Wish, list[Target]]], *, as_json: bool) -> None:
    from aikeys.cli.render import prompt_request
    from aikeys.spending.blocking import planned
    from aikeys.spending.io import Conditions

    plans = [planned(ledger, wish, targets[0], Conditions(shelf.book)) for wish, targets in jobs]
    terminal.out(prompt_request.as_json(plans) if as_json else prompt_request.as_text(plans))


def _ask(where: Place, ledger: Ledger, shelf: Shelf, task: _Task) -> None:
    from aikeys.cli.prompt_replies import Replies
    from aikeys.cli.till import Till

    opened = home.open_keys(where, data_on_stdin=True, ledger=ledger)
    replies = Replies(task.jobs[0][0].request, len(task.jobs), as_json=task.as_json, usage=task.usage)
    till = Till(where, ledger, shelf, opened)
    with till.open():
        if replies.is_one:
            _ask_one(till, replies, task)
        else:
            _ask_several(till, replies, task)
    replies.finish()


def _ask_one(till: Till, replies: Replies, task: _Task) -> None:
    from aikeys.spending.blocking import ask

    ((wish, targets),) = task.jobs
    with till.tools() as tools:
        with replies.of(targets[0]) as reply:
            reply.done(ask(tools, wish, targets, reply.take))
        if tools.interruption.count:
            reply.say_cost()
            raise tools.interruption.stopped()


def _ask_several(till: Till, replies: Replies, task: _Task) -> None:
    """All at once; each reply is shown when those before it are."""
    from aikeys.spending.side_by_side import Job, side_by_side

    jobs = [Job(wish, targets) for wish, targets in task.jobs]
    with side_by_side(jobs, till.strand_tools, till.interruption) as strands:
        for strand in strands:
            with replies.of(strand.target) as reply:
                spent = strand.follow(reply.take, terminal.say)
                if spent is not None:
                    reply.done(spent)
            if till.interruption.count:
                reply.say_cost()
    if till.interruption.count:
        raise till.interruption.stopped()
