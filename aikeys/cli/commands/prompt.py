"""`aikeys prompt`: ask a model, and know what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.prompts.options import Attachments, Files, MaxTokens, NoStdin, System

if TYPE_CHECKING:
    from aikeys.cli.prompts.request import PromptInput

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

The reply is checked against the schema of --schema where jsonschema is installed (pip install 'aikeys[schema]'), else
only for being JSON; one that does not fit is printed, and the exit status is 30. Nothing that a schema refers to is
fetched.

Several models are asked at the same time and shown one after the other; each has its own limit and entry, and the
worst failure is the exit status.

Every attempt is in the ledger with its cost, also one that failed. Ctrl-C lets the reply come to its end, so that its
cost is known; a second one stops it. SIGTERM (a CI job's time limit) and SIGHUP stop it immediately, with status 143 or
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
    from aikeys.cli.ports.asker import AskedPrompt
    from aikeys.cli.ports.choice import asker
    from aikeys.cli.prompts import request as prompt_request
    from aikeys.cli.prompts.labels import typed_labels
    from aikeys.money import parse_usd

    limit_pusd = parse_usd(max_cost) if max_cost else None
    typed = prompt_request.PromptInput(
        text, system, tuple(file or ()), tuple(attachment or ()), schema, tuple(option or ()), max_tokens, no_stdin
    )
    is_held = as_json or no_stream or bool(schema) or _asks_for_several(typed)
    own = typed_labels({"team": team, "project": project, "environment": environment, "user": user}, ())
    what = AskedPrompt(typed, tuple(model or ()), own, tuple(tag or ()), is_held, limit_pusd)
    if dry_run:
        terminal.out(asker().planned(what, as_json=as_json))
    else:
        asker().ask(what, as_json=as_json, usage=usage)


def _asks_for_several(typed: PromptInput) -> bool:
    return any(each.startswith("n=") and each != "n=1" for each in typed.options)
