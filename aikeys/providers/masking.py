"""Takes the secrets of a call out of its reply (pure): where bytes come in, before anything is read, kept or sent on.

    came = intake([secret], status, fields)    both transports call it, once a reply
    came.headers                               by name, in lower case
    came.feed(piece) -> bytes                  the body, unpacked, cut anywhere
    came.close() -> bytes                      what was held back when the body came to its proper end

- Each byte of a secret becomes `*`: length, framing and encoding stay. All other bytes stay, and come out in order.
- Held back is only what may be the beginning of a secret; where a reply breaks off it is not handed on.
- A secret is known in these forms: as it is, each character also as JSON or as percent-encoding writes it; in hex; in
  base64 of both alphabets, wherever it begins in a group of three bytes. Of base64 the letter that also holds bits of
  what stands before stays: it tells four bits of the secret at most.
- Secrets of LONG bytes and more are looked for everywhere, those of SHORT and more in headers and in replies that are
  no success, shorter ones and the words of PLACEHOLDERS nowhere: a reply may well hold them by chance.

Nothing else is promised: who wants to publish a key that was sent to them can.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product, takewhile
from typing import NamedTuple

from aikeys.secret import Secret

LONG, SHORT = 12, 8
PLACEHOLDERS = frozenset(
    (
        *("ollama", "none", "null", "dummy", "empty", "local", "localhost", "unused", "ignored", "anything", "test"),
        *("lm-studio", "lmstudio", "llama.cpp", "llama-cpp", "llamafile", "vllm", "jan", "koboldcpp", "litellm"),
        *("not-needed", "not_needed", "notneeded", "not-required", "not-used", "no-key", "no-key-required", "nokey"),
        *("sk-no-key-required", "sk-dummy", "sk-test", "sk-xxx", "sk-1234", "sk-12345", "sk-local", "dummy-key"),
        *("dummy-api-key", "dummy_api_key", "fake-key", "fake-api-key", "test-key", "test-api-key", "local-key"),
        *("placeholder", "changeme", "change-me", "example", "secret", "password", "api-key", "api_key", "apikey"),
        *("token", "token-abc123", "your-api-key", "your_api_key", "your-api-key-here", "your_api_key_here"),
    )
)
"""Texts that stand where a server wants some key and looks at none: no secrets. Compared without regard to case."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ODD_LETTERS = {"+": b"-", "/": b"_"}
_SHORT_ESCAPES = b'"\\/'
_PRINTABLE = re.compile(rb"[ -~]{%d,}" % SHORT)
_MARKS = (b"\\", b"%")
_LONGEST_SIGN = len(rb"\u0073")
_FIRST = 4
"""So many bytes tell where a secret may begin. They are kept in memory: few enough, and most are a brand's."""

Ways = tuple[bytes, ...]
"""The ways one sign may be written."""


class _Form(NamedTuple):
    """A way to write a whole secret: its signs one after the other, and letters that may follow and belong to it.

    `plain`: the first signs as they are, up to one that may be the beginning of an escape.
    """

    signs: tuple[Ways, ...]
    last: frozenset[int] = frozenset()
    plain: bytes = b""


class Intake:
    """One reply as it comes in, without the secrets of its call."""

    def __init__(self, headers: dict[str, str], sought: Sequence[_Sought]) -> None:
        self.headers = headers
        self._sought = sought
        self._held = b""
        self._hidden = 0  # so many of the bytes that are held are known to be of a secret

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes of the body; return those that can go on."""
        return self._passed(piece, is_last=False) if self._sought else piece

    def close(self) -> bytes:
        """The body came to its end: return the rest of it."""
        return self._passed(b"", is_last=True) if self._held else b""

    def _passed(self, piece: bytes, *, is_last: bool) -> bytes:
        data = self._held + piece if self._held else piece
        spans, end = _found(self._sought, data, is_last=is_last)
        if self._hidden:
            spans.append((0, self._hidden))
        self._hidden = max([0, *(stop - end for _, stop in spans)])
        self._held = data[end:]
        return _starred(data[:end], spans)


def intake(secrets: Iterable[Secret], status: int, fields: Iterable[tuple[str, str]]) -> Intake:
    """Begin a reply to a call that carried these secrets; `fields` are its header fields, in any case."""
    values = [secret.reveal() for secret in secrets]
    pairs = [(name.lower(), value) for name, value in fields]
    headers = _without(values, pairs)
    least = LONG if 200 <= status < 300 else SHORT
    return Intake(headers, [_Sought(value) for value in values if is_sought(value, least)])


def is_sought(secret: bytes, least: int = LONG) -> bool:
    """Tell whether a secret is long enough to be looked for, and no word that stands in its place."""
    return len(secret) >= least and secret.lower().decode("utf-8", "replace") not in PLACEHOLDERS


class Search:
    """Looks for secrets in texts that are there already, those from SHORT bytes on."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        known = [secret for secret in secrets if is_sought(secret, SHORT)]
        self._sought = [_Sought(secret) for secret in known]
        self._is_plain = all(_PRINTABLE.fullmatch(secret) for secret in known)

    def finds(self, data: bytes) -> bool:
        """Tell whether a secret stands in it; digests between the texts cost little."""
        if self._is_plain:
            data = b"\n".join(_PRINTABLE.findall(data))
        return bool(_found(self._sought, data, is_last=True)[0])

    def masked(self, text: str) -> str:
        """Return a text without the secrets."""
        return _masked(self._sought, text)


def _without(secrets: Sequence[bytes], fields: list[tuple[str, str]]) -> dict[str, str]:
    values = [secret for secret in secrets if is_sought(secret, SHORT)]
    found = dict(fields)
    if not values:
        return found
    sought = [_Sought(value) for value in values]
    together = "\n".join(found.values())
    if any(each.may_be_in(together) for each in sought):
        found = {name: _masked(sought, value) for name, value in found.items()}
    if max(map(len, found), default=0) >= min(map(len, values)):  # no form is shorter than what it stands for
        folded = [_Sought(value, fold=True) for value in values]
        found = {_masked(folded, name): value for name, value in found.items()}
    return found


def _masked(sought: Sequence[_Sought], text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    spans, _ = _found(sought, data, is_last=True)
    return _starred(data, spans).decode("utf-8", "surrogateescape") if spans else text


def _found(sought: Sequence[_Sought], data: bytes, *, is_last: bool) -> tuple[list[tuple[int, int]], int]:
    """Return where secrets stand, and from where on one may have begun that is not whole yet."""
    spans: list[tuple[int, int]] = []
    end = len(data)
    for each in sought:
        at = 0
        while (start := each.starts(data, at)) is not None and start < end:
            stop, is_open = each.reach(data, start)
            if is_open and not is_last:
                end = start
                break
            if stop:
                spans.append((start, stop))
            at = start + 1  # secrets may overlap
    return spans, end


def _starred(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    if not spans:
        return data
    found = bytearray(data)
    for start, stop in spans:
        last = min(stop, len(data))
        found[start:last] = b"*" * (last - start)
    return bytes(found)


class _Sought:
    """One secret that is looked for; `fold` where the text is in lower case, whatever it was."""

    __slots__ = ("_fold", "_forms", "_secret", "_starts")

    def __init__(self, secret: bytes, *, fold: bool = False) -> None:
        self._secret = secret
        self._fold = fold
        self._starts = _beginnings(secret[:_FIRST], fold=fold)
        self._forms: tuple[_Form, ...] = ()

    def may_be_in(self, text: str) -> bool:
        return self._starts.search(text.encode("utf-8", "surrogateescape")) is not None

    def starts(self, data: bytes, at: int) -> int | None:
        """Return where one may begin next."""
        found = self._starts.search(data, at)
        return None if found is None else found.start()

    def reach(self, data: bytes, start: int) -> tuple[int, bool]:
        """Return where a secret that begins here ends (0: none does), and whether more bytes could make one, or more
        of it."""
        if data.startswith(self._secret, start):
            return start + len(self._secret), False
        self._forms = self._forms or _forms(self._secret, fold=self._fold)
        reached = [_reach(form, data, start) for form in self._forms]
        return max(stop for stop, _ in reached), any(is_open for _, is_open in reached)


def _run(plain: bytes, data: bytes, start: int) -> int:
    """Return how many signs stand there as they are: no other way of such a sign begins alike, so that is certain."""
    there = data[start : start + len(plain)]
    return next((at for at, (one, other) in enumerate(zip(plain, there, strict=False)) if one != other), len(there))


def _reach(form: _Form, data: bytes, start: int) -> tuple[int, bool]:
    is_open, size = False, len(data)
    if size - start >= _LONGEST_SIGN and not data.startswith(form.signs[0], start):
        return 0, False
    run = _run(form.plain, data, start)
    ends = {start + run}
    for ways in form.signs[run:]:
        following: set[int] = set()
        for at in ends:
            for way in ways:
                if data.startswith(way, at):
                    following.add(at + len(way))
                elif size - at < len(way) and way.startswith(data[at:]):
                    is_open = True
        if not following:
            return 0, is_open
        ends = following
    stop = max(ends)
    if form.last and stop == size:
        return stop, True
    return stop + (stop < size and data[stop] in form.last), is_open


def _forms(secret: bytes, *, fold: bool) -> tuple[_Form, ...]:
    plain = _Form(tuple(_written(sign) for sign in secret))
    in_hex = _Form(tuple(_cases(digit) for digit in secret.hex()))
    forms: tuple[_Form, ...] = (plain, in_hex, *(_in_base64(secret, before) for before in range(3)))
    if fold:
        forms = tuple(_folded(form) for form in forms)
    return tuple(form._replace(plain=_plain(form.signs)) for form in forms)


def _plain(signs: tuple[Ways, ...]) -> bytes:
    return b"".join(takewhile(lambda first: first not in _MARKS, (ways[0] for ways in signs)))


@lru_cache(maxsize=256)
def _written(sign: int) -> Ways:
    """Return a byte as it is, as JSON may write it, and as percent-encoding does."""
    ways = [bytes((sign,)), *(b"%" + digits for digits in _digits(sign))]
    if sign in _SHORT_ESCAPES:
        ways.append(bytes((0x5C, sign)))
    if sign < 0x80:
        ways += [b"\\u00" + digits for digits in _digits(sign)]
    return tuple(ways)


def _digits(sign: int) -> Ways:
    return tuple(map(b"".join, product(*(_cases(digit) for digit in f"{sign:02x}"))))


def _cases(digit: str) -> Ways:
    return tuple(dict.fromkeys((digit.encode(), digit.upper().encode())))


def _in_base64(secret: bytes, before: int) -> _Form:
    """Return the letters that are the secret's alone where so many bytes of its group of three stand before it."""
    bits = 8 * (before + len(secret))
    letters = b64encode(bytes(before) + secret + bytes(2)).decode()
    whole, rest = divmod(bits, 6)
    signs = tuple(_letter(letter) for letter in letters[-(-8 * before // 6) : whole])
    if not rest:
        return _Form(signs)
    least = _ALPHABET.index(letters[whole])
    mixed = _ALPHABET[least : least + (1 << (6 - rest))]
    return _Form(signs, frozenset(way[0] for letter in mixed for way in _letter(letter) if len(way) == 1))


@lru_cache(maxsize=64)
def _letter(letter: str) -> Ways:
    """Return a letter of base64 as both alphabets have it; the two that JSON and addresses escape, so too."""
    other = _ODD_LETTERS.get(letter)
    return (letter.encode(),) if other is None else (other, *_written(ord(letter)))


def _folded(form: _Form) -> _Form:
    signs = tuple(tuple(dict.fromkeys(way.lower() for way in ways)) for ways in form.signs)
    return _Form(signs, frozenset(ord(chr(letter).lower()) for letter in form.last))


@lru_cache(maxsize=256)
def _beginnings(first: bytes, *, fold: bool) -> re.Pattern[bytes]:
    """Return what finds where a secret that begins so may stand, in any form, also one that the text's end cuts."""
    return re.compile(b"|".join(_beginning(form.signs) for form in _forms(first, fold=fold)))


def _beginning(signs: tuple[Ways, ...]) -> bytes:
    pattern = b""
    for ways in reversed(signs[1:]):
        whole = b"(?:" + b"|".join(map(re.escape, ways)) + b")" + pattern
        pattern = b"(?:" + b"|".join((whole, *_cut(ways, 0))) + b")"
    # each branch begins with a byte of its own: that is how a search skips what cannot begin one
    return b"|".join((*(re.escape(way) + pattern for way in signs[0]), *_cut(signs[0], 1)))


def _cut(ways: Ways, least: int) -> list[bytes]:
    """Return patterns of a sign that the end of the text cuts, so many bytes of it being there at least."""
    cut = {way[:size] for way in ways for size in range(least, len(way))}
    return [re.escape(part) + rb"\Z" for part in sorted(cut, reverse=True)]
