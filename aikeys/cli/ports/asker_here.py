"""Asks providers with the keys of this home's vault; what it costs is reserved and settled in its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikeys.cli import access, home, models, terminal
from aikeys.cli.prompts import request as prompt_request
from aikeys.spending.blocking import CallRequest

if TYPE_CHECKING:
    from aikeys.cli.models import ModelIndex
    from aikeys.cli.ports.asker import AskedPrompt
    from aikeys.cli.prompts.replies import Replies
    from aikeys.cli.prompts.session import PromptSession
    from aikeys.ledger.calls import Labels
    from aikeys.names import Label
    from aikeys.spending.authorise import Caller
    from aikeys.spending.names import Target

    _Job = tuple[CallRequest, list[Target]]


class AskerHere:
    """As the owner, or as the token that asks."""

    def __init__(self) -> None:
        from aikeys.vault.opening import require_vault

        self._where = home.place()
        require_vault(self._where)
        self._ledger = self._where.ledger

    def planned(self, what: AskedPrompt, *, as_json: bool) -> str:
        from aikeys.cli.render import prompt_request
        from aikeys.spending.blocking import planned
        from aikeys.spending.io import Conditions

        model_index, jobs = self._prepared(what)
        plans = [
            planned(self._ledger, call_request, targets[0], Conditions(model_index.book))
            for call_request, targets in jobs
        ]
        return prompt_request.as_json(plans) if as_json else prompt_request.as_text(plans)

    def ask(self, what: AskedPrompt, *, as_json: bool, usage: bool) -> None:
        from aikeys.cli.prompts.replies import Replies
        from aikeys.cli.prompts.session import PromptSession

        model_index, jobs = self._prepared(what)
        opened = access.open_keys(self._where, data_on_stdin=True, ledger=self._ledger)
        replies = Replies(jobs[0][0].request, len(jobs), as_json=as_json, usage=usage, ledger=self._ledger)
        session = PromptSession(self._where, self._ledger, model_index, opened)
        with session.open():
            if replies.is_one:
                _ask_one(session, replies, jobs)
            else:
                _ask_several(session, replies, jobs)
        replies.finish()

    def _prepared(self, what: AskedPrompt) -> tuple[ModelIndex, list[_Job]]:
        """Return the models at hand, and for each that is asked by whom, with what, and who may stand in for it."""
        from aikeys.cli.around import Around
        from aikeys.cli.prompts.labels import labels

        request = prompt_request.request_of(what.typed, stream=not what.is_held)
        model_index = models.model_index(self._where, models.rows_if_any(self._where, self._ledger))
        chosen = [
            models.targets(model_index, each, self._where) for each in models.wanted(what.models, model_index.settings)
        ]
        around = Around(self._where.home)
        callers = [
            _caller(
                labels(what.labels, what.tags, model_index.settings, models.labels_of(of[0].key), around), what.labels
            )
            for of in chosen
        ]
        around.say_uncounted(callers[0].labels, self._ledger)
        return model_index, [
            (CallRequest(caller, request, what.limit_pusd), of) for caller, of in zip(callers, chosen, strict=True)
        ]


def _caller(found: Labels, typed: dict[str, Label]) -> Caller:
    """Return who asks: with a token its labels stand, whatever the surroundings say; Denied where typed ones differ."""
    from aikeys.cli import authority
    from aikeys.spending.authorise import Caller, bound_labels
    from aikeys.spending.labels import labels_of, pairs_of

    who = authority.holder()
    if who is None:
        return Caller(found, "prompt")
    own = dict(who.claims.labels)
    open_ones = {name: value for name, value in pairs_of(found).items() if name not in own}
    return Caller(labels_of(bound_labels(who.claims, {**open_ones, **typed})), "prompt", who.claims, who.above)


def _ask_one(session: PromptSession, replies: Replies, jobs: list[_Job]) -> None:
    from aikeys.spending.blocking import ask

    ((call_request, targets),) = jobs
    with session.tools() as tools:
        with replies.of(targets[0]) as reply:
            reply.done(ask(tools, call_request, targets, reply.take))
        if tools.interruption.count:
            reply.say_cost()
            raise tools.interruption.stopped()


def _ask_several(session: PromptSession, replies: Replies, jobs: list[_Job]) -> None:
    """All at once; each reply is shown when those before it are."""
    from aikeys.spending.side_by_side import ModelJob, side_by_side

    each = [ModelJob(call_request, targets) for call_request, targets in jobs]
    with side_by_side(each, session.strand_tools, session.interruption) as strands:
        for strand in strands:
            with session.interruption.showing(), replies.of(strand.target) as reply:
                spent = strand.follow(reply.take, terminal.say)
                if spent is not None:
                    reply.done(spent)
            if session.interruption.count:
                reply.say_cost()
    if session.interruption.count:
        raise session.interruption.stopped()
