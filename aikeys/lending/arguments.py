"""The only parser of `exec`'s options (pure): Typer lists the command and hands its arguments over unread."""

from collections.abc import Sequence

from aikeys.errors import UsageError
from aikeys.storage.record import NamedTuple

_FLAGS = {
    "--all": "all",
    "--clean-env": "clean_env",
    "--nested": "nested",
    "--unmetered": "unmetered",
    "--metered": "metered",
    "--no-input": "no_input",
    "--quiet": "quiet",
    "--verbose": "verbose",
    "--help": "help",
}
_SHORT = {"q": "quiet", "v": "verbose", "h": "help"}
_WITH_VALUE = {
    "--env": "VAR=NAME",
    "--env-file": "FILE",
    "--as-file": "VAR=NAME",
    "--home": "DIR",
    "--budget": "USD",
    "--model": "M",
    "--ttl": "1h",
    "--rpm": "N",
    "--when-unknown": "worst",
}
_OF_METERED = ("--budget", "--model", "--ttl", "--rpm", "--when-unknown")
_FORM = "aikeys exec NAME -- CMD"


class ExecArguments(NamedTuple):
    """What stood on the command line; `names` is empty where --all or the configuration decides.

    `limits`: the options of --metered and their values as they were typed, in order.
    """

    names: tuple[str, ...]
    all: bool
    env: tuple[tuple[str, str], ...]
    clean_env: bool
    nested: bool
    unmetered: bool
    command: tuple[str, ...]
    home: str | None
    no_input: bool
    quiet: bool
    verbose: bool
    help: bool
    metered: bool = False
    limits: tuple[tuple[str, str], ...] = ()
    env_files: tuple[str, ...] = ()
    as_files: tuple[str, ...] = ()


class _Found:
    """What the options before `--` said, so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.env: dict[str, str] = {}
        self.home: str | None = None
        self.flags: set[str] = set()
        self.limits: list[tuple[str, str]] = []
        self.env_files: list[str] = []
        self.as_files: list[str] = []


def parse(argv: Sequence[str]) -> ExecArguments:
    """Read everything after `aikeys exec`. What follows the first `--` is the command, untouched."""
    separated = "--" in argv
    end = argv.index("--") if separated else len(argv)
    found = _Found()
    try:
        _read(argv[:end], found)
    except UsageError:
        if not separated and found.names:  # `exec openai ls -l`: the options are the program's
            raise _no_separator() from None
        raise
    command = tuple(argv[end + 1 :])
    if "help" not in found.flags:
        if not separated:
            raise _no_separator()
        _check(found, command)
    named = found.names if "all" in found.flags else [*found.names, *found.env.values()]
    return ExecArguments(
        names=tuple(dict.fromkeys(named)),
        all="all" in found.flags,
        env=tuple(found.env.items()),
        clean_env="clean_env" in found.flags,
        nested="nested" in found.flags,
        unmetered="unmetered" in found.flags,
        command=command,
        home=found.home,
        no_input="no_input" in found.flags,
        quiet="quiet" in found.flags,
        verbose="verbose" in found.flags,
        help="help" in found.flags,
        metered="metered" in found.flags,
        limits=tuple(found.limits),
        env_files=tuple(found.env_files),
        as_files=tuple(found.as_files),
    )


def _check(found: _Found, command: tuple[str, ...]) -> None:
    if not command or not command[0]:
        raise UsageError("there is no program after --", _FORM)
    if "all" in found.flags and found.names:
        raise UsageError(
            f"--all and the name {found.names[0]} exclude each other", "name the keys, or give --all alone"
        )
    if {"metered", "unmetered"} <= found.flags:
        raise UsageError("--metered and --unmetered exclude each other", "give one of them")
    if found.as_files and "metered" in found.flags:
        raise UsageError("--as-file and --metered exclude each other", "a metered program gets a token, in a variable")
    if found.limits and "metered" not in found.flags:
        raise UsageError(f"{found.limits[0][0]} limits a run that is metered", "add --metered")
    options = [option for option, _ in found.limits if option != "--model"]
    twice = next((option for option in options if options.count(option) > 1), "")
    if twice:
        raise UsageError(f"{twice} stands there twice", "give it once")


def _read(words: Sequence[str], found: _Found) -> None:
    """Read the words before `--`; stop at --help, which needs nothing else to be right."""
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            if option in _WITH_VALUE:
                _take_value(found, option, value if equals else next(rest, ""), joined=bool(equals))
            else:
                found.flags.add(_flag(option, has_value=bool(equals)))
        elif word.startswith("-"):
            found.flags.update(_short_flags(word))
        elif word:
            found.names.append(word)
        else:
            raise UsageError("an empty word stands where a key's name is expected", _FORM)
        if "help" in found.flags:
            return


def _take_value(found: _Found, option: str, value: str, *, joined: bool) -> None:
    if not value or (value.startswith("--") and not joined):
        raise UsageError(f"{option} needs a value", f"write {option} {_WITH_VALUE[option]}")
    if option == "--home":
        found.home = value
        return
    if option == "--env-file":
        found.env_files.append(value)
        return
    if option in _OF_METERED:
        found.limits.append((option, value))
        return
    variable, _, name = value.partition("=")
    if not variable or not name:
        raise UsageError(f"{option} {value} is not of the form VAR=NAME", f"such as {option} MY_KEY=openai")
    if option == "--as-file":
        found.as_files.append(variable)
    other = found.env.setdefault(variable, name)
    if other != name:
        raise UsageError(f"{other} and {name} are both to be set in {variable}", "give each key its own variable")


def _flag(option: str, *, has_value: bool) -> str:
    if option not in _FLAGS:
        raise _unknown(option)
    if has_value:
        raise UsageError(f"{option} takes no value", f"write {option} alone")
    return _FLAGS[option]


def _short_flags(word: str) -> list[str]:
    letters = word[1:]
    if not letters or any(letter not in _SHORT for letter in letters):
        raise _unknown(word)
    return [_SHORT[letter] for letter in letters]


def _unknown(option: str) -> UsageError:
    from aikeys.names import meant

    hint = meant(option, [*_FLAGS, *_WITH_VALUE], "aikeys exec --help lists the options")
    return UsageError(f"exec has no option {option}", hint)


def _no_separator() -> UsageError:
    return UsageError("exec needs -- before the program", _FORM)
