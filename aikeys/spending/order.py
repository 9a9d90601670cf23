"""An order: what is to be sent to a provider, planned and written (pure).

Translated   a request of our values, in the provider's words
PassedOn     a client's own body, as it came but for the cap and the usage
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import table
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Outgoing, Request
from aikeys.spending.names import Target
from aikeys.spending.native.plans import Native, body_of, native_plan
from aikeys.spending.plan import Circumstances, Plan, plan

_JSON = ("content-type", "application/json")
_COUNTED = {"anthropic_messages": "anthropic", "gemini_generate": "gemini"}
_SCHEMAS = ("output_format", "output_config", "response_format")


class Order(Protocol):
    """How a call is planned and written. Pure, so that a thread can do it."""

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost; raises what refuses it."""
        ...

    def outgoing(self, made: Plan) -> Outgoing:
        """Return the request as it goes out, with the cap of the plan."""
        ...

    def is_countable(self, dialect: Dialect) -> bool:
        """Tell whether the provider's counter of tokens sees all that the model will read."""
        ...


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

    def is_countable(self, dialect: Dialect) -> bool:
        """Tell whether there is no schema: what it adds, no counter tells."""
        return bool(dialect.counter) and self._request.schema is None


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

    def is_countable(self, dialect: Dialect) -> bool:
        """Tell whether the body is in words that the counter takes, without a schema."""
        body = self._native.body
        if not dialect.counter or _COUNTED.get(self._native.protocol) != dialect.protocol:
            return False
        steers = table(body, "generationConfig")
        has_schema = any("chema" in name for name in steers) or any(body.get(name) is not None for name in _SCHEMAS)
        return not has_schema


def encoded(made: Plan) -> Outgoing:
    """Return a request of our values as it goes out, without the credential."""
    return protocol_of(made.dialect).encode(made.request, made.dialect)
