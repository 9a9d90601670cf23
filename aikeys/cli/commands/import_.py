"""`aikeys import`: take over keys from files, the environment and other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import Cancelled, NotFound, UsageError

if TYPE_CHECKING:
    from aikeys.imports.naming import Planned

app = new_app()
_EXAMPLES = (
    ("aikeys import", "the .env of this folder"),
    ("aikeys import -r ~/src ~/.zshrc --dry-run", "what is found in a tree and a shell's file; nothing is taken"),
    ("aikeys import --remove", "the keys go out of .env, too; --undo brings them back"),
    ("aikeys import --from llm", "the keys of the llm command"),
    ("aikeys import --from pass", "entries of pass that are named after a provider"),
    ("doppler secrets download --format env --no-file | aikeys import -", "NAME=value lines of any other tool"),
)
_NOTES = """
Files may be in any language: .env, shell, fish, PowerShell, YAML, compose, JSON; UTF-8 or UTF-16. What a program read
a key from is kept: exec sets the same variable again, and a base URL that stood beside it. A key in a comment, a header
or an address is named and not taken; so is what only stands for a key (references, ciphertext, placeholders). A token
for all of GitHub is asked about apart, and without a terminal it stays where it is. With -r folders are searched, but
for .git, node_modules, virtual environments and files over 4 MiB.

--remove takes the lines out once the key is read back from the vault, and writes a comment there that says how to run
the program. Mode, owner, line ends and encoding stay. A sealed copy of these lines alone is kept for 30 days: --undo
puts them back byte for byte if the rest of the file is what it was. Links, files of several names or of others, JSON,
and lines that do more than set the key are left and named.
"""


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 20, 21), _NOTES))
def import_(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Files; .env without one; - for standard input.")
    ] = None,
    source: Annotated[
        str, typer.Option("--from", metavar="dotenv|env|llm|pass|keyring", help="What they are.")
    ] = "dotenv",
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Search folders, too.")] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the lines out of the files, too; --undo puts them back.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put back what --remove took out last, within 30 days.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is found, and take nothing.")] = False,
) -> None:
    """Take keys over from files, the environment or llm's keys.json.

    Shows what was found, asks once, and says which lines to delete afterwards, or takes them out. Nothing is sent to a
    provider: try the keys with `aikeys verify`.
    """
    from aikeys.cli.keys import found_keys, lines_away
    from aikeys.cli.keys.new_vault import require_or_offer

    where = home.place()
    catalogue = home.catalogue(where)
    if undo:
        if files or remove or dry_run:
            raise UsageError("--undo stands alone", "aikeys import --undo")
        lines_away.put_back(where, home.unlock(where).opened)
        return
    if dry_run:
        found = found_keys.read(source, files or [], catalogue, recursive=recursive)
        found_keys.say_skipped(found)
        for item in found_keys.plan_without_vault(found):
            found_keys.show(item, catalogue)
        found_keys.say_sum(found, ())
        return
    made = require_or_offer(where)
    found = found_keys.read(source, files or [], catalogue, recursive=recursive)
    found_keys.say_skipped(found)
    if not found.candidates:
        found_keys.say_sum(found, ())
        raise NotFound("no keys were found that could be taken", "name a file, or --from env")
    opened = made or home.unlock(where, data_on_stdin="-" in (files or ())).opened
    planned = found_keys.plan_for(found, opened)
    for item in planned:
        found_keys.show(item, catalogue)
    new = _agreed(planned)
    for item in new:
        found_keys.add(where, opened, item, catalogue)
        terminal.say(f"added {item.name}")
    held = [item for item in planned if item.action == "have"]
    for item in held:
        found_keys.add_variables(where, opened, item, catalogue)
    found_keys.say_tracked([*new, *held])
    is_out = remove or _wants_them_out([*new, *held])
    if is_out:
        lines_away.take_out(where, opened, [*new, *held])
    found_keys.say_what_to_delete([*new, *held], but_lines=is_out)
    found_keys.say_sum(found, [*new, *held])
    _say_next([*new, *held], is_out=is_out)


def _say_next(taken: list[Planned], *, is_out: bool) -> None:
    if taken:
        names = " ".join(item.name for item in taken[:3])
        terminal.say(f"next: aikeys exec {names} -- COMMAND{'' if is_out else '; aikeys import --remove'}")


def _wants_them_out(taken: list[Planned]) -> bool:
    """Offer to take the lines out, on a terminal."""
    in_files = any(each.file for item in taken for each in (item.candidate, *item.also))
    if not in_files or terminal.options.yes or not terminal.can_ask():
        return False
    return terminal.confirm("Take these lines out of the files now? aikeys import --undo brings them back", False)


def _agreed(planned: list[Planned]) -> list[Planned]:
    """Return what is to be added; a token that opens more than models is asked about by itself."""
    general = [item for item in planned if item.action == "add" and item.candidate.is_general]
    new = [item for item in planned if item.action == "add" and item not in general]
    question = f"Add {len(new)} {'key' if len(new) == 1 else 'keys'}?"
    if new and not terminal.options.yes and not terminal.confirm(question, True):
        raise Cancelled("nothing was imported")
    for item in general:
        variable = item.candidate.variable
        if terminal.options.yes or not terminal.can_ask():
            terminal.say(f"{variable} was left where it is: it opens all of GitHub, not models alone")
        elif terminal.confirm(f"{variable} opens all of GitHub, not models alone. Add it as {item.name}?", False):
            new.append(item)
    return new
