"""`aikeys token issue`: a new token, by an open vault or by a token that may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.errors import UsageError
from aikeys.tokens.scopes import ROLES, SCOPES
from aikeys.tokens.token_request import PRESETS
from aikeys.tokens.visibility import left_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aikeys.cli.ports.tokens import TokensPort
    from aikeys.cli.render.token_rows import TokenRow
    from aikeys.names import Label
    from aikeys.tokens.claims import Claims
    from aikeys.tokens.token_request import Preset
    from aikeys.vault.tokens.issuing import Issued


def _rows(meanings: Mapping[str, str]) -> str:
    width = max(map(len, meanings))
    return "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in meanings.items())


def _preset_text(preset: Preset) -> str:
    return f"{left_text(preset.ttl_s, 0).removeprefix('in ')}: {' '.join(preset.scopes)}"


def _role_text(name: str) -> str:
    """Return a role's scopes, those of a developer in one word."""
    parts, inner = ROLES[name], ROLES["developer"]
    if name != "developer" and set(inner) < set(parts):
        return " ".join(["developer,", *(each for each in parts if each not in inner)])
    return " ".join(parts)


EXAMPLES = (
    ("TOKEN=$(aikeys token issue --scope env:read --key openai)", "an hour, one key, for aikeys exec anywhere"),
    (
        "aikeys token issue --for ci --key openai --name build | gh secret set AIKEYS_TOKEN",
        "30 days, never on a screen",
    ),
    ("aikeys token issue --for app --team support --model 'openai/*' --budget 50 --rpm 60", "through a gateway only"),
    ("AIKEYS_TOKEN=$TOKEN aikeys token issue --scope chat:write --ttl 10m", "a child of that token, never wider"),
)
NOTES = f"""\
\b
--for says what its holder usually needs:
{_rows({name: _preset_text(preset) for name, preset in PRESETS.items()})}

\b
Roles are sets of scopes; admin has all but {" and ".join(sorted(set(SCOPES) - set(ROLES["admin"])))}:
{_rows({name: _role_text(name) for name in ROLES if name != "admin"})}

\b
Scopes:
{_rows(SCOPES)}

Without --for, --role and --scope a token is a developer's, for an hour. A token with env:read opens its keys by itself:
AIKEYS_TOKEN is enough for aikeys exec on a machine that has a copy of vault.db. Any other opens nothing outside a
gateway. A budget, a rate or --once can only be counted where the token was issued: on a copy it is refused.

With usage:own and budget:own a token sees the calls and budgets of its own: itself, its children, its runs (exec
--metered) and its labels. A limit above it is shown as "a higher limit", with its state alone; nothing of anybody else
is shown. budget:write stays within its own labels and never raises what limits the token.

With AIKEYS_TOKEN set that token issues it: a child of it, which can do no more in anything and ends no later. What is
not given, a child takes over from its parent. --model takes provider/model, * for any run of characters.

With AIKEYS_GATEWAY, or after aikeys login, the gateway there issues it, as a child of your token.
"""
_LABELS = ("team", "project", "environment", "user")


def issue(
    name: Annotated[str, typer.Option("--name", metavar="N", help="What it is called in lists.")] = "",
    kind: Annotated[str, typer.Option("--for", metavar="person|app|ci|agent", help="Who will hold it.")] = "",
    ttl: Annotated[str, typer.Option("--ttl", metavar="1h", help="How long it is valid, such as 30m, 8h or 90d.")] = "",
    role: Annotated[
        str, typer.Option("--role", metavar="viewer|finance|developer|operator|admin", help="A set of scopes.")
    ] = "",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="S", help="What it may do; again for more.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="K", help="A key it is for; again for more; '*' for all.")
    ] = None,
    model: Annotated[list[str] | None, typer.Option("--model", metavar="M", help="A model it is for.")] = None,
    team: Annotated[str, typer.Option("--team", metavar="T", help="Label: team; nobody can change it.")] = "",
    project: Annotated[str, typer.Option("--project", metavar="P", help="Label: project.")] = "",
    environment: Annotated[str, typer.Option("--environment", metavar="E", help="Label: environment.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="U", help="Label: user.")] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A label of your own.")] = None,
    budget: Annotated[str, typer.Option("--budget", metavar="USD", help="The most it may spend in its life.")] = "",
    rpm: Annotated[int | None, typer.Option("--rpm", metavar="N", help="Requests per minute.")] = None,
    tpm: Annotated[int | None, typer.Option("--tpm", metavar="N", help="Tokens per minute.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Good for one use.")] = False,
    address: Annotated[
        list[str] | None, typer.Option("--address", metavar="CIDR", help="Where its holder may call a gateway from.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Issue a token: what is lent, to whom, for how long. It is printed alone on stdout, once, and kept nowhere."""
    from aikeys.cli.ports.choice import tokens
    from aikeys.money import parse_usd
    from aikeys.tokens import patterns
    from aikeys.tokens.token_request import TokenRequest, check_token_request

    token_request = TokenRequest(
        name=name,
        kind=kind,
        ttl_s=home.duration_s(ttl) if ttl else None,
        role=role,
        scopes=_scopes(role, scope or ()),
        keys=tuple(key or ()),
        models=tuple(patterns.check_model(each) for each in model or ()),
        labels=_labels({"team": team, "project": project, "environment": environment, "user": user}, tag or ()),
        addresses=tuple(patterns.check_address(each) for each in address or ()),
        budget_pusd=parse_usd(budget) if budget else None,
        rpm=rpm,
        tpm=tpm,
        is_once=once,
    )
    check_token_request(token_request)  # before anybody is asked for a passphrase
    port = tokens()
    issued = port.issue(token_request)
    try:
        _tell(issued.claims, issued.key_names)
        _print(issued, as_json=as_json)
        terminal.flush()
    except BaseException:  # a full disk, a closed pipe, Ctrl-C: nobody has it, so it may open nothing
        _take_back(port, issued.claims)
        raise


def _print(issued: Issued, *, as_json: bool) -> None:
    if as_json:
        from aikeys.cli.render import token_rows
        from aikeys.cli.render.json_text import document

        terminal.out(document("aikeys.token/1", token=issued.text, **token_rows.fields(_row(issued))))
    else:
        terminal.out(issued.text)


def _take_back(port: TokensPort, claims: Claims) -> None:
    """Revoke a token that could not be shown; where that fails, say how it is done."""
    from aikeys.errors import AikeysError

    try:
        port.take_back(claims)
    except AikeysError:
        way = f"aikeys token revoke {claims.shown_id}"
        terminal.warn(f"token {claims.shown_id} could not be shown, and is valid until it is revoked: {way}")
    else:
        terminal.say(f"token {claims.shown_id} could not be shown, and was revoked")


def _scopes(role: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes given; UsageError where one of them, or the role, is none."""
    from aikeys.tokens import scopes

    if role:
        scopes.of_role(role)
    return scopes.parse(given)


def _labels(own: dict[str, str], tags: Sequence[str]) -> tuple[tuple[str, Label], ...]:
    from aikeys.cli.prompts.labels import typed_labels

    for tag in tags:
        name = tag.partition("=")[0]
        if name in _LABELS:
            raise UsageError(f"{name} is not a tag but a label", f"give it as --{name}")
    return tuple(sorted(typed_labels(own, tags).items()))


def _row(issued: Issued) -> TokenRow:
    from aikeys.cli.render.token_rows import TokenRow

    return TokenRow(issued.claims, issued.key_names, "active", remaining_pusd=issued.claims.budget_pusd)


def _tell(claims: Claims, key_names: tuple[str, ...]) -> None:
    """Say on stderr what was issued; never the token itself."""
    from aikeys.cli.render import token_rows
    from aikeys.cli.tokens.register import named

    ends = f"{clock.rfc3339(claims.expires_at)} ({left_text(claims.expires_at, clock.now_s())})"
    terminal.say(f"token {named(claims)} is valid until {ends}; it is shown once")
    models = " ".join(claims.models) or token_rows.ALL
    terminal.say(f"scopes: {' '.join(claims.scopes)}; keys: {token_rows.keys_text(key_names)}; models: {models}")
    labels, limits = token_rows.labels_text(claims.labels), token_rows.limits_text(claims)
    further = [f"labels: {labels}"] * bool(labels) + [f"limits: {limits}"] * bool(limits)
    if further:
        terminal.say("; ".join(further))
    if claims.holds_raw_keys:
        if not key_names:
            terminal.warn("it opens no key")
        elif claims.models or claims.rpm is not None or claims.tpm is not None:
            terminal.warn(
                "its models and limits per minute hold at a gateway, for aikeys prompt and exec --metered: whoever "
                "takes the key itself, with env:read and a plain aikeys exec, is bound by neither"
            )
    elif claims.is_granted_keys:
        terminal.say("it works through a gateway only: for aikeys exec give --scope env:read")
