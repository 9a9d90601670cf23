"""`aikeys budget`: limits on spending, and the check a CI job acts on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.cli.lost_calls import warn_of_lost_ledger
from aikeys.errors import AikeysError, CannotDecide, MachineFailed, UsageError

if TYPE_CHECKING:
    from aikeys.budgets.check import BudgetState
    from aikeys.budgets.terms import Terms
    from aikeys.budgets.who import Who
    from aikeys.ledger.store import Ledger

app = new_app()
FORMATS = ("table", "json", "markdown", "github")
_SET = (
    ("aikeys budget set team:support 200", "200 USD a month; the call that does not fit is refused"),
    ("aikeys budget set 'team:*' 50 --period week", "every team without a weekly budget of its own"),
    ("aikeys budget set org 1000 --alert 50,80,100 --at-limit warn", "tell, and let calls go on"),
    ("aikeys budget set token:build 5 --period total --at-limit revoke", "5 USD once, then the token is dead"),
    ("aikeys budget set team:labs 300 --when-unknown estimate", "soft (≈): a reply broken off counts as estimated"),
)
_CHECK = (
    ("aikeys budget check", "all budgets"),
    ("aikeys budget check team:support --fail-on warning", "exit 24 when the lowest threshold is reached"),
    ("aikeys budget check --max-unpriced 5 --json", "exit 23 when over 5 % of the requests have no price"),
)
_RECIPES = """\b
GitHub Actions, on a runner that has the ledger (AIKEYS_LEDGER names its directory):
  - id: budget
    run: aikeys budget check team:support --fail-on warning --format github
    env:
      AIKEYS_LEDGER: ${{ github.workspace }}/ledger
  - if: always()
    run: echo "left: ${{ steps.budget.outputs.remaining_usd }} USD"

\b
The same against a gateway, without a ledger here: AIKEYS_GATEWAY and a token (--for ci)
    env:
      AIKEYS_GATEWAY: https://aikeys.example.com
      AIKEYS_TOKEN: ${{ secrets.AIKEYS_TOKEN }}

\b
GitLab CI, a job that may warn (24) and must not pass when nothing is known (23):
  budget:
    script: aikeys budget check --fail-on warning --max-unpriced 5
    allow_failure:
      exit_codes: [24]

\b
With a token whose scope is budget:own (--for ci) the check is about the budgets of that token, its children and its
labels. What limits it from above is one line, a higher limit, with its state alone; budgets of others are not there,
and no reason to fail. Where no budget limits the token, the line is the token itself.

The format github writes an annotation for each budget that is not ok, a table to the step's summary, and state,
spent_usd and remaining_usd of the budget that decides (of the worst state the fullest) to the step's outputs."""
_WHO = (
    "WHO is org, team:support, project:x, environment:prod, user:ana, key:openai or token:ID (its id, the beginning of "
    "it, or its name). team:* stands for each team without a budget of its own over the same period; so do project:*, "
    "environment:*, user:*, key:* and token:*. A name of an old ledger that could not be given any more is written as "
    "JSON: 'team:\"*\"'; budget list shows it so."
)


class _Warned(AikeysError):
    code = "budget_warning"
    exit_status = 24


class _Exceeded(AikeysError):
    code = "budget_exceeded"
    exit_status = 22


@app.callback(epilog=epilog(_SET[:1], (10, 13, 14, 20, 21, 22, 23, 24, 31)))
def budget() -> None:
    """Set, list, remove and check limits on spending."""


@app.command("set", epilog=epilog(_SET, (0, 1, 2, 10, 13, 14, 20, 21), _WHO))
def set_(
    who: Annotated[str, typer.Argument(metavar="WHO", help="Whose spending is limited.")],
    usd: Annotated[
        str, typer.Argument(metavar="USD", help="The limit, such as 200 or 0.50; 0 lets free models through.")
    ],
    period: Annotated[str, typer.Option(metavar="day|week|month|total", help="Over which time.")] = "month",
    alert: Annotated[
        str | None,
        typer.Option("--alert", metavar="PERCENT,…", help="At which percents to tell (default: 80,100); '' for never."),
    ] = None,
    at_limit: Annotated[
        str | None,
        typer.Option(
            metavar="block|warn|revoke",
            help="Refuse calls (default), only tell, or refuse and revoke the token.",
        ),
    ] = None,
    when_unknown: Annotated[
        str | None,
        typer.Option(
            metavar="worst|estimate",
            help="What a stream counts that the provider broke off: the most it can cost (default), or an estimate.",
        ),
    ] = None,
) -> None:
    """Set a budget, in the place of one over the same period. Days begin in the ledger's time zone.

    Setting it again changes it; --alert, --at-limit and --when-unknown stay as they were where they are not given. What
    was spent already counts, and so does what calls under way have reserved. Those that it comes too late for are
    named: they may cost more than is left, or nothing bounds what they cost.

    With --when-unknown estimate a budget is soft: more may be spent than is counted, so its limit is shown as ≈. The
    estimate counts only where the provider broke a stream off, nothing of the reply was hidden (reasoning, tools at the
    provider), and every blocking budget that applies says so. What may be missing is kept, and shown; it is at most
    20 % of the limit, beyond that the most that a call can cost counts again.
    """
    from aikeys.budgets.changes import present_terms, set_budget
    from aikeys.budgets.late import told
    from aikeys.budgets.terms import Terms, parse_alerts, parse_at_limit, parse_period, parse_when_unknown
    from aikeys.cli.budget_rights import rights
    from aikeys.cli.whom import whom
    from aikeys.ledger.calendar import Calendar
    from aikeys.money import parse_usd

    wanted = Terms(parse_usd(usd), parse_period(period))
    given: dict[str, Any] = {} if at_limit is None else {"at_limit": parse_at_limit(at_limit)}
    if when_unknown is not None:
        given["when_unknown"] = parse_when_unknown(when_unknown)
    if alert is not None:
        given["alerts"] = parse_alerts(alert)
    ledger = _ledger()
    limited, allowed = whom(who, ledger), rights(ledger)
    with ledger.writing() as writer:
        before = present_terms(writer.connection, limited, wanted.period)
        terms = (before or wanted)._replace(limit_pusd=wanted.limit_pusd, **given)
        allowed.require_set(writer, limited, terms)
        budget = set_budget(writer, limited, terms)
        day = Calendar(ledger.zone).day_of(writer.now_us)
        too_late = told(writer.connection, [budget], day, names_them=True)
    if not allowed.tells(limited):
        terminal.say(f"{limited}: {_terms(terms)}")
        return
    replaced = f"{_terms(before)} -> " if before not in (None, terms) else ""
    terminal.say(f"{limited}: {replaced}{_terms(terms)}")
    for _, said in too_late:
        terminal.warn(said)
    _say_if_unused(ledger, limited)


@app.command(
    "list", epilog=epilog((("aikeys budget list", "all budgets and how full they are"),), (0, 10, 13, 14, 20, 21, 31))
)
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the budgets and how full they are."""
    from aikeys.cli.ports.budgets import budgets
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.reports.records import lost_ledger

    source = budgets()
    rows, zone, lost_us = source.listed()
    if as_json:
        terminal.out(document("aikeys.budgets/1", budgets=rows, time_zone=zone, **lost_ledger(lost_us)))
        return
    warn_of_lost_ledger(lost_us)
    if not rows:
        none = "no budgets yet; set one: aikeys budget set org 100"
        terminal.say(none if source.shows_all() else "no budgets that this token may see")
        return
    lines = [
        [
            str(row["who"]),
            _limit(row),
            str(row["period"] or ""),
            str(row["period_start"] or ""),
            _shown(row["spent_usd"], is_least=bool(row.get("unpriced_requests"))),
            str(row["at_limit"] or ""),
            ",".join(map(str, row["alerts"])) if isinstance(row["alerts"], list) else "",
            "" if row["period"] else str(row["state"]),  # of a higher limit nothing else is told
        ]
        for row in rows
    ]
    headers = ("BUDGET OF", "LIMIT", "PERIOD", "SINCE", "SPENT", "AT LIMIT", "ALERTS AT %", "STATE")
    width = len(headers) - all(row["period"] for row in rows)
    terminal.out_styled(table(headers[:width], [line[:width] for line in lines]))
    for row in rows:
        _say_doubt(row)


def _limit(row: dict[str, object]) -> str:
    """Return a limit: one that an unknown end may pass is marked."""
    from aikeys.budgets.decisions import BLOCKING
    from aikeys.budgets.terms import ESTIMATE

    limit = _shown(row["limit_usd"])
    return f"≈ {limit}" if row.get("when_unknown") == ESTIMATE and row["at_limit"] in BLOCKING else limit


def _say_doubt(row: dict[str, object]) -> None:
    """Say what may be missing in what is spent."""
    from aikeys.budgets.check import soft_note
    from aikeys.money import read_usd

    doubt = row.get("doubt_usd")
    if isinstance(doubt, str) and read_usd(doubt) > 0:
        terminal.say(soft_note(str(row["who"]), read_usd(doubt)))


def _shown(usd: object, *, is_least: bool = False) -> str:
    """Return an amount of a record for a person."""
    from aikeys.money import least_usd, read_usd, shown_usd

    if not isinstance(usd, str):
        return ""
    return least_usd(read_usd(usd)) if is_least else shown_usd(read_usd(usd))


@app.command(
    epilog=epilog((("aikeys budget remove team:support", "no limit any more"),), (0, 1, 2, 10, 13, 14, 20, 21))
)
def remove(
    who: Annotated[str, typer.Argument(metavar="WHO", help="Whose budget.")],
    period: Annotated[
        str | None, typer.Option(metavar="day|week|month|total", help="Which one, where there are several.")
    ] = None,
) -> None:
    """Remove a budget. What was spent stays in the ledger."""
    from aikeys.budgets.changes import remove_budget
    from aikeys.budgets.terms import parse_period
    from aikeys.cli.budget_rights import rights
    from aikeys.cli.whom import whom_as_stored

    chosen = parse_period(period) if period else None
    ledger = _ledger()
    who, allowed = whom_as_stored(who, ledger), rights(ledger)
    with ledger.writing() as writer:
        allowed.require_remove(writer, who, chosen)
        removed = remove_budget(writer, who, chosen)
    was = f" ({_terms(removed.terms)})" if allowed.tells_text(who) else ""
    terminal.say(f"{who} has no budget any more{was}")


@app.command(epilog=epilog(_CHECK, (0, 1, 2, 13, 14, 20, 21, 22, 23, 24, 31), _RECIPES))
def check(
    who: Annotated[list[str] | None, typer.Argument(metavar="[WHO]...", help="Whose budgets (default: all).")] = None,
    fail_on: Annotated[str, typer.Option(metavar="warning|exceeded", help="From which state on to fail.")] = "exceeded",
    max_unpriced: Annotated[
        str | None, typer.Option(metavar="PCT", help="With more requests than this without a price nothing is decided.")
    ] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="|".join(FORMATS), help="How to print.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Check that budgets are kept, for a CI job to act on. Needs the ledger and no vault.

    A state is ok, warning (the lowest threshold is reached), exceeded (nothing is left) or undecided: without a ledger,
    without a budget, or with too many unpriced requests nothing is ever ok.
    """
    from aikeys.budgets.check import parse_percent, worst_of
    from aikeys.cli.ports.budgets import budgets

    form = _format(format, as_json=as_json)
    if fail_on not in ("warning", "exceeded"):
        raise UsageError(f"--fail-on {terminal.printable(fail_on)} is not known", "warning or exceeded")
    share = None if max_unpriced is None else parse_percent(max_unpriced)
    states, notes = budgets().checked(who or (), share)
    state = worst_of(one.state for one in states)
    _print(form, states, state, notes)
    _fail(states, state, fail_on, notes)


def _print(form: str, states: list[BudgetState], state: str, notes: list[str]) -> None:
    from aikeys.cli.render import budget_states
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table
    from aikeys.reports.records import budget_state

    match form:
        case "json":
            rows = [budget_state(one) for one in states]
            terminal.out(document("aikeys.budget-check/1", state=state, budgets=rows, notes=notes))
        case "markdown":
            terminal.out(budget_states.markdown(states, state, notes))
        case "github":
            _print_for_github(states, state, notes)
        case _ if states:
            rows_of_cells = [budget_states.cells(one) for one in states]
            terminal.out_styled(table(budget_states.HEADERS, rows_of_cells))
            for note in notes:
                terminal.say(note)


def _print_for_github(states: list[BudgetState], state: str, notes: list[str]) -> None:
    from aikeys.budgets.check import tightest
    from aikeys.cli.render import budget_states

    lines = budget_states.commands_of(states)
    if not states:
        lines = [budget_states.annotation("error", "AI budgets undecided", notes[0])]
    else:
        lines += [budget_states.sentence(one) for one in states if one.state == "ok"]
        lines += [budget_states.annotation("notice", "AI budgets", note) for note in notes]
    terminal.out("\n".join(lines))
    _append("GITHUB_STEP_SUMMARY", budget_states.markdown(states, state, notes) + "\n")
    _append("GITHUB_OUTPUT", budget_states.outputs(state, tightest(states)))


def _append(variable: str, text: str) -> None:
    """Append to a file that GitHub names in a variable."""
    path = os.environ.get(variable, "")
    if not path:
        terminal.say(f"{variable} is not set: not a GitHub step?")
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MachineFailed(f"cannot write {path} ({variable}): {error.strerror}") from None


def _fail(states: list[BudgetState], state: str, fail_on: str, notes: list[str]) -> None:
    """Raise what becomes the exit status; the budget that decides is named."""
    from aikeys.budgets.check import tightest
    from aikeys.cli.render.budget_states import sentence, way_out

    decides = tightest(states)
    said = sentence(decides) if decides else notes[0]
    match state:
        case "exceeded":
            raise _Exceeded(said, f"aikeys report --by model,project says on what{_more(states, state)}")
        case "undecided":
            raise CannotDecide(said, way_out(decides))
        case "warning" if fail_on == "warning":
            raise _Warned(said, f"aikeys report --by model,project says on what{_more(states, state)}")


def _more(states: list[BudgetState], state: str) -> str:
    others = sum(one.state == state for one in states) - 1
    return f"; {others} more {'is' if others == 1 else 'are'} {state}" if others else ""


def _format(form: str | None, *, as_json: bool) -> str:
    if as_json and form not in (None, "json"):
        raise UsageError(
            f"--json and --format {terminal.printable(form or '')} contradict each other", "give one of them"
        )
    chosen = "json" if as_json else form or "table"
    if chosen not in FORMATS:
        raise UsageError(f"{terminal.printable(chosen)} is not a format", f"one of: {', '.join(FORMATS)}")
    return chosen


def _ledger() -> Ledger:
    return home.present_ledger()


def _terms(terms: Terms) -> str:
    from aikeys.budgets.terms import WORST
    from aikeys.cli.render.budget_states import limit

    over = "in total" if terms.period == "total" else f"a {terms.period}"
    acts = {"block": "calls beyond it are refused", "warn": "calls beyond it go on"}
    act = acts.get(terms.at_limit, "calls beyond it are refused and their token revoked")
    told = f"; alert at {', '.join(f'{percent} %' for percent in terms.alerts)}" if terms.alerts else ""
    soft = "" if terms.when_unknown == WORST else f"; when unknown: {terms.when_unknown}"
    return f"{limit(terms)} {over}, {act}{told}{soft}"


def _say_if_unused(ledger: Ledger, who: Who) -> None:
    """A name that no call ever had may be mistyped."""
    from aikeys.budgets.counters import column_value
    from aikeys.budgets.store import somebody_known
    from aikeys.budgets.who import ORG

    if who.kind == ORG or who.is_each:
        return
    with ledger.reading() as connection:
        stored = somebody_known(connection, who)
        known = stored is not None and column_value(connection, who.kind, stored.partition(":")[2]) is not None
    if not known:
        terminal.say(f"no call has been made for {who} so far")
