"""Names of models (pure): which provider a text means, and with which key it is asked.

- `provider/model`, `key-name/model` or an alias; a name before the slash that is both is the key.
- A bare name works where exactly one provider that a key is held for has it in the price book.
- A name in lower case that is spelled like a listed one (`claude-sonnet-4.5`) is sent as it is listed.
- On a provider's own route (`at`) a name is that provider's. One that says another's, by a provider, a key or an alias
  in front of it, is refused: it would be sent to the wrong company. Resellers keep the names that they call their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote

from aikeys.errors import NotFound, UsageError
from aikeys.names import model_name
from aikeys.pricing import names
from aikeys.pricing.book import Book
from aikeys.pricing.found import FoundPrice
from aikeys.providers.catalogue import Provider
from aikeys.secret import hidden
from aikeys.vault.format import Key, Rows

_NOBODY = "\0 a model that nobody has"
_LONGEST_SHOWN = 100
_MOST_ENCODINGS = 3
_MOST_REMEMBERED = 1000
"""Texts that were resolved: nothing they depend on changes in the life of a `Names`."""


class SpendingKey(NamedTuple):
    """A key as spending knows it: nothing secret. `base_url` is where it may go."""

    name: str
    provider: str
    base_url: str
    is_default: bool = False
    is_admin: bool = False
    labels: str = ""
    id: str = ""
    """The id of its row in hex: what a token's scope names."""


def held_of(rows: Rows, key: Key) -> SpendingKey:
    """Return a key of a vault as spending knows it."""
    base_url = rows.version_of(key).base_url
    return SpendingKey(
        key.name, key.provider, base_url, bool(key.is_default), bool(key.is_admin), key.labels, key.id.hex()
    )


class Target(NamedTuple):
    """One model at one provider, asked with one key. `found` is its price, None where nobody knows the model."""

    key: SpendingKey
    provider: Provider
    model: str
    found: FoundPrice | None
    book: Book | None = None
    """The price book that it was looked up in: a call settles by it, whatever book comes meanwhile."""

    @property
    def is_bound(self) -> bool:
        """Tell whether its price bounds every call of it."""
        return self.found is not None and self.found.is_bound

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"


class OfAnother(UsageError):
    """A name says that the model is another provider's. `whose`: that provider, `model`: what that one calls it."""

    def __init__(self, provider: Provider, whose: Provider, model: str) -> None:
        shown = f"{whose.name}/{model}"[:_LONGEST_SHOWN]
        super().__init__(f"{shown} is a model of {whose.title}, and this route goes to {provider.title}")
        self.whose = whose
        self.model = model


class ModelNames:
    """Resolves the names of models for somebody who holds these keys."""

    def __init__(
        self, keys: Sequence[SpendingKey], catalogue: Mapping[str, Provider], book: Book, aliases: Mapping[str, str]
    ) -> None:
        self._keys = {key.name: key for key in keys}
        self._catalogue = catalogue
        self._book = book
        self._aliases = {names.spelled(alias): target for alias, target in {**names.SHIPPED, **aliases}.items()}
        self._resolved: dict[str, Target] = {}

    def resolve(self, text: str) -> Target:
        """Return what a text names; UsageError (2) with the nearest names, NotFound (10) where the key is missing."""
        found = self._resolved.get(text)
        if found is None:
            found = self._resolve(text)
            if len(self._resolved) >= _MOST_REMEMBERED:
                self._resolved.clear()
            self._resolved[text] = found
        return found

    def _resolve(self, text: str) -> Target:
        wanted = self._aliases.get(names.spelled(text), text)
        first, slash, rest = wanted.partition("/")
        if slash and rest:
            if first in self._keys:
                return self._target(self._keys[first], rest)
            provider = self._provider_named(first)
            if provider:
                return self._target(self._key_for(provider, rest), rest)
        return self._bare(wanted)

    def at(self, provider: str, text: str) -> Target:
        """Return the model that a text names on a route of one provider; OfAnother (400) for another's.

        In front of its name that provider may stand, or one of its keys.
        """
        held, model = self.own_name(provider, text)
        return self._target(held or self._key_for(provider, model), model)

    def own_name(self, of: str, text: str) -> tuple[SpendingKey | None, str]:
        """Return what a provider itself calls a model, and the key that stood in front of it; OfAnother as in `at`."""
        provider, held = self._catalogue[of], None
        text = model_name(text)
        wanted: str = text
        target = self._aliases.get(names.spelled(text))
        if target and provider.protocol != "azure" and not provider.resells and not self._lists(provider.name, text):
            wanted = target  # a deployment, or a reseller's model, may be called like an alias of ours
        while not self._has(provider.name, wanted):
            first, rest = _parted(wanted)
            whose, key = self._named_by(first, provider.name) if rest else ("", None)
            if not whose:
                break
            if whose != provider.name:
                if provider.resells or self._sells_as(provider.name, first):
                    break
                raise OfAnother(provider, self._catalogue[whose], rest)
            wanted, held = rest, key or held
        return held, wanted

    def _named_by(self, first: str, provider: str) -> tuple[str, SpendingKey | None]:
        """Return the provider that a text in front of a slash means, "" for none, and the key where it is one's name.

        The provider whose route it is comes first, then keys, then other providers and aliases.
        """
        key = self._keys.get(first) or next((each for each in self._keys.values() if each.name.lower() == first), None)
        key = key if key is not None and key.provider in self._catalogue else None
        if key is not None and key.provider == provider:
            return provider, key
        named = self._provider_named(first)
        if named == provider or key is None:
            alias = self._aliases.get(names.spelled(first), "").partition("/")[0]
            return named or self._provider_named(alias), None
        return key.provider, key

    def _has(self, provider: str, model: str) -> bool:
        """Tell whether a provider lists a model whose name has a slash."""
        return "/" in model and model in self._book.models(provider)

    def _sells_as(self, provider: str, first: str) -> bool:
        """Tell whether any model of a provider has that in front of its name: groq's openai/gpt-oss-120b."""
        return any(each.lower().startswith(f"{first}/") for each in self._book.models(provider))

    def priced(self, text: str) -> Target:
        """Return what a text names for whoever only asks what it costs: a key is not needed."""
        wanted = model_name(self._aliases.get(names.spelled(text), text))
        named = self._book.resolve(wanted)
        first = wanted.partition("/")[0]
        if first in self._keys or named.provider not in self._catalogue or self.reaching(named.provider):
            return self.resolve(text)
        nobody = SpendingKey("", named.provider, self._catalogue[named.provider].base_url)
        return self._target(nobody, named.model)

    def reaching(self, provider: str) -> list[SpendingKey]:
        """Return the keys that reach a provider's models, its default one first."""
        found = [key for key in self._keys.values() if key.provider == provider and not key.is_admin]
        return sorted(found, key=lambda key: (not key.is_default, key.name))

    def price(self, provider: str, model: str) -> FoundPrice | None:
        """Return what a model costs whoever holds these keys: with the key it would be asked with, or with any."""
        keys = self.reaching(provider)
        keys = keys[:1] if keys and keys[0].is_default else keys
        found = [self._book.find(provider, model, key.base_url) for key in keys]
        if not found:
            return self._book.find(provider, model)
        return next((each for each in found if each is None or not each.price.free), found[0])

    def _target(self, key: SpendingKey, model: str) -> Target:
        provider = self._catalogue.get(key.provider)
        if provider is None:
            raise NotFound(
                f"the provider {key.provider} of the key {key.name} is not known", "define it in config.toml"
            )
        model = self._as_listed(provider.name, model_name(model))
        found = self._book.find(provider.name, model, key.base_url if key.name else "")
        return Target(key, provider, model, found, self._book)

    def _as_listed(self, provider: str, model: str) -> str:
        if model != model.lower():
            return model
        listed = self._book.models(provider)
        if model in listed:
            return model
        same = [each for each in listed if names.spelled(each) == names.spelled(model)]
        return same[0] if len(same) == 1 else model

    def _provider_named(self, name: str) -> str:
        lower = names.ELSEWHERE.get(name.lower(), name.lower())
        return lower if lower in self._catalogue else ""

    def _key_for(self, provider: str, model: str) -> SpendingKey:
        keys = self.reaching(provider)
        if not keys:
            others = [f"{key.name}/{provider}/{model}" for key in self._keys.values() if self._sells(key, model)]
            hint = f"aikeys add {provider}" + (f"; or: -m {others[0]}" if others else "")
            raise NotFound(f"there is no key for {self._catalogue[provider].title}", hint)
        if len(keys) > 1 and not keys[0].is_default:
            shown = ", ".join(f"{key.name}/{model}" for key in keys)
            raise UsageError(f"several keys reach {provider}", f"say which: {shown}")
        return keys[0]

    def _sells(self, key: SpendingKey, model: str) -> bool:
        """Tell whether a reseller's model of that name is known: openrouter/openai/gpt-5."""
        return any(each.endswith(f"/{model}") for each in self._book.models(key.provider))

    def _bare(self, text: str) -> Target:
        model = model_name(text)
        providers = sorted({key.provider for key in self._keys.values() if key.provider in self._catalogue})
        having = [provider for provider in providers if self._lists(provider, model)]
        if len(having) == 1:
            return self._target(self._key_for(having[0], model), model)
        shown = hidden(model) if len(model) <= 100 else "this"
        if having:
            raise UsageError(
                f"several providers have {shown}",
                f"say which: {', '.join(f'{provider}/{model}' for provider in having)}",
            )
        raise UsageError(f"{shown} names no model that your keys reach", self._advice(model, providers))

    def _lists(self, provider: str, model: str) -> bool:
        """A price for whatever name (a local provider, `provider/*`) says nothing of this one."""
        if self._book.find(provider, _NOBODY) is not None:
            return names.spelled(model) in {names.spelled(each) for each in self._book.models(provider)}
        found = self._book.find(provider, model, is_reply=True)
        return found is not None and found.is_certain

    def _advice(self, model: str, providers: Iterable[str]) -> str:
        guess = self._book.resolve(model).provider
        near: list[str] = []
        for provider in dict.fromkeys([*([guess] if guess else []), *providers]):
            if self._lists(provider, model):
                near.append(f"{provider}/{model}")
            else:
                near += self._book.nearest(provider, model)
        if not near:
            return "write provider/model, for example openai/gpt-4.1; aikeys models lists them"
        return f"did you mean {' or '.join(near[:3])}?"


def _parted(text: str) -> tuple[str, str]:
    """Return what stands in front of the first slash, in lower case, and the rest; both empty where there is none.

    A slash may be written as in an address (%2F), a letter in another width: a provider may read it so, too.
    """
    whole = _spelled_out(text).strip().lstrip("/").strip()
    if whole[:7].lower() == "models/":  # Google's
        whole = whole[7:].lstrip("/")
    first, slash, rest = whole.partition("/")
    rest = rest.strip().lstrip("/")
    return (first.strip().lower(), rest) if slash and rest else ("", "")


def _spelled_out(text: str) -> str:
    for _ in range(text.count("%") and _MOST_ENCODINGS):
        text = unquote(text)
    return text if text.isascii() else normalize("NFKC", text)
