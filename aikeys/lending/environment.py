"""The environment a lent key runs in (pure). Part of `exec`'s hot path: imports next to nothing.

A key and its base URL travel as one pair: a leftover OPENAI_BASE_URL would send the key to a stranger.
"""

from collections.abc import Iterator, Mapping, Sequence
from os import fsdecode, fsencode

from aikeys.errors import BadConfiguration, UsageError
from aikeys.secret import Secret
from aikeys.storage.record import NamedTuple

_MARK = b"AIKEYS_EXEC"
_KEPT_WHEN_CLEAN = frozenset(
    b"PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE TZ TMPDIR XDG_RUNTIME_DIR".split(),
)
_NOT_FOR_KEYS = frozenset(
    b"PATH HOME SHELL USER LOGNAME PWD OLDPWD TERM LANG LANGUAGE TZ TMPDIR TMP TEMP IFS ENV BASH_ENV CDPATH "
    b"PS1 PS2 PS3 PS4 PROMPT_COMMAND SHELLOPTS BASHOPTS ZDOTDIR DISPLAY HOSTNAME MAIL COLUMNS LINES EDITOR VISUAL "
    b"PAGER BROWSER NODE_OPTIONS NODE_PATH PERL5OPT PERL5LIB PERL5DB RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS "
    b"JDK_JAVA_OPTIONS CLASSPATH GCONV_PATH GLIBC_TUNABLES NLSPATH LOCPATH SSH_ASKPASS SUDO_ASKPASS GIT_SSH "
    b"GIT_SSH_COMMAND GIT_ASKPASS GIT_EDITOR GIT_PAGER HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY".split()
)
_NOT_FOR_KEYS_BEGIN = ("LD_", "DYLD_", "PYTHON", "LC_", "XDG_", "MALLOC_", "BASH_FUNC_", "DBUS_")


class LentKey(NamedTuple):
    """A key with everything `exec` sets or clears for it. An empty base URL means the provider's default."""

    name: str
    secret: Secret
    env: tuple[str, ...]
    base_url_env: tuple[str, ...]
    base_url: str
    extra: tuple[tuple[str, str], ...]
    clear: tuple[str, ...]
    is_admin: bool


class _Claim(NamedTuple):
    """What one key wants of one variable; the value None wants it absent."""

    owner: str
    value: bytes | None
    is_secret: bool


def child_environment(
    parent: Mapping[bytes, bytes],
    lent: Sequence[LentKey],
    renamed: Mapping[str, str],
    clean: bool,
    more: Mapping[bytes, bytes] = {},
) -> dict[bytes, bytes]:
    """Return the child's whole environment: `parent` without what is ours or stray, `more`, and the lent keys."""
    values, stray = changes(lent, renamed)
    gone = {fsencode(variable) for variable in stray}
    child = {name: value for name, value in parent.items() if name not in gone and _passes(name, clean)}
    child.update((name, value) for name, value in more.items() if name not in gone)
    child.update((fsencode(variable), value) for variable, value in values.items())
    child[_MARK] = fsencode(",".join(dict.fromkeys(key.name for key in lent)))
    return child


def changes(lent: Sequence[LentKey], renamed: Mapping[str, str]) -> tuple[dict[str, bytes], list[str]]:
    """Return the variables that the keys set, and those that must not be there; UsageError where two need one."""
    keys = {key.name: key for key in lent}
    for key in keys.values():
        _check_key(key)
        if not key.env and key.name not in renamed.values():
            raise UsageError(f"{key.name} has no variable of its own", f"say which: --env VAR={key.name}")
    for variable, name in renamed.items():
        check_variable(variable, f"write --env VAR={name}", f"take another variable, such as --env MY_KEY={name}")
        if name not in keys:
            raise UsageError(f"--env {variable}={name} names a key that is not lent", f"add {name} to the names")
    claims: dict[str, _Claim] = {}
    for key in keys.values():
        for variable, claim in _claims_of(key, renamed):
            _claim(claims, variable, claim)
    values = {variable: claim.value for variable, claim in claims.items() if claim.value is not None}
    stray = [*(variable for key in keys.values() for variable in key.clear), *claims]
    return values, [variable for variable in dict.fromkeys(stray) if variable not in values]


def together(lent: Sequence[LentKey], renamed: Mapping[str, str]) -> set[str]:
    """Return the names of the keys that one program can get together: of two that need one variable, the first."""
    claims: dict[str, _Claim] = {}
    fitting = set()
    for key in lent:
        tried = dict(claims)
        try:
            if not key.env and key.name not in renamed.values():
                continue
            for variable, claim in _claims_of(key, renamed):
                _claim(tried, variable, claim)
        except UsageError:
            continue
        claims = tried
        fitting.add(key.name)
    return fitting


def replaced(parent: Mapping[bytes, bytes], child: Mapping[bytes, bytes], lent: Sequence[LentKey]) -> list[str]:
    """Return the variables of lent keys' addresses that the child gets otherwise than its parent, or not at all."""
    variables = dict.fromkeys(variable for key in lent for variable in (*key.base_url_env, *key.clear))
    return [name for name in variables if (was := parent.get(fsencode(name))) and child.get(fsencode(name)) != was]


def nested(parent: Mapping[bytes, bytes]) -> str | None:
    """Return the keys an outer `aikeys exec` lent (AIKEYS_EXEC), or None outside of one."""
    value = parent.get(_MARK)
    return fsdecode(value) if value else None


def _check_key(key: LentKey) -> None:
    if key.is_admin:
        raise BadConfiguration(
            f"{key.name} is an admin key: exec never hands it out",
            "lend an ordinary key of the same provider instead",
        )
    if b"\0" in key.secret.reveal():
        raise BadConfiguration(
            f"{key.name} contains a NUL byte and cannot stand in an environment variable",
            f"store it again: aikeys rotate {key.name}",
        )


def check_variable(variable: str, form: str, another: str) -> None:
    """Raise UsageError for a name no variable can have, or that steers programs; `form`, `another`: the hints."""
    wrong = (
        not variable or variable[0] in "0123456789" or any(letter in "=\0" or letter.isspace() for letter in variable)
    )
    if wrong:
        raise UsageError(f"{variable!r} cannot be the name of an environment variable", form)
    if variable.startswith("AIKEYS_"):
        raise UsageError(f"{variable} belongs to aikeys and cannot hold a key", form)
    if fsencode(variable.upper()) in _NOT_FOR_KEYS or variable.startswith(_NOT_FOR_KEYS_BEGIN):
        raise UsageError(f"{variable} steers programs, which may print what it holds: no place for a key", another)


def _claims_of(key: LentKey, renamed: Mapping[str, str]) -> Iterator[tuple[str, _Claim]]:
    base_url = fsencode(key.base_url) if key.base_url else None
    for variable in key.base_url_env:
        yield variable, _Claim(key.name, base_url, is_secret=False)
    for variable, value in key.extra:
        yield variable, _Claim(key.name, fsencode(value), is_secret=False)
    elsewhere = [variable for variable, name in renamed.items() if name == key.name]
    for variable in dict.fromkeys(elsewhere or key.env):
        yield variable, _Claim(key.name, key.secret.reveal(), is_secret=True)


def _claim(claims: dict[str, _Claim], variable: str, claim: _Claim) -> None:
    """Note the claim. Two keys may only agree on a variable that holds no secret, such as one base URL."""
    before = claims.get(variable)
    if before is not None:
        if before.owner != claim.owner and (before.is_secret or claim.is_secret or before.value != claim.value):
            raise UsageError(
                f"{before.owner} and {claim.owner} both need {variable}",
                "lend one of them only, or set one key elsewhere with --env VAR=NAME",
            )
        if before.owner == claim.owner and claim.is_secret:
            raise UsageError(
                f"{variable} is already set for {claim.owner} and cannot hold its key", "take another variable"
            )
    claims[variable] = claim


def _passes(name: bytes, clean: bool) -> bool:
    if name == b"AIKEYS_TOKEN" or name.startswith(b"AIKEYS_PASSPHRASE"):
        return False
    return not clean or name in _KEPT_WHEN_CLEAN or name.startswith(b"LC_")
