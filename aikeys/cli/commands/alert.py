"""`aikeys alert`: who is told of budgets, keys and unusual spending; and the delivery of what waits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikeys import clock
from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import AikeysError, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.alerts.channels import Channel, Settings
    from aikeys.alerts.delivery import Summary
    from aikeys.alerts.outbox import OutboxRow
    from aikeys.ledger.store import Ledger
    from aikeys.vault.opening import Place

app = new_app()
_MAIL = "aikeys alert add ops --email ops@example.com --from aikeys@example.com --smtp"
_ADD = (
    (f"{_MAIL} localhost:25", "mail, through this machine's mail server"),
    (f"{_MAIL} smtp.example.com --smtp-user aikeys --password-key smtp", "the password is in the key smtp"),
    ("aikeys alert add chat --url-key slack", "a Slack or Teams webhook, its address in the key slack"),
    ("aikeys alert add pager --command page-me --on budget -- -p high", "a program, for budgets only"),
)
_ADD_NOTES = """
Kinds of alert: budget (a threshold is reached), key (expires or is due for rotation within 14 days), anomaly (a day
costs three times the usual), velocity (a token spends its budget within minutes).

Passwords and secret addresses are keys of the vault, of the provider other: aikeys add smtp --provider other

With --sign-key the header X-Aikeys-Signature is sha256= and the HMAC-SHA256, in hex, of the header X-Aikeys-Timestamp,
a dot and the body. SSL_CERT_FILE names the certificates of a CA of your own.
"""
_LIST = (("aikeys alert list", "who is told, and what waits or failed"),)
_REMOVE = (("aikeys alert remove ops", "what waits for it is dropped"),)
_TEST = (("aikeys alert test ops", "is it set up well?"),)
_DELIVER = (("aikeys alert deliver", "look for what is due and send what waits"),)
_DELIVER_NOTES = """\
\b
From cron, every five minutes; a mail of cron's own when something does not arrive:
  */5 * * * * aikeys -q --no-input alert deliver

What does not arrive is tried again after 1, 5 and 30 minutes, 2 hours, then every 6 hours for three days. An alert may
arrive twice when a machine stops between sending and noting it: Message-ID and Idempotency-Key are the same then.
"""
_WAYS = {
    "--email": ("--smtp", "--from", "--smtp-user", "--password-key", "--security"),
    "--webhook": ("--style", "--sign-key"),
    "--url-key": ("--style", "--sign-key"),
    "--command": ("ARG", "--time-limit"),
}


@app.callback(epilog=epilog(_LIST, (3, 10, 11, 12, 13, 14, 15, 20, 21, 30, 31)))
def alert() -> None:
    """Say who is told of budgets, keys and unusual spending, and deliver what waits."""


@app.command(epilog=epilog(_ADD, (0, 2, 10, 13, 14, 15, 20, 21), _ADD_NOTES))
def add(
    alert_name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARG]...", help="Arguments of --command.")] = None,
    email: Annotated[str, typer.Option(metavar="TO", help="Send mail to this address.")] = "",
    smtp: Annotated[str, typer.Option(metavar="HOST:PORT", help="The SMTP server.")] = "",
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The sender's address.")] = "",
    smtp_user: Annotated[str, typer.Option("--smtp-user", metavar="USER", help="The user at the SMTP server.")] = "",
    password_key: Annotated[
        str, typer.Option("--password-key", metavar="KEY", help="The key that holds the password.")
    ] = "",
    security: Annotated[
        str, typer.Option(metavar="HOW", help="starttls (the default), tls (at port 465) or plain (on this machine).")
    ] = "",
    webhook: Annotated[str, typer.Option(metavar="URL", help="Post to this address, which is not a secret.")] = "",
    url_key: Annotated[str, typer.Option("--url-key", metavar="KEY", help="Post to the address this key holds.")] = "",
    style: Annotated[str, typer.Option(metavar="STYLE", help="slack, teams or json; told by the host.")] = "",
    sign_key: Annotated[str, typer.Option("--sign-key", metavar="KEY", help="Sign with the secret of this key.")] = "",
    command: Annotated[str, typer.Option(metavar="CMD", help="Run this program, the alert on its stdin.")] = "",
    time_limit: Annotated[str, typer.Option("--time-limit", metavar="30s", help="How long the program may run.")] = "",
    on: Annotated[str, typer.Option(metavar="KINDS", help="Kinds of alert.")] = "budget,key,anomaly,velocity",
) -> None:
    """Tell somebody by mail, webhook or a program."""
    from aikeys.alerts import outbox
    from aikeys.alerts.channels import Channel, check_name, check_on

    options = {
        "--email": email,
        "--smtp": smtp,
        "--from": sender,
        "--smtp-user": smtp_user,
        "--password-key": password_key,
        "--security": security,
        "--webhook": webhook,
        "--url-key": url_key,
        "--style": style,
        "--sign-key": sign_key,
        "--command": command,
        "--time-limit": time_limit,
    }
    where = home.place()
    ledger = home.present_ledger()
    given = {option: value for option, value in options.items() if value} | ({"ARG": "…"} if arguments else {})
    settings = _settings(given, arguments or [])
    channel = Channel(check_name(alert_name), check_on(on), settings)
    _require_keys(where, ledger, channel)
    with ledger.writing() as writer:
        outbox.add_channel(writer, channel, os.urandom(16))
    terminal.say(f"added {channel.name}: {channel.target}; try it: aikeys alert test {channel.name}")


def _settings(given: dict[str, str], arguments: list[str]) -> Settings:
    """Return the settings of the one way that the options describe."""
    ways = [way for way in _WAYS if way in given]
    if len(ways) != 1:
        raise UsageError("give one of --email, --webhook, --url-key and --command", "see aikeys alert add --help")
    strangers = [option for option in given if option not in (ways[0], *_WAYS[ways[0]])]
    if strangers:
        raise UsageError(f"{strangers[0]} does not go with {ways[0]}", "see aikeys alert add --help")
    if ways[0] == "--email":
        return _email(given)
    if ways[0] == "--command":
        return _command(given, arguments)
    return _webhook(given)


def _email(given: dict[str, str]) -> Settings:
    from aikeys.alerts.channels import Email, check_email, parse_server, usual_security

    missing = [option for option in ("--smtp", "--from") if option not in given]
    if missing:
        raise UsageError(f"--email needs {' and '.join(missing)}", "see aikeys alert add --help")
    host, port = parse_server(given["--smtp"])
    security = given.get("--security") or usual_security(host, port)
    user, key = given.get("--smtp-user", ""), given.get("--password-key", "")
    return check_email(Email(given["--email"], given["--from"], host, port, security, user, key))


def _webhook(given: dict[str, str]) -> Settings:
    from aikeys.alerts.channels import AUTO, STYLES, Webhook, check_url, holds_secret

    url, style = given.get("--webhook", ""), given.get("--style", AUTO)
    if style not in STYLES:
        raise UsageError(f"{terminal.printable(style)} is not a style", f"one of: {', '.join(STYLES)}")
    if url and holds_secret(check_url(url)):
        raise UsageError(
            "the webhook's address looks like a secret, and everybody can read a command line",
            "put it into the vault as a key, and name that: --url-key KEY",
        )
    return Webhook(url, given.get("--url-key", ""), style, given.get("--sign-key", ""))


def _command(given: dict[str, str], arguments: list[str]) -> Settings:
    from shutil import which

    from aikeys.alerts.channels import LONGEST_TIME_LIMIT_S, CommandChannel, holds_key

    program = which(given["--command"])
    if program is None:
        raise NotFound(f"{terminal.printable(given['--command'])} is not a program", "check its name, or give its path")
    limit_s = home.duration_s(given.get("--time-limit", "30s"))
    if not 0 < limit_s <= LONGEST_TIME_LIMIT_S:
        raise UsageError("the time limit is not between a second and five minutes", "for example --time-limit 30s")
    if any(map(holds_key, arguments)):
        raise UsageError(
            "an argument looks like a key", "let the program read its secrets itself: aikeys exec KEY -- CMD"
        )
    return CommandChannel((os.path.abspath(program), *arguments), limit_s)


@app.command("list", epilog=epilog(_LIST, (0, 10, 13, 14, 20, 21)))
def list_(
    newest: Annotated[int, typer.Option("-n", "--newest", metavar="N", min=0, help="How many messages.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List who is told, and the newest messages with their state: waiting, sent or given up."""
    from aikeys.alerts import outbox
    from aikeys.alerts.occasions import occasion_text
    from aikeys.cli.render.json_text import document
    from aikeys.cli.render.table import table

    ledger = home.present_ledger()
    with ledger.reading() as connection:
        channels, counts = outbox.channels(connection), outbox.counts(connection)
        rows = [_known_row(row) for row in outbox.newest(connection, newest)]
        words = [occasion_text(connection, str(row["occasion"])) for row in rows]
    known = [_known(channel, counts) for channel in channels]
    if as_json:
        terminal.out(document("aikeys.alerts/1", alerts=known, outbox=rows))
        return
    if not known:
        terminal.say("nobody is told yet; see aikeys alert add --help")
    else:
        fields = ("name", "kind", "target", "on", "waiting", "sent", "given_up")
        lines = [[",".join(v) if isinstance(v := row[field], tuple) else str(v) for field in fields] for row in known]
        terminal.out_styled(table(("NAME", "KIND", "TO", "ON", "WAITING", "SENT", "GIVEN UP"), lines))
    if rows:
        fields = ("alert", "occasion", "created_at", "state", "attempts", "next_at", "error")
        shown = [row | {"occasion": text} for row, text in zip(rows, words, strict=True)]
        lines = [["" if row[field] is None else str(row[field]) for field in fields] for row in shown]
        terminal.out_styled("\n" + table(("ALERT", "OCCASION", "SINCE", "STATE", "TRIES", "NEXT", "WHY"), lines))


def _known(channel: Channel, counts: dict[tuple[str, str], int]) -> dict[str, Any]:
    from aikeys.alerts.outbox import GIVEN_UP, SENT, WAITING

    states = {"waiting": WAITING, "sent": SENT, "given_up": GIVEN_UP}
    return {
        "name": channel.name,
        "kind": channel.kind,
        "target": channel.target,
        "on": channel.on,
        "keys": channel.keys,
        **{field: counts.get((channel.name, state), 0) for field, state in states.items()},
    }


def _known_row(row: OutboxRow) -> dict[str, Any]:
    from aikeys.alerts.outbox import WAITING

    return {
        "id": row.id,
        "alert": row.channel,
        "occasion": row.once,
        "created_at": clock.rfc3339(row.created_us / 1e6),
        "state": row.state,
        "attempts": row.attempts,
        "next_at": clock.rfc3339(row.next_us / 1e6) if row.state == WAITING else None,
        "error": row.error or None,
    }


@app.command(epilog=epilog(_REMOVE, (0, 10, 13, 14, 20, 21)))
def remove(alert_name: Annotated[str, typer.Argument(metavar="NAME", help="Which.")]) -> None:
    """Tell somebody no longer."""
    from aikeys.alerts import outbox

    with home.present_ledger().writing() as writer:
        dropped = outbox.remove_channel(writer, alert_name)
    terminal.say(f"removed {alert_name}" + (f"; {dropped} waiting messages were dropped" if dropped else ""))


@app.command(epilog=epilog(_TEST, (0, 3, 10, 11, 12, 13, 14, 20, 21, 30, 31)))
def test(alert_name: Annotated[str, typer.Argument(metavar="NAME", help="Which.")]) -> None:
    """Send a test message now, and say how it went."""
    from aikeys.alerts import outbox
    from aikeys.alerts.delivery import DeliveryContext, audit, send
    from aikeys.alerts.messages import TEST, AlertMessage
    from aikeys.alerts.sending import OutgoingAlert
    from aikeys.cli.alerting import open_keys

    where = home.place()
    ledger = home.present_ledger()
    with ledger.reading() as connection:
        channel = outbox.find_channel(connection, alert_name)
    opened = home.unlock(where, ledger=ledger).opened if channel.keys else None
    means = DeliveryContext(open_keys(ledger, opened, channel.keys), os.environ)
    now_s = clock.now_s()
    text = f"This is a test of the alert {channel.name}. Nothing is wrong.\n\nAll alerts: aikeys alert list\n"
    message = AlertMessage(TEST, f"test of the alert {channel.name}", text, (("alert", channel.name),))
    try:
        send(channel, OutgoingAlert(os.urandom(20).hex(), now_s, message), means, now_s)
    except AikeysError as error:
        ledger.event(audit(channel, TEST, 1), error.code)
        raise
    ledger.event(audit(channel, TEST, 1))
    terminal.say(f"sent a test to {channel.target}")


@app.command(epilog=epilog(_DELIVER, (0, 3, 10, 11, 12, 13, 14, 20, 21, 30, 31), _DELIVER_NOTES))
def deliver(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look for keys that are due and unusual spending, and send every message that is due.

    The vault is opened only where a message needs a key of it; where it cannot be opened, the others still go out.
    """
    from aikeys.alerts.delivery import DeliveryContext
    from aikeys.alerts.delivery import deliver as send_all
    from aikeys.cli.alerting import look_around, secrets_of_due
    from aikeys.cli.render.json_text import document

    where = home.place()
    ledger = home.present_ledger()
    look_around(where, ledger)
    secrets, problem = secrets_of_due(where, ledger)
    summary = send_all(ledger, DeliveryContext(secrets, os.environ), clock.now_us())
    if as_json:
        failed = [{"alert": one.channel, "error": one.error.message, "state": one.state} for one in summary.failures]
        sent = [{"alert": name} for name in summary.sent]
        terminal.out(document("aikeys.delivery/1", sent=sent, failed=failed, waiting_for_keys=summary.lacking))
    elif summary.sent:
        terminal.say(f"sent {len(summary.sent)} to {', '.join(sorted(set(summary.sent)))}")
    _raise_first(summary, problem)


def _require_keys(where: Place, ledger: Ledger, channel: Channel) -> None:
    """Raise NotFound where a channel names a key that the vault has not."""
    if channel.keys:
        from aikeys.vault.names import exact_key
        from aikeys.vault.opening import picture

        rows = picture(where, ledger)
        for name in channel.keys:
            exact_key(rows, name)


def _raise_first(summary: Summary, problem: AikeysError | None) -> None:
    """End with the first thing that went wrong; the others are told before."""
    wrong = [
        type(one.error)(f"{one.channel}: {one.error.message} ({one.state})", one.error.hint) for one in summary.failures
    ]
    if problem is not None and summary.lacking:
        waiting = f"messages for {', '.join(summary.lacking)} wait: {problem.message}"
        wrong.append(type(problem)(waiting, problem.hint))
    for error in wrong[1:]:
        terminal.warn(error.message)
    if wrong:
        raise wrong[0]
