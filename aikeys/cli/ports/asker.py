"""The asker of `aikeys prompt`: a provider with a key of this vault, or a gateway that has the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from aikeys.cli.prompts.request import PromptInput
    from aikeys.names import Label


class AskedPrompt(NamedTuple):
    """What is asked of which models; `is_held`: nothing is shown before a reply is whole.

    `labels` and `tags` are those that were typed; without models the default of config.toml is asked.
    """

    typed: PromptInput
    models: tuple[str, ...]
    labels: dict[str, Label]
    tags: tuple[str, ...] = ()
    is_held: bool = False
    limit_pusd: int | None = None


class AskerPort(Protocol):
    """Asks models."""

    def planned(self, what: AskedPrompt, *, as_json: bool) -> str:
        """Return the requests as they would be sent, without anything secret; nothing is sent."""
        ...

    def ask(self, what: AskedPrompt, *, as_json: bool, usage: bool) -> None:
        """Ask, and show the replies as they come; the worst failure is raised when everything is shown."""
        ...
