"""Dialects: what a variant of a protocol takes, lacks and reports (pure): the catalogue's `wire` table as a value.

- What is in `lacks` is refused before anything is sent, naming the option and the provider; nothing is dropped.
- A provider without a `wire` table speaks its protocol as the provider that made it does, with what few others
  took over (files, audio) in `lacks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple, cast

from aikeys.errors import BadConfiguration, UsageError
from aikeys.providers.reported import NONE_LISTED, Reported
from aikeys.providers.wire.values import EFFORTS, EmbeddingRequest, File, Image, Request

FEATURES = {
    "audio": "recordings",
    "cache": "marks for its cache (cache_control)",
    "effort": "a reasoning effort",
    "files": "files",
    "file_urls": "files by their address",
    "image_urls": "images by their address",
    "image_detail": "a low level of detail for images",
    "images": "images",
    "json_object": "JSON without a schema",
    "n": "several choices (n)",
    "names": "names of participants",
    "parallel_tools": "a limit of one tool call in a reply (parallel_tool_calls)",
    "penalties": "penalties for frequency or presence",
    "schema": "a JSON schema for the reply",
    "seed": "a seed",
    "stop": "stop sequences",
    "system": "a system prompt",
    "temperature": "a temperature",
    "tool_choice": "a choice of tools",
    "tools": "tools",
    "top_p": "top_p",
}
REASONING = ("subset", "additive", "apart", "hidden")
_STREAM_USAGE = ("include_usage", "always", "never")
_NO_SETTINGS = ("protocol", "reported")
_COSTS = ("", "usage.cost", "usage.cost.total_cost", "usage.cost_in_usd_ticks", "usage.estimated_cost")


class Dialect(NamedTuple):
    """One provider's variant.

    chat, responses, embeddings: paths after the base URL, "" where it has no such endpoint.
    cap: the field that bounds the output, which covers reasoning or does not. needs_cap: a request without is refused.
    stream_usage: `include_usage` (must be asked for), `always` (must not be asked for), `never`.
    reasoning: how reasoning tokens stand to the output where the sums do not tell: `subset` of it or `additive`;
    `apart`: on top whatever the sums say (Perplexity); `hidden`: only the total contains them (Gemini's OpenAI path).
    cost: where the reply states what it cost, "" nowhere.
    responses_only: patterns of models that the chat API does not have, with spaces between.
    counter: where the input's tokens are counted for free, "" nowhere.
    searches_per_prompt: patterns of models, with spaces between, that bill one search for a prompt, however many they
    make.
    caps_price: it routes to hosts of different prices, and takes the most that a token may cost (`provider.max_price`).
    shows_all: patterns of models, with spaces between, that do not reason unless a request says so: all of the output
    that they bill is seen.
    reported: what a reply may report that changes no cost, or is a fee.
    """

    provider: str
    title: str
    protocol: str = "openai"
    chat: str = "/chat/completions"
    responses: str = ""
    embeddings: str = "/embeddings"
    auth: str = "bearer"
    cap: str = "max_tokens"
    cap_covers_reasoning: bool = True
    needs_cap: bool = False
    stream_usage: str = "include_usage"
    system: str = "system"
    seed: str = "seed"
    max_stop: int = 4
    lacks: frozenset[str] = frozenset({"audio", "files"})
    reasoning: str = "subset"
    cost: str = ""
    responses_only: str = ""
    counter: str = ""
    searches_per_prompt: str = ""
    caps_price: bool = False
    shows_all: str = ""
    reported: Reported = NONE_LISTED

    def of_model(self, model: str) -> Dialect:
        """Return how this model is spoken to: some are in the responses API only."""
        if not self.responses or not any(fnmatchcase(model, each) for each in self.responses_only.split()):
            return self
        return self._replace(protocol="openai-responses")

    def is_shown(self, model: str) -> bool:
        """Tell whether all that a model bills as output is seen, where the request says nothing of reasoning."""
        return any(fnmatchcase(model, each) for each in self.shows_all.split())

    def refuse(self, feature: str) -> UsageError:
        """Return the error that says what this provider does not take."""
        return UsageError(f"{self.title} does not take {FEATURES[feature]}", "leave it out or use another provider")


_UNSAYABLE = {
    "openai": frozenset({"cache", "file_urls"}),  # of chat: the responses API takes addresses of files
    "openai-responses": frozenset({"cache"}),
    "azure": frozenset({"cache", "file_urls"}),
    "anthropic": frozenset({"image_detail", "json_object", "n", "names", "penalties", "seed"}),
    "gemini": frozenset({"cache", "file_urls", "names", "parallel_tools"}),
    "cohere": frozenset({"cache", "n", "names", "parallel_tools"}),
}
"""Features that a protocol has no words for: no provider that speaks it takes them."""
_IMPLIED = {
    "files": frozenset({"file_urls"}),
    "images": frozenset({"image_detail", "image_urls"}),
    "tools": frozenset({"parallel_tools", "tool_choice"}),
}

_OF_PROTOCOL: dict[str, dict[str, object]] = {
    "openai": {},
    "openai-responses": {"responses": "/responses", "cap": "max_output_tokens"},
    "azure": {
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
        "embeddings": "/openai/v1/embeddings",
        "auth": "api-key",
        "cap": "max_completion_tokens",
    },
    "anthropic": {
        "chat": "/v1/messages",
        "embeddings": "",
        "auth": "x-api-key",
        "needs_cap": True,
        "stream_usage": "always",
        "max_stop": 8191,
        "lacks": frozenset({"audio"}),
    },
    "gemini": {
        "chat": "/v1beta/models",
        "embeddings": "/v1beta/models",
        "auth": "x-goog-api-key",
        "cap": "maxOutputTokens",
        "stream_usage": "always",
        "max_stop": 5,
        "lacks": frozenset({"image_urls"}),
        "reasoning": "hidden",
    },
    "cohere": {
        "chat": "/v2/chat",
        "embeddings": "/v2/embed",
        "stream_usage": "always",
        "max_stop": 5,
        "lacks": frozenset({"audio", "effort", "files"}),
    },
    "native": {"chat": "", "embeddings": ""},
}


def dialect_of(
    name: str, title: str, protocol: str, wire: Mapping[str, object], reported: Reported = NONE_LISTED
) -> Dialect:
    """Return the dialect of a provider of the catalogue; BadConfiguration names what its `wire` table has wrong."""
    where = f"the wire table of {name}"
    if protocol == "none":
        raise BadConfiguration(f"{name} is not a provider: its keys are for alerts and exec only", "name another key")
    if protocol not in _OF_PROTOCOL:
        raise BadConfiguration(f"{name} has an unknown protocol {protocol}", f"known: {', '.join(_OF_PROTOCOL)}")
    fields = dict(_OF_PROTOCOL[protocol])
    for key, value in wire.items():
        known = Dialect._field_defaults.get(key)
        if known is None or key in _NO_SETTINGS:
            settings = ", ".join(each for each in Dialect._field_defaults if each not in _NO_SETTINGS)
            raise BadConfiguration(f"{where} has an unknown setting {key}", f"known settings: {settings}")
        if key == "lacks":
            fields[key] = _lacks(where, value)
        elif type(value) is not type(known):
            raise BadConfiguration(f"{where}: {key} is not of the type of {known!r}", "see catalogue.toml")
        else:
            fields[key] = value
    fields["lacks"] = _all_lacks(fields.get("lacks", Dialect._field_defaults["lacks"]), protocol)
    dialect = Dialect(name, title, protocol, **fields, reported=reported)  # type: ignore[arg-type]  # checked just above
    for key, words in (("reasoning", REASONING), ("stream_usage", _STREAM_USAGE), ("cost", _COSTS)):
        if getattr(dialect, key) not in words:
            raise BadConfiguration(f"{where}: {key} is none of {', '.join(words)}", "see catalogue.toml")
    return dialect


def check(request: Request, dialect: Dialect) -> None:
    """Refuse, with Usage, what the dialect would drop or refuse itself."""
    for feature in _features(request):
        if feature in dialect.lacks:
            raise dialect.refuse(feature)
    options = request.options
    if len(options.stop) > dialect.max_stop:
        raise UsageError(f"{dialect.title} takes at most {dialect.max_stop} stop sequences", "leave some out")
    if dialect.needs_cap and options.max_tokens is None:
        raise UsageError(f"{dialect.title} needs a maximum of output tokens", "give --max-tokens")
    if options.effort and options.effort not in EFFORTS:
        raise UsageError(f"{options.effort} is not a reasoning effort", f"use {', '.join(EFFORTS)}")
    if options.tool_choice and not request.tools:
        raise UsageError("a choice of tools needs tools", "give the tools, or leave the choice out")


def check_embedding(request: EmbeddingRequest, dialect: Dialect) -> None:
    """Refuse, with Usage, a request for embeddings that cannot be sent."""
    if not dialect.embeddings:
        raise UsageError(f"{dialect.title} has no embeddings", "use another provider")
    if not request.texts:
        raise UsageError("there is no text to embed", "give at least one text")


def _features(request: Request) -> list[str]:
    options = request.options
    parts = [part for message in request.messages for part in message.parts]
    wanted = {
        "cache": any(each.cache for each in (*parts, *request.tools)),
        "effort": bool(options.effort),
        "json_object": options.json_object,
        "n": options.n is not None and options.n != 1,
        "names": any(message.name for message in request.messages),
        "parallel_tools": options.parallel_tools is False,
        "penalties": (options.frequency_penalty, options.presence_penalty) != (None, None),
        "schema": request.schema is not None,
        "seed": options.seed is not None,
        "stop": bool(options.stop),
        "temperature": options.temperature is not None,
        "tool_choice": bool(options.tool_choice),
        "tools": bool(request.tools),
        "top_p": options.top_p is not None,
    }
    found = [name for name, is_wanted in wanted.items() if is_wanted]
    for message in request.messages:
        if message.role == "system":
            found.append("system")
        for part in message.parts:
            if isinstance(part, Image):
                found += ["images", "image_urls"] if part.url else ["images"]
                if part.detail == "low":  # a high one is what a provider without levels does anyway
                    found.append("image_detail")
            elif isinstance(part, File):
                found.append("audio" if part.media_type.startswith("audio/") else "files")
                if part.url:
                    found.append("file_urls")
    return found


def _all_lacks(named: object, protocol: str) -> frozenset[str]:
    """Return what is lacking with what follows from that and from the protocol."""
    lacks = cast("frozenset[str]", named) | _UNSAYABLE.get(protocol, frozenset())
    return lacks.union(*(implied for feature, implied in _IMPLIED.items() if feature in lacks))


def _lacks(where: str, value: object) -> frozenset[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise BadConfiguration(f"{where}: lacks is not a list of names", f"known names: {', '.join(FEATURES)}")
    unknown = [each for each in value if each not in FEATURES]
    if unknown:
        raise BadConfiguration(f"{where}: lacks has an unknown name {unknown[0]}", f"known: {', '.join(FEATURES)}")
    return frozenset(value)
