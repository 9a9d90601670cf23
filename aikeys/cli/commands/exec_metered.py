"""`aikeys exec --metered`: a program gets a token in place of keys, and a gateway of its own counts what it spends.

The token is made in memory and dies with this process; the key never leaves it. What is lent, to which program and
within which limits is in the ledger before the program starts, and what it spent is said when it has ended.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.around import Around
from aikeys.cli.lent_keys import Chosen, chosen, lend_keys, opened_for, program_for, wanted_by, with_env_files
from aikeys.errors import AikeysError, BadConfiguration, UsageError
from aikeys.ledger import token_acts
from aikeys.ledger.store import Act, Writer
from aikeys.secret import hidden
from aikeys.storage.process_lock import ProcessLock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aikeys.budgets.refusals import BudgetExceeded
    from aikeys.cli.models import ModelIndex
    from aikeys.gateway.single_run import RefusalCounts, SingleRunGateway, SingleRunSetup, SingleRunToken
    from aikeys.ledger.questions import Figures
    from aikeys.ledger.store import Ledger
    from aikeys.lending.arguments import ExecArguments
    from aikeys.lending.environment import LentKey
    from aikeys.names import Label
    from aikeys.providers.catalogue import Provider
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.format import Key
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access


class _Open(NamedTuple):
    """What is open for a run: where, the ledger, the vault, its models, what stands around, the keys to lend."""

    where: Place
    ledger: Ledger
    opened: Opened | Access
    model_index: ModelIndex
    around: Around
    chosen: Chosen

    @property
    def keys(self) -> list[Key]:
        return self.chosen.keys


class _Start(NamedTuple):
    """What is to be started, and how."""

    program: str
    command: tuple[str, ...]
    env: Mapping[bytes, bytes]
    core_limit: tuple[int, int] | None


def run(arguments: ExecArguments) -> int:
    """Start the program, stand behind it, and return its exit status."""
    if sys.platform == "win32":
        raise UsageError("--metered is not available on Windows", "run aikeys gateway, and lend the program a token")
    from aikeys import own_memory

    core_limit = own_memory.protect()
    token_request = _token_request(arguments)
    arguments, plain = with_env_files(arguments)
    _when_unknown(arguments)
    program = program_for(arguments)
    where = home.place()
    ledger = where.ledger
    opened = opened_for(where, ledger, "exec --metered", arguments.names)
    around = Around(where.home)
    found = _Open(
        where, ledger, opened, _model_index(where), around, chosen(wanted_by(arguments), lambda: around, opened)
    )
    providers = _providers(found)
    lent = lend_keys(opened, found.keys)
    from aikeys.gateway.single_run import SingleRunGateway  # slow to load: what is refused is refused before

    lock = ProcessLock.take(where.ledger_directory)
    try:
        token = _token(found, token_request)
        gateway = SingleRunGateway(_means(found, token))
        env = _environment(arguments, found, _instead(lent, providers, gateway, token), plain)
        _clear_up(found)
        _record(found, token, arguments, lock.name)
        try:
            return _supervised(_Start(program, arguments.command, env, core_limit), gateway)
        finally:
            _end(found, token, gateway.refusals)
    finally:
        lock.close()


def _token_request(arguments: ExecArguments) -> TokenRequest:
    """Return what the options ask of the run's token; UsageError for a value that cannot be."""
    from aikeys.money import parse_usd
    from aikeys.tokens import patterns
    from aikeys.tokens.token_request import TokenRequest, check_token_request

    values = dict(arguments.limits)
    rpm = values.get("--rpm", "")
    if rpm and not (rpm.isascii() and rpm.isdigit() and len(rpm) < 10):
        raise UsageError(f"--rpm {terminal.printable(rpm)[:40]} is not a whole number", "write --rpm 60")
    token_request = TokenRequest(
        ttl_s=home.duration_s(values["--ttl"]) if "--ttl" in values else None,
        models=tuple(patterns.check_model(value) for option, value in arguments.limits if option == "--model"),
        budget_pusd=parse_usd(values["--budget"]) if "--budget" in values else None,
        rpm=int(rpm) if rpm else None,
    )
    check_token_request(token_request)
    return token_request


def _when_unknown(arguments: ExecArguments) -> str:
    """Return what an unknown end counts in the budget of the run; UsageError without such a budget."""
    from aikeys.budgets.terms import WORST, parse_when_unknown

    values = dict(arguments.limits)
    if "--when-unknown" in values and "--budget" not in values:
        raise UsageError("--when-unknown is for the budget of the run, and there is none", "add --budget USD")
    return parse_when_unknown(values.get("--when-unknown", WORST))


def _model_index(where: Place) -> ModelIndex:
    from aikeys.cli.models import model_index

    return model_index(where, None)


def _providers(found: _Open) -> dict[str, Provider]:
    """Return the provider of each key; UsageError for one whose calls cannot be led through a gateway."""
    from aikeys.lending import metered
    from aikeys.providers.catalogue import find

    providers = {key.name: find(found.model_index.catalogue, key.provider) for key in found.keys}
    for name, provider in providers.items():
        metered.address("", provider, name)
    metered.check_one_key_each(list(providers.items()))
    return providers


def _token(found: _Open, token_request: TokenRequest) -> SingleRunToken:
    """Make the token of this run, in memory: it is written nowhere, and carries no grant."""
    from aikeys.gateway.single_run import SingleRunToken
    from aikeys.lending.metered import run_claims
    from aikeys.secret import Secret
    from aikeys.tokens import credentials, text
    from aikeys.tokens.text import TokenText
    from aikeys.tokens.token_request import Identity

    header, holder = found.opened.rows.header, getattr(found.opened, "holder", None)
    token = TokenText(
        os.urandom(text.ID_BYTES), text.fingerprint(header.signing_public), Secret(os.urandom(text.SECRET_BYTES))
    )
    identity = Identity(
        header.vault_id, found.ledger.ledger_id, token.id, credentials.public_halves(token), clock.now_s()
    )
    keys = tuple(key.id.hex() for key in found.keys)
    claims = run_claims(
        token_request._replace(keys=keys, labels=_labels(found)), identity, holder.claims if holder else None
    )
    above = (holder.claims, *holder.above) if holder else ()
    return SingleRunToken(Secret(text.written(token).encode()), claims, above)


def _labels(found: _Open) -> tuple[tuple[str, Label], ...]:
    """Return for whom the run spends: the labels of config.toml, of the only key, of CI, git and the project's file."""
    from aikeys.cli.prompts.labels import labels
    from aikeys.spending.labels import pairs_of

    of_key = home.labels_of(found.keys[0].labels) if len(found.keys) == 1 else {}
    own = labels({}, (), found.model_index.settings, of_key, found.around)
    found.around.say_uncounted(own, found.ledger)
    return tuple(pairs_of(own).items())


def _means(found: _Open, token: SingleRunToken) -> SingleRunSetup:
    from aikeys.gateway.settings import Settings
    from aikeys.gateway.single_run import SingleRunSetup
    from aikeys.gateway.state import Knowledge

    model_index = found.model_index
    knowledge = Knowledge(model_index.settings, model_index.catalogue, model_index.book)
    settings = Settings(uses_proxy=found.model_index.settings.gateway_uses_proxy)
    return SingleRunSetup(found.where, found.opened, token, knowledge, settings, terminal.say)


def _instead(
    lent: list[LentKey], providers: dict[str, Provider], gateway: SingleRunGateway, token: SingleRunToken
) -> list[LentKey]:
    """Return what goes into the environment: the token where a key would be, and nothing of the key."""
    from aikeys.lending.metered import lent_instead

    return [lent_instead(key, providers[key.name], gateway.url, token.text) for key in lent]


def _environment(
    arguments: ExecArguments, found: _Open, instead: list[LentKey], plain: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    from aikeys.lending.environment import child_environment
    from aikeys.lending.metered import metered_environment

    child = child_environment(os.environb, instead, found.chosen.renamed, arguments.clean_env, plain)
    return metered_environment(child)


def _clear_up(found: _Open) -> None:
    """Book what dead processes left, and remove the budgets of runs that were killed."""
    from aikeys.budgets.recovery import recover
    from aikeys.budgets.run_budgets import end_those_of_the_dead
    from aikeys.cli import authority
    from aikeys.cli.prompts.session import tell_of_the_dead
    from aikeys.ledger.rollups import keep_tags

    booked = recover(found.ledger)
    if authority.sees_calls():
        tell_of_the_dead(booked)
    end_those_of_the_dead(found.ledger)
    keep_tags(found.ledger, found.model_index.settings.rolled_tags)


def _record(found: _Open, token: SingleRunToken, arguments: ExecArguments, process: str) -> None:
    """Write down the run, its token and its budget in one transaction; no entries, no token."""
    try:
        with found.ledger.writing() as writer:
            _announce(writer, found, token, arguments, process)
            signer = found.opened.signer()
            if signer is not None:
                writer.checkpoint(signer)
    except AikeysError as error:
        raise BadConfiguration(f"the run cannot be recorded, so nothing is lent: {error.message}", error.hint) from None


def _announce(writer: Writer, found: _Open, token: SingleRunToken, arguments: ExecArguments, process: str) -> None:
    from aikeys.budgets import run_budgets
    from aikeys.vault.tokens.issuing import issue_detail

    claims, holder = token.claims, getattr(found.opened, "holder", None)
    program = terminal.printable(hidden(os.path.basename(arguments.command[0])))
    detail = f"metered=yes lent={claims.shown_id} program={program}"  # reports count runs that do not begin so
    if holder is not None:
        detail += f" token={holder.shown_id}"
    writer.act(Act("exec", ",".join(key.name for key in found.keys), detail))
    user = dict(claims.labels).get("user", "")
    about = token_acts.run_detail(issue_detail(claims), process)
    writer.act(Act(token_acts.ISSUE, claims.shown_id, about, user))
    if claims.budget_pusd is not None:
        run_budgets.begin(writer, claims.shown_id, claims.budget_pusd, _when_unknown(arguments))


def _supervised(start: _Start, gateway: SingleRunGateway) -> int:
    """Serve as long as the program runs, and until what it asked for is settled; return its exit status."""
    from aikeys.lending.child import spawn_process
    from aikeys.lending.supervise import Supervisor

    supervisor = Supervisor()  # blocks signals before the first thread begins
    try:
        gateway.start()
        try:
            terminal.detail(f"meters {start.command[0]} at {gateway.url}")
            pid = spawn_process(start.program, start.command, start.env, start.core_limit, supervisor.mask)
            status = supervisor.wait_for(pid)
        finally:
            gateway.stop()
            supervisor.wait_until(gateway.is_over, gateway.hurry)
    finally:
        supervisor.leave()
    if gateway.failure is not None:
        terminal.warn(f"the gateway of this run failed: {type(gateway.failure).__name__}")
    return status


def _end(found: _Open, token: SingleRunToken, refusals: RefusalCounts) -> None:
    """Remove the run's budget, vouch for the ledger, and say what the run cost; the program's status stands."""
    from aikeys.budgets import run_budgets

    claims = token.claims
    try:
        with found.ledger.writing() as writer:
            if claims.budget_pusd is not None:
                run_budgets.end(writer, claims.shown_id)
            signer = found.opened.signer()
            if signer is not None:
                writer.checkpoint(signer)
        spent = _cost(found.ledger, claims.shown_id, claims.issued_at)
        terminal.say(f"metered: {'; '.join([spent, *_refused(found.ledger, refusals, claims.shown_id)])}")
    except AikeysError as error:
        terminal.warn(f"the end of the run is not recorded: {error.message}")
    finally:
        with suppress(AikeysError):
            found.ledger.close()


def _refused(ledger: Ledger, refusals: RefusalCounts, token: str) -> list[str]:
    """Return what was refused, and why: the run's budget in short, another one as far as whoever started it may know.

    Its client, which has the run's token, may have heard less.
    """
    from aikeys.cli.render.counted import counted
    from aikeys.money import shown_usd

    found = []
    for code, count in sorted(refusals.codes.items()):
        why, budget = code.replace("_", " "), refusals.budget
        if budget is not None and code == budget.code:
            its = f"the budget of {shown_usd(budget.room.limit_pusd)} does not allow {'it' if count == 1 else 'them'}"
            why = its if budget.room.who == f"token:{token}" else _budget_above(ledger, budget)
        found.append(f"{counted(count, 'request')} refused: {why}")
    return found


def _budget_above(ledger: Ledger, refusal: BudgetExceeded) -> str:
    from aikeys.budgets.refusals import exceeded
    from aikeys.budgets.store import shown_text
    from aikeys.cli import authority

    with ledger.reading() as connection:
        who = shown_text(connection, refusal.room.who)
    name = who if authority.sight().tells(who) else ""
    return exceeded(refusal.room, refusal.price, name, revoke=False).message


def _cost(ledger: Ledger, token: str, since_s: int) -> str:
    """Return what a run spent, and how that is known."""
    from aikeys.cli.render.counted import counted
    from aikeys.cli.render.report_words import HOW_SURE
    from aikeys.ledger.calendar import Calendar
    from aikeys.ledger.queries import reading
    from aikeys.ledger.questions import NONE, SumQuery
    from aikeys.money import shown_usd

    calendar = Calendar(ledger.zone)
    days = calendar.day_of(since_s * 1_000_000), calendar.day_of(clock.now_us()) + 1
    with reading(ledger) as books:
        cells = books.sums(SumQuery(("token",), (("token", (token,)),), *days, calendar)).cells
    by_source: dict[str, Figures] = {}
    total = NONE
    for (_, source), figures in cells.items():
        by_source[source] = by_source.get(source, NONE).plus(figures)
        total = total.plus(figures)
    if not total.requests:
        return "no requests"
    amount = shown_usd(total.cost_pusd)
    unpriced = by_source.get("unpriced", NONE).requests
    if unpriced:
        amount += f" without {counted(unpriced, 'request')} that {'has' if unpriced == 1 else 'have'} no full price"
    known = ", ".join(
        f"{figures.requests:,} {HOW_SURE[source]}" for source, figures in sorted(by_source.items()) if figures.requests
    )
    size = f"{counted(total.requests, 'request')}, {counted(total.input + total.output, 'token')}"
    return f"{size}, {amount} (how sure: {known})"
