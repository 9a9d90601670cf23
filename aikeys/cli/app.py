"""The command line's table of contents: which commands there are, where they live, and the global options.

- A command's module is imported when the command runs; `aikeys --help` shows this table without importing any.
- Global options stand before or after the command's name, never behind `--` and never inside `exec`, whose
  arguments belong to the program it starts.
- Typer is imported inside functions; `exec` and `__names` run without this module (words.py).

Annotations are evaluated at once in this module (no `__future__` import): Typer has to see them from inside a function.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NamedTuple

from aikeys import __version__, errors
from aikeys.cli import boundary, terminal
from aikeys.cli.words import hoist

KEEP, LEND, SPEND, ACCOUNT, VAULT = GROUPS = ("Keep", "Lend", "Spend", "Account", "Vault")
HIDDEN = ""


class Command(NamedTuple):
    """Where a command lives (module below aikeys.cli.commands), its group in the help, and its one line."""

    module: str
    group: str
    help: str


COMMANDS: dict[str, Command] = {
    "init": Command("init", KEEP, "Make a vault"),
    "add": Command("add", KEEP, "Put a key into the vault"),
    "list": Command("list_", KEEP, "List the keys"),
    "ls": Command("list_", HIDDEN, "List the keys"),
    "show": Command("show", KEEP, "Show what is known of a key"),
    "edit": Command("edit", KEEP, "Change what is recorded of a key"),
    "verify": Command("verify", KEEP, "Ask the providers whether keys work"),
    "rotate": Command("rotate", KEEP, "Replace a key by a new one"),
    "revoke": Command("revoke", KEEP, "Remove a key from the vault"),
    "import": Command("import_", KEEP, "Take keys over from files and other tools"),
    "scan": Command("scan", KEEP, "Find keys in files, histories and transcripts"),
    "exec": Command("exec_", LEND, "Run a program with keys in its environment"),
    "env": Command("env_", LEND, "Print keys as variables for a shell"),
    "use": Command("use", LEND, "Write down which keys a project gets"),
    "allow": Command("allow", LEND, "Let a project's file choose keys and labels"),
    "token": Command("token", LEND, "Lend keys for a while: issue, list and revoke tokens"),
    "gateway": Command("gateway", LEND, "Serve every provider under one address, metered"),
    "login": Command("login", LEND, "Use a gateway from here, with a token"),
    "logout": Command("logout", LEND, "Forget the gateway and its token"),
    "unlock": Command("unlock", LEND, "Keep the vault open for a while"),
    "lock": Command("lock", LEND, "Close the vault now"),
    "prompt": Command("prompt", SPEND, "Ask a model, and know what it cost"),
    "estimate": Command("estimate", SPEND, "Say what a prompt would cost"),
    "models": Command("models", SPEND, "List models, their prices and which keys reach them"),
    "providers": Command("providers", SPEND, "List the providers aikeys knows"),
    "report": Command("report", ACCOUNT, "Report what was spent, by whom and on what"),
    "ledger": Command("ledger", ACCOUNT, "Check, export, import and archive the record of calls and acts"),
    "log": Command("log", ACCOUNT, "Show calls: the newest, one in full, or as they come"),
    "audit": Command("audit", ACCOUNT, "Show who did what with the vault"),
    "top": Command("top", ACCOUNT, "Watch what is being spent now"),
    "budget": Command("budget", ACCOUNT, "Limit spending, and check the limits"),
    "alert": Command("alert", ACCOUNT, "Say who is told of budgets, keys and unusual spending"),
    "prices": Command("prices", ACCOUNT, "Show and update the prices of models"),
    "unlock-method": Command("unlock_method", VAULT, "List, add and remove ways to unlock the vault"),
    "passphrase": Command("passphrase", VAULT, "Change the passphrase"),
    "backup": Command("backup", VAULT, "Write an encrypted backup"),
    "restore": Command("restore", VAULT, "Bring a backup back"),
    "config": Command("config_", VAULT, "Keep budgets, alerts, aliases and prices in a file"),
    "doctor": Command("doctor", VAULT, "Look for what is wrong or unsafe"),
    "help": Command("help_", VAULT, "Show a page of the manual, or a command's help"),
    "demo": Command("demo", VAULT, "See all of aikeys at work, in a throw-away vault"),
    "completion": Command("completion", VAULT, "Print the completion script of a shell"),
}


def main(argv: Sequence[str]) -> int:
    """Run a command line (without the program's name) and return the exit status."""
    return boundary.run(lambda: _call(argv), typed=argv)


def load_all() -> Any:
    """Return the whole command tree with every module imported, for the generators of man pages and completions."""
    tree = command_tree()
    for name in COMMANDS:
        tree.commands[name] = tree.load(name)
    return tree


def command_tree() -> Any:
    """Return the root of the command tree; commands are stubs until they are used."""
    import typer

    from aikeys.cli.help import exit_statuses

    app = typer.Typer(
        cls=_lazy_group(),
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=exit_statuses(errors.EXIT_STATUSES),
    )
    app.callback()(_root_callback())
    return typer.main.get_command(app)


def _call(argv: Sequence[str]) -> int:
    # not tree.main(): it turns a closed pipe into status 1 and answers Typer's completion protocol
    tree = command_tree()
    if {"--help", "-h"} & {*argv}:
        terminal.stdout()  # Typer writes nothing, and says nothing, where it is closed
        with terminal.writing(), tree.make_context("aikeys", hoist(argv)) as context:
            tree.invoke(context)
        return 0
    with tree.make_context("aikeys", hoist(argv)) as context:
        status = tree.invoke(context)
    return status if isinstance(status, int) else 0


def _guard(command: Any, path: str) -> None:
    """Let every command pass the choke point first, those of a group by their whole name."""
    from functools import wraps

    for name, below in getattr(command, "commands", {}).items():
        _guard(below, f"{path} {name}")
    run = command.callback
    if run is None or hasattr(command, "commands"):
        return

    @wraps(run)
    def guarded(*values: Any, **named: Any) -> Any:
        from aikeys.cli import authority

        authority.enter(path)
        with authority.watched(path):
            return run(*values, **named)

    command.callback = guarded


def _root_callback() -> Any:
    import typer

    def show_version(wanted: bool) -> None:
        if wanted:
            terminal.out(f"aikeys {__version__}")
            raise typer.Exit

    def root(
        home: Annotated[
            str | None, typer.Option("--home", metavar="DIR", help="Use the vault in this directory.")
        ] = None,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no messages.")] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
        no_input: Annotated[bool, typer.Option("--no-input", help="Never ask.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer yes where a yes is asked for.")] = False,
        version: Annotated[  # noqa: ARG001  its callback does the work
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        """Keep AI provider keys in an encrypted vault and lend them to programs.

        These options may stand before or after the command's name.
        """
        chosen = terminal.options
        chosen.home, chosen.quiet, chosen.verbose = home, quiet, verbose
        chosen.no_input, chosen.yes = no_input, yes

    return root


@cache
def _lazy_group() -> Any:
    import typer
    from typer.core import TyperCommand, TyperGroup

    class LazyGroup(TyperGroup):
        """Shows the table as its commands and imports a command's module when it is resolved."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            for name, command in COMMANDS.items():
                stub = TyperCommand(
                    name,
                    help=command.help,
                    hidden=command.group == HIDDEN,
                    rich_markup_mode=None,
                    add_help_option=False,
                )
                self.commands.setdefault(name, stub)

        def load(self, name: str) -> Any:
            """Return the real command."""
            row = COMMANDS[name]
            real = typer.main.get_command(import_module(f"aikeys.cli.commands.{row.module}").app)
            real.name = name
            _guard(real, name)
            real.hidden = row.group == HIDDEN
            return real

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            return (name, self.load(name), rest) if name in COMMANDS else (name, command, rest)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            del ctx
            for group in GROUPS:
                with formatter.section(group):
                    formatter.write_dl([(name, row.help) for name, row in COMMANDS.items() if row.group == group])

    return LazyGroup
