"""`aikeys estimate`: what a prompt would cost, before it is sent and without sending anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.prompts.options import Attachments, Files, MaxTokens, NoStdin, System
from aikeys.errors import CannotDecide

if TYPE_CHECKING:
    from aikeys.providers.wire.values import Request
    from aikeys.spending.names import Target

app = new_app()
_EXAMPLES = (
    ('aikeys estimate -m openai/gpt-4.1 -m claude "Why is the sky blue?"', "two models side by side"),
    ("aikeys estimate -m gemini -f report.txt --max-tokens 500 --json", "for a script"),
)
_NOTES = """
Tokens are counted as one for four bytes: low is the input alone, expected is with --output tokens of reply, worst is
what is set aside under a budget: a token for every byte, the most expensive tier, the largest reply.
Nothing is sent and no
key is opened. A model without a price is unknown, not free, and ends with status 23.
"""


class Estimated(NamedTuple):
    """Low, expected and worst cost in pico-USD, None where it is unknown; and the tokens they stand for."""

    model: str
    input_tokens: int
    output_tokens: int
    worst_input_tokens: int
    worst_output_tokens: int
    low_pusd: int | None
    expected_pusd: int | None
    worst_pusd: int | None
    why: str
    price: str


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 10, 13, 14, 21, 23), _NOTES))
def estimate(
    text: Annotated[
        str,
        typer.Argument(metavar="[TEXT]", help="The question, added after standard input; - is standard input alone."),
    ] = "",
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", metavar="MODEL", help="Which model; several to compare.")
    ] = None,
    system: System = "",
    file: Files = None,
    attachment: Attachments = None,
    max_tokens: MaxTokens = None,
    no_stdin: NoStdin = False,
    output: Annotated[int, typer.Option(min=0, metavar="N", help="How many tokens of reply to expect.")] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a prompt would cost: low, expected and worst, for each model. Offline."""
    from aikeys.cli import models
    from aikeys.cli.prompts import request as prompt_request
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    where = home.place()
    model_index = models.model_index(where, models.rows_if_any(where))
    typed = prompt_request.PromptInput(
        text, system, tuple(file or ()), tuple(attachment or ()), max_tokens=max_tokens, no_stdin=no_stdin
    )
    request = prompt_request.request_of(typed, stream=False)
    targets = [model_index.names.priced(name) for name in models.wanted(model or (), model_index.settings)]
    found = [_estimated(target, request, min(output, max_tokens or output)) for target in targets]
    if as_json:
        terminal.out(document("aikeys.estimate/1", estimates=[_known(one) for one in found]))
    else:
        lines = [
            [
                one.model,
                f"{one.input_tokens:,}",
                *map(_shown, (one.low_pusd, one.expected_pusd, one.worst_pusd)),
                one.why,
            ]
            for one in found
        ]
        terminal.out_styled(table(("MODEL", "TOKENS IN", "LOW", "EXPECTED", "WORST", "WHY UNKNOWN"), lines))
    unknown = [target for target, one in zip(targets, found, strict=True) if one.expected_pusd is None]
    if unknown:
        near = [each for target in unknown for each in model_index.book.nearest(target.provider.name, target.model)]
        meant = f"did you mean {' or '.join(dict.fromkeys(near[:3]))}? else " if near else ""
        raise CannotDecide(
            f"no price is known of {', '.join(map(str, unknown))}",
            f"{meant}set your own in config.toml: [prices], see aikeys prices show --help",
        )


def _estimated(target: Target, request: Request, output_tokens: int) -> Estimated:
    from aikeys.pricing.cost import cost
    from aikeys.pricing.worst_case import worst_case
    from aikeys.providers.usage import Usage
    from aikeys.providers.wire.values import Text
    from aikeys.spending.order import metered
    from aikeys.spending.plan import Circumstances, estimated_input_tokens

    now_us = clock.now_us()
    dialect = target.provider.dialect().of_model(target.model)
    price = target.found.price if target.found and target.found.price.is_known else None
    found = metered(request._replace(model=target.model), dialect, price, Circumstances(now_us, now_us))
    bounds = found.bounds
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, Text))
    said = bounds._replace(text_tokens=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts))
    tokens = estimated_input_tokens(said, dialect.provider)
    if price is None:
        return Estimated(str(target), tokens, output_tokens, 0, 0, None, None, None, "no price", "")
    worst = worst_case(price, bounds)
    output_tokens = min(output_tokens, price.max_output or output_tokens)
    low, expected = (
        cost(price, Usage(input=tokens, output=count), at_us=now_us).cost_pusd for count in (0, output_tokens)
    )
    why = "; ".join(worst.undecided)
    if target.found and not target.found.is_certain:
        why = "; ".join(filter(None, ("a price of a model of a similar name", why)))
    return Estimated(
        str(target), tokens, output_tokens, worst.input_tokens, worst.output_tokens,
        low, expected, None if worst.undecided else max(worst.cost_pusd, expected), why, price.reference,
    )  # fmt: skip


def _shown(pusd: int | None) -> str:
    from aikeys.money import shown_usd

    return "unknown" if pusd is None else shown_usd(pusd)


def _known(one: Estimated) -> dict[str, object]:
    from aikeys.money import usd_text

    def usd(pusd: int | None) -> str | None:
        return None if pusd is None else usd_text(pusd)

    return {
        "model": one.model,
        "input_tokens": one.input_tokens,
        "output_tokens": one.output_tokens,
        "worst_input_tokens": one.worst_input_tokens or None,
        "worst_output_tokens": one.worst_output_tokens or None,
        "low_usd": usd(one.low_pusd),
        "expected_usd": usd(one.expected_pusd),
        "worst_usd": usd(one.worst_pusd),
        "why": one.why or None,
        "price": one.price or None,
    }
