"""A secret that cannot be printed by accident, and one that was typed where a name belongs.

`reveal()` is the one way out: grep for it. What surely is a key or a token (`refuse_secret`) is kept nowhere; what only
looks like one (`hidden`) is not repeated.
"""

from __future__ import annotations

from typing import NoReturn

from aikeys.errors import UsageError

TOKEN_PREFIX = "aik_"  # noqa: S105  it is none
_SHORTEST = 8
_MASK = "‹secret›"
_TELLING = 20
"""From so many characters on what follows the prefix is a token, or a part of one, and no name."""
_CHANGES_OF_20 = 9
_KEY = (  # as the keys of providers begin, and then long and random
    r"(?<![A-Za-z0-9])(?:sk-|sk_|csk-|AIza|AQ\.|gsk_|xai-|hf_|pplx-(?=[A-Za-z0-9]{20})|r8_|nvapi-|ABSK|AKIA|ASIA|tgp_v1_|fw_|dapi|gh[a-z]_"
    r"|github_pat_|xox[a-z]-|glpat-|api_org_)(?=[\w.~+-]*\d|[\w.~+-]{30})[\w.~+-]{12,}"
)
_TOKEN = rf"{TOKEN_PREFIX}[A-Za-z0-9]{{{_TELLING},}}"
_KEY_LIKE = (  # or as tokens begin, however short, or 20 letters and digits in one run
    r"(?<![A-Za-z0-9])(?:aik_|sk-|AIza|gsk_|xai-|hf_|pplx-|csk-|nvapi-)[\w.~+-]{4,}"
    r"|(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20,}"
)


class Secret:
    """Bytes that never show in str, repr, format, a traceback's locals or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Return the secret's bytes."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")


class KeySecret(Secret):
    """The secret of a key, with what its sealed row says of how it may travel.

    `allows_http`: over plain http to an address of a private network, not only to this machine.
    """

    __slots__ = ("allows_http",)

    def __init__(self, value: bytes, *, allows_http: bool = False) -> None:
        super().__init__(value)
        self.allows_http = allows_http


def without_keys(text: str) -> str:
    """Return a text without what surely is a key or a token; ids that look like one stay."""
    if len(text) < _SHORTEST:
        return text
    import re

    return re.sub(f"{_KEY}|{_TOKEN}", "…", text, flags=re.ASCII)


def hidden(text: str) -> str:
    """Return a text in which nothing stands any more that looks like a key or a token."""
    if len(text) < _SHORTEST:
        return text
    import re

    return re.sub(f"{_KEY}|{_KEY_LIKE}", "…", text, flags=re.ASCII)


def looks_random(text: str) -> bool:
    """Tell whether a text has 20 letters and digits and changes between small, large and digit as only chance does.

    So base64 is found where slashes part it, and a key of letters alone; names of models are made of words.
    """
    kinds = [0 if sign.islower() else 1 if sign.isupper() else 2 for sign in text if sign.isascii() and sign.isalnum()]
    changes = sum(kinds[at] != kinds[at - 1] for at in range(1, len(kinds)))
    return len(kinds) >= _TELLING and changes * 20 >= len(kinds) * _CHANGES_OF_20


def refuse_secret(*texts: str) -> None:
    """Raise UsageError where a token or a key stands in one of these texts, which would be kept and shown."""
    refuse_token(*texts)
    for text in texts:
        if len(text) < _SHORTEST:
            continue
        import re

        if re.search(_KEY, text, re.ASCII):
            raise UsageError(
                "a key stands where a name belongs: it is a secret, and in the history of the shell where it was typed",
                "make a new one at its provider, and give keys when asked or with --stdin: aikeys add NAME",
            )


def refuse_token(*texts: str) -> None:
    """Raise UsageError for a token in one of these texts, which would be kept and shown, without repeating it."""
    for text in texts:
        for rest in text.split(TOKEN_PREFIX)[1:]:
            start = rest[:_TELLING]
            if len(start) == _TELLING and start.isascii() and start.isalnum():
                raise UsageError(
                    "a token stands where a name belongs: it is a secret, is in the shell's history now, and should be "
                    "revoked",
                    "its id: aikeys token show - < FILE; then: aikeys token revoke ID",
                )
