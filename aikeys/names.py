"""Names that come from outside (pure): the value of a label, the name of a model, of a token, of a key.

Checked once, where they come in: a command line, a file, a request, a line of an import. Inside they are values of
these types and nobody checks them again.

- A name has no outer spaces, nothing that cannot be seen (controls, line ends, marks of direction, zero width), no `*`,
  which stands for each one in a budget, and no quote in front, which quotes. It is in Unicode's composed form (NFC), so
  that two names that look the same are the same.
- An old ledger or token may hold others. They are shown quoted, as a JSON text with everything escaped, and `quoted`
  reads that again: so a budget and a filter can still name them.
- A key's name fits a shell and a file name unquoted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from aikeys.errors import UsageError
from aikeys.secret import hidden, looks_random, refuse_secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NewType

    Label = NewType("Label", str)
    ModelName = NewType("ModelName", str)
    TokenName = NewType("TokenName", str)
    KeyName = NewType("KeyName", str)
else:  # types for the checker alone: `exec` loads this module, and no typing
    Label = ModelName = TokenName = KeyName = str

_LONGEST_COMPARED = 200
LONGEST_LABEL = LONGEST_MODEL = 200
LONGEST_TOKEN_NAME = 100
LONGEST_KEY_NAME = 64
QUOTE = '"'
_SHOWN = 60
_UNSEEN = (  # printable to Python, but nothing is seen of them: fillers, joiners, selectors of a variant
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF),
)  # fmt: skip
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("._-")
_LIKE_KEYS = ("sk-", "AIza", "gsk_", "xai-", "hf_", "pplx-")


def label(text: str, of: str = "the label") -> Label:
    """Return the value of a label; UsageError says what is wrong with `of`."""
    return Label(_checked(text, of, LONGEST_LABEL))


def fit_label(text: str) -> Label | None:
    """Return a value found in the surroundings (git, CI) as a label, None where it cannot be one."""
    try:
        return label(text)
    except UsageError:
        return None


def model_name(text: str) -> ModelName:
    """Return the name of a model as somebody asks for it; UsageError."""
    return ModelName(_checked(text, "the name of the model", LONGEST_MODEL))


def model_pattern(text: str) -> str:
    """Return the same where `*` may stand for any run of characters; UsageError."""
    _checked(text.replace("*", "x"), "the pattern of models", LONGEST_MODEL)
    return composed(text)


def token_name(text: str, of: str = "the token's name") -> TokenName:
    """Return the name of a token; UsageError."""
    return TokenName(_checked(text, of, LONGEST_TOKEN_NAME))


def key_name(text: str) -> KeyName:
    """Return the name of a key; UsageError. What looks like a key itself is refused and not repeated."""
    if not text:
        raise UsageError("a key's name is empty", "give a name such as openai or openai-work")
    if len(text) > LONGEST_KEY_NAME:
        raise UsageError(
            f"a key's name has {len(text)} characters, {LONGEST_KEY_NAME} are allowed", "choose a shorter name"
        )
    if text.startswith(_LIKE_KEYS) or _has_random_run(text) or looks_random(text) or hidden(text) != text:
        raise UsageError(
            "the name looks like a key itself",
            "give the key at the question or with --stdin; if it was one, it is in the shell's history now: replace it",
        )
    if text[0] not in _FIRST or not _REST.issuperset(text):
        raise UsageError(
            f"{shown_key(text)} cannot be a key's name",
            "use a to z, digits, dot, dash and underscore; begin with a letter or a digit",
        )
    return KeyName(text)


def problem(text: str, longest: int = LONGEST_LABEL) -> str:
    """Say why a text is no name, in words that follow it; nothing where it is one."""
    wrong = (
        ("is empty", not text),
        (f"has over {longest} characters", len(text) > longest),
        ("has an unprintable character", not is_seen(text[:longest])),
        ("has outer spaces", text[:1] == " " or text[-1:] == " "),
        ("has a *, which stands for each one in a budget", "*" in text),
        ("begins with a quote", text[:1] == QUOTE),
    )
    found = next((what for what, is_so in wrong if is_so), "")
    return found or (f"has over {longest} characters" if len(composed(text)) > longest else "")


def is_seen(text: str) -> bool:
    """Tell whether every character of a text can be seen where it stands; spaces can."""
    if not text.isprintable():
        return False
    return text.isascii() or not any(_is_unseen(sign) for sign in text)


def composed(text: str) -> str:
    """Return a text in Unicode's composed form (NFC)."""
    if text.isascii():
        return text
    from unicodedata import normalize

    return normalize("NFC", text)


def meant(name: str, known: Iterable[str], otherwise: str = "", most: int = 1) -> str:
    """Return `did you mean …?` with the known names that look like a name, or `otherwise` where none does."""
    from difflib import get_close_matches

    near = get_close_matches(name[:_LONGEST_COMPARED], list(known), n=most)
    return f"did you mean {' or '.join(near)}?" if near else otherwise


def shown(text: str) -> str:
    """Return a refused name as a message may repeat it: on one line, escaped, not endless."""
    return "a long text" if len(text) > _SHOWN else hidden(ascii(text)[1:-1])


def shown_key(text: str) -> str:
    """Return a key's name as a message may repeat it: what looks like a key pasted by mistake is not repeated."""
    if len(text) >= 20 and any(sign in "0123456789" for sign in text):
        return "… (it looks like a key itself)"
    plain = is_seen(text) and text[:1] in _REST and not text.startswith("-")
    return text if text and plain else repr(text) if is_seen(text) else ascii(text)


def written(text: str) -> str:
    """Return a name as `read` takes it again: as it is, or quoted where it is one that no door takes any more."""
    return text if text == composed(text) and not problem(text) else quoted(text)


def quoted(text: str) -> str:
    """Return any text as a JSON text on one line in which everything can be seen."""
    import json

    plain = json.dumps(text, ensure_ascii=False)
    return plain if is_seen(plain) else "".join(sign if is_seen(sign) else _escaped(sign) for sign in plain)


def unquoted(text: str) -> str | None:
    """Return what a quoted text stands for, None where it is not quoted; UsageError where the quoting is wrong."""
    if not text.startswith(QUOTE):
        return None
    import json

    try:
        found = str(json.loads(text if text.endswith(QUOTE) else ""))
        found.encode()
    except ValueError:
        raise UsageError(
            f"{shown(text)} begins with a quote and is not a quoted name", 'write it as JSON: "a \\u001b name"'
        ) from None
    if not found:
        raise UsageError("the quoted name is empty", "leave it out")
    return found


def sought(text: str, group: str) -> str:
    """Return a name to look for, any one where it is quoted; UsageError for an unquoted one that no door takes."""
    old = unquoted(text)
    if old is not None or not text:
        return old or ""
    return key_name(text) if group == "key" else label(text, group)


@lru_cache(maxsize=4096)
def escaped(text: str) -> str:
    """Return a name that may be one of the old ones as one that every door takes: what is wrong in it is escaped."""
    if not text or not problem(text):
        return text
    found = "".join(sign if is_seen(sign) and sign != "*" else _escaped(sign) for sign in text)
    if found[0] in (" ", QUOTE):
        found = _escaped(found[0]) + found[1:]
    if found[-1] == " ":
        found = found[:-1] + _escaped(" ")
    return found if len(found) <= LONGEST_LABEL else found[: LONGEST_LABEL - 1] + "…"


def _checked(text: str, of: str, longest: int) -> str:
    refuse_secret(text)
    if wrong := problem(text, longest):
        hint = f"write at most {longest} characters" if "over" in wrong else "write it in letters that can be seen"
        raise UsageError(f"{of} {wrong}", hint)
    return composed(text)


def _is_unseen(sign: str) -> bool:
    code = ord(sign)
    return any(first <= code <= last for first, last in _UNSEEN)


def _escaped(sign: str) -> str:
    """Return a character as JSON escapes it."""
    code = ord(sign)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def _has_random_run(name: str) -> bool:
    """Tell whether 20 letters and digits stand together, both among them: no word is like that, most keys are."""
    runs = name.replace("_", "-").replace(".", "-").split("-")
    return any(len(run) >= 20 and not run.isalpha() and not run.isdigit() for run in runs)
