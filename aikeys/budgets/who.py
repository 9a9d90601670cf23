"""Budget targets, `WHO` (pure): as people write them, as they are stored, and which ones a call counts for.

- `org` is everybody; `team:support` one; `team:*` each team without a budget of its own over the same period. A name
  that no door takes any more, but an old ledger may hold, is written as a JSON text: `team:"*"`.
- A user is stored as `user:` and the digest that stands for the name (ledger.entries.person_digest), in hex.
- Two stored forms, so that a name can never be taken for the wildcard. `Somebody` (calls, counters, reservations) is
  always concrete: there `team:*` is the team with that name. `Limited` (the table of budgets, its acts) may stand for
  each: there `team:*` is each team, and the team with that name is `team=*`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, NewType

from aikeys import names
from aikeys.errors import UsageError
from aikeys.ledger.calls import Context
from aikeys.secret import refuse_secret

ORG, USER, KEY, TOKEN, EACH = "org", "user", "key", "token", "*"
HIGHER = "a higher limit"
"""The name of a budget whose own name and amounts the caller may not see."""
LABELLED = ("team", "project", "environment", USER, KEY, TOKEN)
_DIGEST_DIGITS, _TOKEN_DIGITS = 64, 16
_HEX = frozenset("0123456789abcdef")
_FORMS = "org, team:support, team:*, project:x, environment:prod, user:ana, key:openai or token:ID"
_ODD = """'team:"a\\u001b"'"""

Somebody = NewType("Somebody", str)
Limited = NewType("Limited", str)


class Who(NamedTuple):
    """A WHO taken apart; `name` is empty for org and for each, else a name or a user's stored digest."""

    kind: str
    name: str = ""
    is_each: bool = False

    def __str__(self) -> str:
        if self.kind == ORG:
            return ORG
        return f"{self.kind}:{EACH if self.is_each else names.written(self.name)}"

    @property
    def limited(self) -> Limited:
        """The stored form of whom a budget limits."""
        return Limited(f"{self.kind}:{EACH}") if self.is_each else own_of(self.somebody)

    @property
    def somebody(self) -> Somebody:
        """The stored form of somebody concrete; never asked of a WHO that stands for each."""
        return somebody(self.kind, self.name)


def parse_who(text: str) -> Who:
    """Return a WHO as a person writes it; UsageError names what is wrong. A token is named by its whole id."""
    refuse_secret(text)
    kind, colon, name = text.partition(":")
    if kind == ORG and not colon:
        return Who(ORG)
    if kind not in LABELLED:
        hint = names.meant(kind, [ORG, *LABELLED])
        raise UsageError(f"{names.shown(text)} is not a budget target", f"{hint} write {_FORMS}".strip())
    if not name:
        raise UsageError(f"{kind}: lacks a name", f"write {_FORMS}")
    if name == EACH:
        return Who(kind, is_each=True)
    old = names.unquoted(name)
    return Who(kind, _checked(kind, name) if old is None else old)


def _checked(kind: str, name: str) -> str:
    """Return a name that somebody can have; UsageError."""
    if kind == TOKEN:
        return _token_id(name)
    if EACH in name:
        raise UsageError(f"{names.shown(name)} mixes a name and *", f"{kind}:* stands for each {kind}, alone")
    if kind == KEY:
        return names.key_name(name)
    try:
        return names.label(name, f"the name of a {kind}")
    except UsageError as wrong:
        raise UsageError(wrong.message, f"write {_FORMS}; an odd name of an old ledger as JSON: {_ODD}") from None


def _token_id(name: str) -> str:
    """Return the id of a token: calls are counted by it, a budget by another name would limit nobody."""
    digits = name.lower()
    if len(digits) != _TOKEN_DIGITS or set(digits) - _HEX:
        raise UsageError(
            f"{names.shown(name)} is not a token id, which has {_TOKEN_DIGITS} digits", "see: aikeys token list"
        )
    return digits


def somebody(kind: str, name: str) -> Somebody:
    """Return the stored form of somebody: their kind and name, empty for org."""
    return Somebody(f"{kind}:{name}" if name else kind)


def own_of(who: Somebody) -> Limited:
    """Return the stored form of the budget that limits somebody alone."""
    kind, colon, name = who.partition(":")
    return Limited(f"{kind}={EACH}" if colon and name == EACH else who)


def each_of(who: Somebody) -> Limited:
    """Return the wildcard that somebody falls under, itself for org."""
    kind, colon, _ = who.partition(":")
    return Limited(f"{kind}:{EACH}" if colon else who)


def limited_who(text: Limited) -> Who:
    """Return whom a stored budget limits."""
    kind, colon, name = text.partition(":")
    if not colon and kind.endswith(f"={EACH}"):
        return Who(kind.removesuffix(f"={EACH}"), EACH)
    return Who(kind, is_each=True) if name == EACH else Who(kind, name)


def concrete_who(who: Somebody) -> Who:
    """Return somebody, taken apart."""
    kind, _, name = who.partition(":")
    return Who(kind, name)


def is_limited(text: str) -> bool:
    """Tell whether a text is the stored form of whom a budget limits."""
    who = limited_who(Limited(text))
    if who.is_each or (who.name == EACH and who.kind != USER):
        return who.kind in LABELLED
    return is_somebody(text)


def is_somebody(text: str) -> bool:
    """Tell whether a text is the stored form of somebody."""
    kind, colon, name = text.partition(":")
    if kind != USER:
        return text == ORG or (kind in LABELLED and bool(colon and name))
    return len(name) == _DIGEST_DIGITS and not set(name) - _HEX


def whos_of(context: Context, user: bytes, ancestors: Sequence[str] = ()) -> tuple[Somebody, ...]:
    """Return the WHOs, in stored form, that a call counts for; `user` is the digest of its user, empty for nobody.

    What a token spends counts for its `ancestors`, too.
    """
    labels = context.labels
    found = (labels.team, labels.project, labels.environment, user.hex(), context.key, context.token)
    above = (somebody(TOKEN, token) for token in ancestors)
    return (Somebody(ORG), *(somebody(kind, name) for kind, name in zip(LABELLED, found, strict=True) if name), *above)
