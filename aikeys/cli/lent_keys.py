"""The keys that `aikeys exec` lends, metered or not: which ones, who may open them, and the program that gets them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aikeys.cli import access, home, terminal
from aikeys.errors import NotFound, UsageError
from aikeys.storage.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aikeys.cli.around import Around
    from aikeys.ledger.store import Ledger
    from aikeys.lending.arguments import ExecArguments
    from aikeys.lending.environment import LentKey
    from aikeys.vault.format import Key, Rows
    from aikeys.vault.opening import Opened, Place
    from aikeys.vault.tokens.admission import Access


_LARGEST_ENV_FILE = 1 << 20


class WantedKeys(NamedTuple):
    """Which keys were asked for: by name, by variable, or all that fit; none of it where the configuration decides."""

    names: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    every: bool
    is_metered: bool = False


def wanted_by(arguments: ExecArguments) -> WantedKeys:
    """Return which keys a command line of exec asks for."""
    return WantedKeys(arguments.names, arguments.env, arguments.all, arguments.metered)


def with_env_files(arguments: ExecArguments) -> tuple[ExecArguments, dict[bytes, bytes]]:
    """Return the arguments with the variables of env files that keys go to, and the plain ones."""
    if not arguments.env_files:
        return arguments, {}
    from aikeys.lending.env_files import read

    env, plain = dict(arguments.env), {}
    for path in arguments.env_files:
        found = read(_file(path), terminal.printable(path), arguments.names)
        for variable in found.left_out:
            terminal.warn(f"{variable} of {terminal.printable(path)} is left out: it could send a key elsewhere")
        env.update(found.keys)
        plain.update({os.fsencode(variable): os.fsencode(value) for variable, value in found.plain})
    return arguments._replace(env=tuple(env.items())), plain


def _file(path: str) -> str:
    """Return a small text file; NotFound, UsageError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            text = file.read(_LARGEST_ENV_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a path"
        raise NotFound(f"cannot read {terminal.printable(path)}: {reason}", "check --env-file") from None
    if len(text) > _LARGEST_ENV_FILE:
        raise UsageError(f"{terminal.printable(path)} is larger than 1 MiB", "name a file of variables")
    return text


def program_for(arguments: ExecArguments) -> str:
    """Return what is to be executed; UsageError inside another exec."""
    from aikeys.lending import child, environment

    inside = environment.nested(os.environb)
    if inside is not None and not arguments.nested:
        raise UsageError(f"this runs inside aikeys exec already (keys: {inside})", "to do it on purpose: --nested")
    return child.find_program(arguments.command[0], os.environ.get("PATH"))


def opened_for(where: Place, ledger: Ledger, way: str, names: Sequence[str] = ()) -> Opened | Access:
    """Return what opens keys: the vault, or what AIKEYS_TOKEN may hold; `way` is the command in tokens/admission.py.

    `names` are looked for before a passphrase is asked.
    """
    if not os.environ.get("AIKEYS_TOKEN", "").strip():  # the usual way: loads nothing of tokens
        return home.unlock(where, ledger=ledger, check=lambda rows: [named_key(rows, name) for name in names]).opened
    from aikeys.cli import authority

    if authority.is_holder():
        authority.require(way)
    return access.open_keys(where, ledger=ledger)


def lend_keys(opened: Opened | Access, keys: list[Key]) -> list[LentKey]:
    """Open the keys; one that a token is not for is a decision, and recorded as one."""
    from aikeys.errors import Denied

    try:
        return [lend_key(opened, key) for key in keys]
    except Denied:
        from aikeys.cli import authority

        authority.record_denied("exec", keys)
        raise


def lend_key(opened: Opened | Access, key: Key) -> LentKey:
    """Return a key opened for a child's environment."""
    from aikeys.lending.environment import LentKey

    content = opened.content(key)
    base_url = opened.rows.version_of(key).base_url
    if base_url.startswith("http:") and not content.allows_http:
        _refuse_plain_http(key.name, base_url)
    return LentKey(
        key.name,
        content.key_secret,
        content.env,
        content.base_url_env,
        content.set_base_url,
        content.extra,
        content.clear,
        bool(key.is_admin),
    )


def _refuse_plain_http(name: str, url: str) -> None:
    """Refuse to lend a key for an address where it would travel in the clear, but to this machine."""
    from aikeys.network.addresses import is_loopback
    from aikeys.providers.transport import NoPlainHttp

    if not is_loopback(url):
        raise NoPlainHttp(name)


class Chosen(NamedTuple):
    """The keys to lend, and the variables that are not a key's own, each with the name of the key that goes there."""

    keys: list[Key]
    renamed: dict[str, str]


def chosen(wanted: WantedKeys, around: Callable[[], Around], opened: Opened | Access) -> Chosen:
    """Return the keys to lend: those named, else those of the configuration, else the only one.

    What nobody named is chosen among the keys that a token is for. Only then is looked at what stands `around`.
    """
    rows = opened.rows
    if wanted.every:
        keys = [key for key in _in_scope(opened) if not key.is_admin]
        renamed = _renamed(wanted.env, rows)
        return Chosen(_all_that_fit(opened, keys, renamed, is_metered=wanted.is_metered), renamed)
    names, env = (*wanted.names, *(name for _, name in wanted.env)), wanted.env
    if not names:
        names, env = _configured(around())
    if not names:
        return Chosen([_only_key(opened)], {})
    keys = [named_key(rows, name) for name in names]
    return Chosen(list({key.id: key for key in keys}.values()), _renamed(env, rows))


def _all_that_fit(opened: Opened | Access, keys: list[Key], renamed: dict[str, str], *, is_metered: bool) -> list[Key]:
    """Return the keys that can be lent together, each provider's default first; says which are left out.

    A program that is metered gets one key of a provider: its requests do not say which one they mean.
    """
    from aikeys.lending.environment import together

    order = sorted(keys, key=lambda key: (key.name not in renamed.values(), not key.is_default, key.name))
    fitting = together([lend_key(opened, key) for key in order], renamed)
    met: set[str] = set()
    found = []
    for key in order:
        if key.name in fitting and not (is_metered and key.provider in met):
            found.append(key)
            met.add(key.provider)
    if not found:
        raise NotFound("there is no key that exec could lend", "add one: aikeys add NAME")
    left = sorted(key.name for key in keys if key not in found)
    if left:
        terminal.say(f"left out: {', '.join(left)} (name them, each with a variable of its own: --env VAR=NAME)")
    return sorted(found, key=lambda key: key.name)


def _renamed(env: tuple[tuple[str, str], ...], rows: Rows) -> dict[str, str]:
    return {variable: named_key(rows, name).name for variable, name in env}


def named_key(rows: Rows, name: str) -> Key:
    """Return a key; NotFound names the nearest."""
    from aikeys.vault.names import require_key

    return require_key(rows, name)


def _configured(around: Around) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the keys, and the variables they go to, of the project's file where it is allowed, else of config.toml."""
    from aikeys import config

    project = around.project
    if project.exec_keys or project.exec_env:
        names, env = project.exec_keys, project.exec_env
        said = [*names, *(f"{name} (in {variable})" for variable, name in env)]
        terminal.say(f"keys of {config.PROJECT_FILE}: {', '.join(said)}")
    else:
        settings = config.load(around.home)
        names, env = settings.exec_keys, settings.exec_env
    return (*names, *(name for _, name in env)), env


def _in_scope(opened: Opened | Access) -> list[Key]:
    """Return the keys that may be lent at all: every one for the owner, those it is for with a token."""
    holder = getattr(opened, "holder", None)
    if holder is None:
        return list(opened.rows.keys)
    return [key for key in opened.rows.keys if holder.claims.reaches(key.id) and not key.is_admin]


def _only_key(opened: Opened | Access) -> Key:
    keys = _in_scope(opened)
    if len(keys) == 1:
        return keys[0]
    names = ", ".join(sorted(key.name for key in keys))
    if not names and opened.rows.keys:
        raise NotFound(
            "the token is for no key of this vault",
            "the owner of the vault can issue one that is: aikeys token issue --key NAME",
        )
    if not names:
        raise NotFound("the vault has no keys", "add one: aikeys add NAME")
    raise UsageError("which keys?", f"name them: aikeys exec NAME -- CMD; there are {names}")
