"""Files of `exec --env-file` (pure): variables for the program, and `aikeys://NAME` where a key goes.

- A file chooses no key by itself: each NAME has to stand on the command line, too.
- While a key is lent, what would send it elsewhere or load code beside it is left out and named: addresses, proxies,
  certificates, loaders. A key's address is always its own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from aikeys.errors import UsageError

SCHEME = "aikeys://"
_STEERS = re.compile(
    r"(?:.*_(?:BASE_URL|ENDPOINT|API_BASE|API_HOST|API_URL|PROXY)|SSL_.*|LD_.*|DYLD_.*|PATH|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|"
    r"PYTHON.*|BASH_ENV|ENV|GIT_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|PERL5.*|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|AIKEYS_.*)\Z",
    re.IGNORECASE,
)


class FileVariables(NamedTuple):
    """What a file says: plain variables, variables with the key that goes there, and those left out."""

    plain: tuple[tuple[str, str], ...]
    keys: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]


def read(text: str, path: str, named: Collection[str]) -> FileVariables:
    """Return what a file says; UsageError for a line that cannot be read, or a key that was not named."""
    from io import StringIO

    from dotenv.parser import parse_stream

    plain: dict[str, str] = {}
    keys: dict[str, str] = {}
    for binding in parse_stream(StringIO(text.removeprefix("\ufeff"), newline="")):
        if binding.error:
            raise UsageError(
                f"{path}:{binding.original.line} cannot be read", "write NAME=value; a quote may be missing"
            )
        if binding.key is None or binding.value is None:
            continue
        plain.pop(binding.key, None)
        keys.pop(binding.key, None)
        if binding.value.startswith(SCHEME):
            keys[binding.key] = binding.value.removeprefix(SCHEME)
        else:
            plain[binding.key] = binding.value
    unnamed = next((name for name in keys.values() if name not in named), None)
    if unnamed is not None:
        raise UsageError(
            f"{path} asks for the key {unnamed}, which was not named",
            f"if this program is to have it: aikeys exec {unnamed} --env-file {path} -- CMD",
        )
    left_out = tuple(variable for variable in plain if _STEERS.match(variable))
    passed = tuple((variable, value) for variable, value in plain.items() if variable not in left_out)
    return FileVariables(passed, tuple(keys.items()), left_out)
