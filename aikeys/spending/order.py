"""An order: what is to be sent to a provider, planned and written (pure).

    Translated   a request of our values, in the provider's words
    PassedOn     a client's own body, as it came but for the cap and the usage
    Unmetered    what goes to a route that nobody meters, as it came

The first two are bounded by the body that goes out, read by the one reader of its protocol (native.bodies): the same
call has the same bound whichever way it came.
- What is only queued is refused: nobody would ever learn what it cost.
- What no meter covers is refused where a limit has to bound the call; without one it goes as it is.
- Changed in a body that is passed on: the cap, where a budget brings or lowers one; that a stream reports its usage,
  where the provider does so only when asked.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aikeys.errors import CannotDecide, Denied, UsageError
from aikeys.pricing.bounds import Bounds
from aikeys.pricing.values import Price
from aikeys.providers.wire.dialects import Dialect
from aikeys.providers.wire.exact_json import LARGE_BYTES, Table, read_table, table, write, write_large
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import Json, Options, Outgoing, Request
from aikeys.spending.exchange import Exchange, Unread
from aikeys.spending.names import Target
from aikeys.spending.native.betas import unmetered
from aikeys.spending.native.bodies import Metering, NativeRequest, bounds_of_body, with_cap
from aikeys.spending.native.price_caps import most_of_plan, with_price_cap
from aikeys.spending.plan import Circumstances, Draft, Plan, fitted, price_of

_JSON = ("content-type", "application/json")
_COUNTED = {"anthropic_messages": "anthropic", "gemini_generate": "gemini"}
_SCHEMAS = ("output_format", "output_config", "response_format")
_WITHOUT_CAP = (
    "openai_compactions",
    "openai_embeddings",
    "cohere_embeddings",
    "gemini_embeddings",
    "openai_moderations",
)
_SHOWN = 5
_ANY_CAP = 1_000_000
"""Stands in a body that is only read, where its dialect wants a cap and none is decided yet."""


class Native(NamedTuple):
    """A request in a provider's own words. `protocol` is a name of PROTOCOLS."""

    protocol: str
    body: Table
    stream: bool = False
    cap: int = 0
    """The output cap that the body came with; filled in by `native_plan`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Those that go along."""
    is_large: bool = False
    """Read and written in steps that let other threads run."""
    dialect: Dialect | None = None
    """How the route is spoken to, where that is not the provider's own way."""


class Order(Protocol):
    """How a call is planned and written. Pure, so that a thread can do it."""

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost; raises what refuses it."""
        ...

    def outgoing(self, made: Plan) -> Outgoing:
        """Return the request as it goes out, with the cap of the plan."""
        ...

    def exchange(self, made: Plan) -> Exchange:
        """Return what reads the reply."""
        ...

    def is_countable(self, dialect: Dialect) -> bool:
        """Tell whether the provider's counter of tokens sees all that the model will read."""
        ...


class Translated:
    """A request of our values."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._written: tuple[Request, Outgoing] | None = None

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return what it may cost; CannotDecide (23), CostsTooMuch (22), Usage."""
        dialect = target.provider.dialect().of_model(target.model)
        request = self._request._replace(model=target.model)
        price, _ = price_of(target, circumstances)
        found = metered(request, dialect, price, circumstances)
        _require_metered(found.unmetered, price, circumstances)
        return fitted(
            Draft(
                target, dialect, request, found.bounds, found.thinking_tokens, dialect.needs_cap,
                unmetered=found.unmetered,
            ),
            circumstances,
        )  # fmt: skip

    def outgoing(self, made: Plan) -> Outgoing:
        """Return it in the provider's words; written once for each cap."""
        if self._written is None or self._written[0] is not made.request:
            self._written = made.request, encoded(made)
        return self._written[1]

    def exchange(self, made: Plan) -> Exchange:
        """Return what reads the reply, but for vectors."""
        return Exchange(made, reads_vectors=False)

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
        made, self._native = _plan_of_body(target, self._native, circumstances)
        self._written = None
        return made

    def outgoing(self, made: Plan) -> Outgoing:
        """Return it as it came, but for the cap and the usage; written once for each cap."""
        if self._written is None or self._written[0] != made.cap:
            body, self.adds_usage = _body_of(self._native, made)
            self._written = made.cap, body
        return Outgoing(self._address.method, self._address.path, self._address.headers, self._written[1])

    def exchange(self, made: Plan) -> Exchange:
        """Return what reads the reply, but for vectors."""
        return Exchange(made, reads_vectors=False)

    def is_countable(self, dialect: Dialect) -> bool:
        """Tell whether the body is in words that the counter takes, without a schema."""
        body = self._native.body
        if not dialect.counter or _COUNTED.get(self._native.protocol) != dialect.protocol:
            return False
        steers = [name for each in body if _is_config(each) for name in table(body, each)]
        return not any("chema" in name for name in steers) and all(body.get(name) is None for name in _SCHEMAS)


class Unmetered:
    """What goes to a route that nobody meters, as it came; refused where a budget limits it. It has no price."""

    def __init__(self, outgoing: Outgoing, shown: str) -> None:
        """Take what is sent, and its method and path as a message may repeat them."""
        self._outgoing = outgoing
        self._shown = shown

    def plan(self, target: Target, circumstances: Circumstances) -> Plan:
        """Return a plan without a bound; Denied under a blocking budget."""
        if circumstances.is_limited:
            raise Denied(
                f"{self._shown} is not metered, and a budget limits what this token spends",
                "use a listed route; aikeys-gateway(7) has them",
            )
        bounds = Bounds(0, circumstances.now_us, circumstances.until_us)
        draft = Draft(target._replace(found=None), target.provider.dialect(), Request(target.model, ()), bounds)
        return fitted(draft, circumstances)

    def outgoing(self, made: Plan) -> Outgoing:
        """Return it as it came."""
        del made
        return self._outgoing

    def exchange(self, made: Plan) -> Exchange:
        """Return what keeps the reply and reads nothing."""
        return Unread(made)

    def is_countable(self, dialect: Dialect) -> bool:
        """No: nobody knows what it is."""
        del dialect
        return False


def _is_config(name: str) -> bool:
    """Tell whether a field is Gemini's generationConfig, which may be spelt generation_config."""
    return name.replace("_", "").lower() == "generationconfig"


def encoded(made: Plan) -> Outgoing:
    """Return a request of our values as it goes out, without the credential."""
    outgoing = protocol_of(made.dialect).encode(made.request, made.dialect)
    most = most_of_plan(made)
    if not most:
        return outgoing
    return outgoing._replace(body=write(with_price_cap(read_table(outgoing.body), most)))


def metered(request: Request, dialect: Dialect, price: Price | None, circumstances: Circumstances) -> Metering:
    """Return what bounds a request of our values: what bounds its body, as it would go out."""
    protocol, cap = protocol_of(dialect), request.options.max_tokens
    if dialect.needs_cap and cap is None:
        request = request._replace(options=request.options._replace(max_tokens=_ANY_CAP))
    body = protocol.encode(request, dialect).body
    written = NativeRequest(protocol.name, dialect, request.model, read_table(body), len(body) > LARGE_BYTES)
    found = bounds_of_body(written, price, circumstances.now_us, circumstances.until_us)
    return found._replace(bounds=found.bounds._replace(max_output=cap or 0))


def _plan_of_body(target: Target, native: Native, circumstances: Circumstances) -> tuple[Plan, Native]:
    """Return what a call may cost; CannotDecide (23) names the fields that nobody meters."""
    if is_in_background(native.protocol, native.body):
        raise UsageError(
            "background is set: the reply has no usage yet, and what the call costs would never be known",
            "leave it out; a token with the scope native:all that no budget limits may, on the provider's own route",
        )
    dialect = native.dialect or target.provider.dialect()
    price, _ = price_of(target, circumstances)
    request = NativeRequest(native.protocol, dialect, target.model, native.body, native.is_large)
    found = bounds_of_body(request, price, circumstances.now_us, circumstances.until_us)
    unknown = (*found.unmetered, *unmetered(native.headers, (price.context_window or 0) if price else 0))
    _require_metered(unknown, price, circumstances)
    bounds = found.bounds
    if native.protocol in _WITHOUT_CAP:
        bounds = bounds._replace(max_output=0, cap_covers_reasoning=False)  # no cap is added either
    stub = Request(target.model, (), stream=native.stream, options=Options(max_tokens=bounds.max_output or None))
    draft = Draft(
        target, dialect, stub, bounds, found.thinking_tokens, protocol=native.protocol, unmetered=tuple(unknown)
    )
    if native.cap != bounds.max_output:
        native = native._replace(cap=bounds.max_output)
    return fitted(draft, circumstances), native


def _require_metered(unknown: tuple[str, ...], price: Price | None, circumstances: Circumstances) -> None:
    """Raise CannotDecide, naming what nobody meters, where a limit has to bound the call."""
    if unknown and circumstances.is_limited and price is not None and not price.free:
        named = ", ".join(unknown[:_SHOWN])
        raise CannotDecide(
            f"what this request can cost has no bound ({named[:300]}), and a budget limits this call",
            "leave these fields out, or use a token and labels without a blocking budget",
        )


def is_in_background(protocol: str, body: Table) -> bool:
    """Tell whether a response is only queued: its usage is reported to whoever fetches it later."""
    return protocol in ("openai_responses", "openai_compactions") and body.get("background") not in (None, False)


def _body_of(native: Native, made: Plan) -> tuple[bytes, bool]:
    """Return the body to send, and whether its stream reports usage that the client did not ask for."""
    body: Table = native.body
    request = NativeRequest(native.protocol, made.dialect, made.target.model, body)
    if made.cap and (made.cap != native.cap or (made.is_limited and native.protocol == "openai_chat")):
        body = with_cap(request, made.cap)  # under the one name that the provider is sure to obey
    adds_usage = (
        native.protocol in ("openai_chat", "openai_completions")
        and native.stream
        and made.dialect.stream_usage == "include_usage"
        and table(body, "stream_options").get("include_usage") is not True
    )
    if adds_usage:
        options: dict[str, Json] = {**table(body, "stream_options"), "include_usage": True}
        body = {**body, "stream_options": options}
    if most := most_of_plan(made):
        body = with_price_cap(body, most)
    return (write_large if native.is_large else write)(dict(body)), adds_usage
