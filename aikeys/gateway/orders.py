"""What is to be sent to a provider: a request of our values in its words, or a client's own body as it came."""

from __future__ import annotations

from typing import NamedTuple

from aikeys.errors import Usage
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import Table
from aikeys.providers.wire.values import Json, Outgoing, Request
from aikeys.spending.attempt import encoded
from aikeys.spending.names import Target
from aikeys.spending.native.plans import Native, body_of, native_plan
from aikeys.spending.plan import Circumstances, Plan, plan

_JSON = ("content-type", "application/json")


class Translated:
    """A request of our values."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost."""
        return plan(target, self._request, circumstances)

    def outgoing(self, made: Plan) -> Outgoing:
        """Return it in the provider's words."""
        return encoded(made)


class Address(NamedTuple):
    """Where a passed-through request goes, below the base URL of the key, and the headers it keeps."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = (_JSON,)


class PassedOn:
    """A client's own body. `adds_usage` is known once it is written: its stream reports usage nobody asked for."""

    def __init__(self, native: Native, address: Address) -> None:
        self._native = native
        self._address = address
        self._written: tuple[int, bytes] | None = None
        self.adds_usage = False

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost."""
        made, self._native = native_plan(target, self._native, circumstances)
        self._written = None
        return made

    def outgoing(self, made: Plan) -> Outgoing:
        """Return it as it came, but for the cap and the usage; written once for each cap."""
        if self._written is None or self._written[0] != made.cap:
            body, self.adds_usage = body_of(self._native, made)
            self._written = made.cap, body
        return Outgoing(self._address.method, self._address.path, self._address.headers, self._written[1])


def chat_body(body: Table, model: str, dialect: Dialect) -> dict[str, Json]:
    """Return the body of a chat for a provider that speaks OpenAI's protocol: its model, its word for the cap.

    What is for us is taken out: priority, and metadata, which labels the call.
    """
    found = {name: value for name, value in body.items() if name not in ("priority", "metadata")}
    found["model"] = model
    caps = [found.pop(name) for name in ("max_tokens", "max_completion_tokens") if found.get(name) is not None]
    if len(caps) == 2 and caps[0] != caps[1]:
        raise Usage("max_tokens differs from max_completion_tokens", "give one of them")
    if caps:
        found[dialect.cap] = caps[0]
    return found
