"""The tokens of a vault as whoever runs this command may see them: all for the owner, some for a token's holder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aikeys.cli import home, terminal
from aikeys.errors import AikeysError, Denied, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aikeys.tokens.claims import Claims
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.admission import Holder
    from aikeys.vault.tokens.revoking import Tokens

Chain = tuple["Claims", ...]


class Register(NamedTuple):
    """Every token, and who asks: None for the owner."""

    tokens: Tokens
    holder: Holder | None
    chains: dict[bytes, Chain]
    """Those that may be seen, each with the claims above it."""

    @property
    def caller(self) -> Chain:
        """Return the chain of the token that asks, nothing for the owner."""
        return (self.holder.claims, *self.holder.above) if self.holder else ()

    def token(self, wanted: str) -> Chain:
        """Return the token with this id, beginning of an id, or name; NotFound also where it may not be seen."""
        from aikeys import clock
        from aikeys.tokens.finding import find_token

        if wanted in self.tokens.wrong and self.holder is None:
            raise NotFound(
                f"the row of token {wanted} was edited or forged: it opens nothing", "delete it: aikeys token prune"
            )
        now_s = clock.now_s()
        known = {token_id: (chain[0], self.tokens.state(token_id, now_s)) for token_id, chain in self.chains.items()}
        return self.chains[find_token(known, wanted, now_s).id]

    def may_revoke(self, chain: Chain) -> bool:
        """Tell whether whoever asks may revoke a token: the owner any, a holder none above its own."""
        from aikeys.tokens.visibility import may_revoke

        return self.holder is None or may_revoke(self.caller, chain)

    def require_revocable(self, chain: Chain) -> None:
        """Raise Denied where a holder may see a token and not revoke it."""
        if self.holder is not None and not self.may_revoke(chain):
            raise Denied(
                f"token {self.holder.shown_id} may not revoke {chain[0].shown_id}, from which it descends",
                "the owner of the vault can",
            )


def read(where: Place) -> Register:
    """Return the tokens; Damaged, NotFound without a vault."""
    from aikeys.vault.tokens.revoking import read_tokens

    return _register(read_tokens(where))


def read_to_take_away(where: Place) -> Register:
    """Return the same where a ledger that is missing or cannot be read is no reason to stop."""
    from aikeys.vault.tokens.revoking import read_without_ledger

    try:
        return read(where)
    except AikeysError as error:
        without = read_without_ledger(where)
        terminal.warn(error.message)
        return _register(without)


def _register(tokens: Tokens) -> Register:
    from aikeys.cli import authority
    from aikeys.tokens.visibility import visible

    holder = authority.holder()
    chains = tokens.chains
    if holder is not None:
        chains = {token_id: chain for token_id, chain in chains.items() if visible(holder.claims, chain)}
    return Register(tokens, holder, chains)


def refuse_secret(given: str) -> str:
    """Return an id or a name; UsageError where a token's text was given, which is in the shell's history now."""
    from aikeys.tokens import text

    if not given.strip().startswith(text.PREFIX):
        return given
    try:
        which = text.read(given).name
    except AikeysError:
        which = "ID"
    raise UsageError(
        "a token was given as an argument: it is in the shell's history now, and should be revoked",
        f"aikeys token revoke {which}; to look at one: aikeys token show - < FILE",
    )


def active(where: Place, now_s: int) -> list[Claims]:
    """Return the active tokens, by age; nothing where the tokens cannot be read."""
    from aikeys.vault.tokens.revoking import read_tokens

    try:
        tokens = read_tokens(where)
    except AikeysError:
        return []
    found = [claims for token_id, claims in tokens.claims.items() if tokens.state(token_id, now_s) == "active"]
    return sorted(found, key=lambda claims: (claims.issued_at, claims.id))


def warn_of_namesakes(where: Place, new: Claims, now_s: int) -> None:
    """Warn where an active token has the name of a new one: by its name neither can be told from the other."""
    same = [claims for claims in active(where, now_s) if new.name and claims.name == new.name and claims.id != new.id]
    if same:
        further = f" and {len(same) - 1} more" if len(same) > 1 else ""
        verb = "are" if further else "is"
        terminal.warn(f"token {same[0].shown_id}{further} {verb} called {new.name}, too: name each by its id")


def ending(where: Place, now_s: int) -> list[Claims]:
    """Return the active tokens that end within three days, though they were made to last."""
    from aikeys.tokens.visibility import ends_soon

    if not _might_end(where, now_s):  # the usual answer, without checking any signature
        return []
    return [claims for claims in active(where, now_s) if ends_soon(claims, now_s)]


def _might_end(where: Place, now_s: int) -> bool:
    from aikeys.tokens.claims import decode
    from aikeys.tokens.visibility import ends_soon
    from aikeys.vault.token_rows import read_links

    try:
        with where.vault.reading() as connection:
            links = read_links(connection, where.vault.path)
            return any(ends_soon(decode(link.claims), now_s) for link in links)
    except AikeysError:
        return False


def say_gone(gone: Sequence[Claims]) -> None:
    """Say which tokens open nothing any more because the vault has a new signing key."""
    for claims in gone:
        whom = ", ".join(f"{name} {value}" for name, value in claims.labels)
        terminal.say(f"revoked token {named(claims)}{f', {whom}' if whom else ''}; issue it again if it is needed")


def key_losers(where: Place, key_id: bytes, now_s: int) -> list[Claims]:
    """Return the active tokens that hold a key and will lose it; nothing where the tokens cannot be read."""
    return [claims for claims in active(where, now_s) if claims.is_granted_keys and claims.reaches(key_id)]


def named(claims: Claims) -> str:
    """Return a token as a sentence names it."""
    return f"{claims.shown_id} ({claims.name})" if claims.name else claims.shown_id


def place() -> Place:
    """Return where the vault is; NotFound without one."""
    from aikeys.vault.opening import require_vault

    where = home.place()
    require_vault(where)
    return where


def print_ids() -> None:
    """Print the ids of active tokens for a shell's completion; opens nothing, silent where there is nothing to read."""
    from aikeys import clock
    from aikeys.cli import authority
    from aikeys.tokens.visibility import visible
    from aikeys.vault.tokens.revoking import read_tokens

    where, now_s = home.place(), clock.now_s()
    shown = active(where, now_s)
    if authority.is_holder():
        who = authority.admitted_quietly()
        chains = read_tokens(where).chains if who else {}
        shown = [claims for claims in shown if who and visible(who.claims, chains.get(claims.id, (claims,)))]
    for claims in shown:
        terminal.out(claims.shown_id)
