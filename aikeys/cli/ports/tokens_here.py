"""The tokens of this home's vault."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from aikeys import clock
from aikeys.cli import access, authority, home, terminal
from aikeys.cli.ports.tokens import TokenList
from aikeys.cli.render.counted import counted
from aikeys.cli.tokens import register as token_register
from aikeys.errors import Damaged, Denied, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aikeys.cli.ports.tokens import WantedTokens
    from aikeys.cli.tokens.register import Chain, Register
    from aikeys.tokens.claims import Claims
    from aikeys.tokens.token_request import TokenRequest
    from aikeys.vault.opening import Place
    from aikeys.vault.tokens.issuing import Issued


class TokensHere:
    """As far as the owner, or the token that asks, may see and change them."""

    def __init__(self) -> None:
        self._register: Register | None = None

    def listed(self, labels: Mapping[str, str], *, everything: bool) -> TokenList:
        from aikeys.cli.tokens.figures import rows

        now_s = clock.now_s()
        where = token_register.place()
        _, authenticated = access.look(where)
        register = self._register = token_register.read(where)
        chains = [
            chain
            for token_id, chain in register.chains.items()
            if (everything or register.tokens.state(token_id, now_s) == "active")
            and labels.items() <= dict(chain[0].labels).items()
        ]
        found = rows(where, register, sorted(chains, key=lambda chain: (chain[0].expires_at, chain[0].id)))
        return TokenList(found, authenticated)

    def require_whole(self) -> None:
        """Raise what nobody may have done to the tokens; an owner's matter, so a holder is not told."""
        from aikeys.vault.tokens.revoking import missing_revocations

        where = token_register.place()
        register = self._register or token_register.read(where)
        if register.holder is not None:
            return
        if register.tokens.wrong:
            ids = ", ".join(register.tokens.wrong)
            raise Damaged(
                f"{counted(len(register.tokens.wrong), 'token row')} edited or forged, opening nothing: {ids}",
                "find out who could write vault.db; delete them: aikeys token prune",
            )
        with closing(where.ledger) as ledger:
            lost = missing_revocations(where, ledger.open())
        if lost:
            raise Damaged(
                f"the vault has lost the revocation of {', '.join(lost)}: the ledger has it, and it stays revoked",
                "find out who could write vault.db; delete what is revoked: aikeys token prune",
            )

    def issue(self, token_request: TokenRequest) -> Issued:
        from aikeys.vault.tokens import issuing

        where = home.place()
        if authority.holder() is not None:  # which may not hear of the names of others
            authority.refuse_on_copy("token issue")
            return issuing.issue_child(where, authority.access(), token_request)
        issued = issuing.issue(where, home.unlock(where).opened, token_request)
        if token_request.name:
            token_register.warn_of_namesakes(where, issued.claims, clock.now_s())
        return issued

    def take_back(self, claims: Claims) -> None:
        from aikeys.storage import ballast
        from aikeys.vault.tokens import revoking

        where = home.place()
        ballast.with_room(where.home, lambda: revoking.revoke(where, [claims.id]))

    def revoke(self, wanted: WantedTokens, ask: Callable[[int], None], *, keep_children: bool) -> None:
        from aikeys.cli.keys import damaged_vault
        from aikeys.storage import ballast
        from aikeys.vault.tokens import revoking

        where = home.place()
        authority.refuse_on_copy("token revoke")
        try:
            register = ballast.with_room(where.home, lambda: token_register.read_to_take_away(where))
        except (Damaged, MachineFailed) as trouble:
            if keep_children or authority.is_holder():
                raise
            damaged_vault.revoke_tokens(where, wanted.named, dict(wanted.labels), trouble, ask)
            return
        forged = _forged(register, wanted)
        chosen = _chosen(register, wanted, forged)
        if not chosen and not forged:
            return
        if not wanted.named:
            ask(len(chosen) + len(forged))
        if keep_children:
            _keep_children(where, register, chosen)
            register = ballast.with_room(where.home, lambda: token_register.read_to_take_away(where))
        done = revoking.revoke(where, [*(chain[0].id for chain in chosen), *map(bytes.fromhex, forged)])
        if chosen:
            _say(register, chosen)
        for each in forged:
            terminal.say(f"revoked token {each}, whose row was edited or forged; delete it: aikeys token prune")
        damaged_vault.say_where(done)


def _forged(register: Register, wanted: WantedTokens) -> list[str]:
    """Return the ids of tokens whose rows were edited: they open nothing, and stay so if their rows are put back."""
    if register.holder is not None:
        return []
    wrong = [each for each in register.tokens.wrong if bytes.fromhex(each) not in register.tokens.revoked_us]
    return [each for each in wrong if wanted.is_all or each in wanted.named]


def _chosen(register: Register, wanted: WantedTokens, forged: Sequence[str]) -> list[Chain]:
    """Return the tokens to revoke, each once, those above first; says so of those that are revoked already."""
    now_s = clock.now_s()
    if wanted.named:
        named = (each for each in wanted.named if each not in forged)
        found = {chain[0].id: chain for chain in map(register.token, named)}
        for chain in found.values():
            register.require_revocable(chain)
        for chain in found.values():
            _say_if_revoked(register, chain)
    else:
        found = {
            token_id: chain
            for token_id, chain in register.chains.items()
            if wanted.labels.items() <= dict(chain[0].labels).items() and register.may_revoke(chain)
        }
    alive = [
        chain
        for token_id, chain in found.items()
        if register.tokens.state(token_id, now_s) != "revoked" and (wanted.named or chain[0].expires_at > now_s)
    ]
    if not wanted.named and not alive:
        terminal.say("there is no such token that is active")
    return sorted(alive, key=len)


def _say_if_revoked(register: Register, chain: Chain) -> None:
    gone = next((each for each in chain if each.id in register.tokens.revoked_us), None)
    if gone is None:
        return
    at = clock.rfc3339(register.tokens.revoked_us[gone.id] / 1e6)
    because = "" if gone.id == chain[0].id else f", with {token_register.named(gone)}"
    terminal.say(f"token {token_register.named(chain[0])} was revoked already: {at}{because}")


def _keep_children(where: Place, register: Register, chosen: Sequence[Chain]) -> None:
    """Give the children of each token to its parent, signed by the vault."""
    from aikeys.vault.tokens import revoking

    if register.holder is not None:
        raise Denied(
            "--keep-children needs the vault's signature, which no token can give",
            "the owner of the vault can, without AIKEYS_TOKEN",
        )
    opened = home.unlock(where).opened
    kept = [claims for chain in chosen for claims in revoking.take_over_children(where, opened, chain[0].id)]
    terminal.say(f"kept {counted(len(kept), 'token')} that they issued" if kept else "they issued no token")


def _say(register: Register, chosen: Sequence[Chain]) -> None:
    """Say what was revoked, and how many active tokens below went with it."""
    now_s = clock.now_s()
    ids = {chain[0].id for chain in chosen}
    below = {
        token_id
        for token_id, chain in register.tokens.chains.items()
        if token_id not in ids
        and any(each.id in ids for each in chain[1:])
        and register.tokens.state(token_id, now_s) == "active"
    }
    what = f"token {token_register.named(chosen[0][0])}" if len(chosen) == 1 else counted(len(chosen), "token")
    with_it = (
        f", and {counted(len(below), 'token')} issued with {'it' if len(chosen) == 1 else 'them'}" if below else ""
    )
    terminal.say(f"revoked {what}{with_it}")
    if any(chain[0].holds_raw_keys for chain in chosen):
        terminal.say("whoever used it may have kept the keys themselves: where in doubt, aikeys rotate NAME")
