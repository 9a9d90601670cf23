"""`aikeys edit`: change what is recorded of a key."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from aikeys.cli import home, terminal
from aikeys.cli.help import epilog, new_app
from aikeys.errors import UsageError

if TYPE_CHECKING:
    from aikeys.vault.format import Content, Key
    from aikeys.vault.opening import Opened

app = new_app()
_EXAMPLES = (
    ("aikeys edit openai --team support --rotate-every 90d", "label it, and be told when it is due"),
    ("aikeys edit openai --rename openai-old", "another name; its secret stays"),
    ("aikeys edit openai-work --var OPENAI_KEY", "the variable that exec sets it in"),
)


PlainHttp = Annotated[
    bool | None,
    typer.Option(
        "--allow-http/--no-allow-http",
        help="Also send it over plain http to a private address (10.*, 192.168.* …).",
    ),
]


@app.command(epilog=epilog(_EXAMPLES, (0, 2, 3, 10, 11, 12, 13, 14, 15, 20, 21)))
def edit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key.")],
    rename: Annotated[str, typer.Option(metavar="NEW", help="A new name.")] = "",
    region: Annotated[str | None, typer.Option(metavar="R", help="The provider's region.")] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another address; '' for none.")
    ] = None,
    allow_http: PlainHttp = None,
    var: Annotated[
        list[str] | None,
        typer.Option(
            "--var", metavar="VAR", help="The variable exec sets it in, again for more; '' for its provider's."
        ),
    ] = None,
    default: Annotated[bool, typer.Option("--default", help="Make it its provider's default key.")] = False,
    team: Annotated[str | None, typer.Option(metavar="T", help="Label: team; '' takes it away.")] = None,
    project: Annotated[str | None, typer.Option(metavar="P", help="Label: project.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="E", help="Label: environment.")] = None,
    user: Annotated[str | None, typer.Option(metavar="U", help="Label: user.")] = None,
    rotate_every: Annotated[str | None, typer.Option("--rotate-every", metavar="90d", help="'' for never.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", help="'' for never.")] = None,
) -> None:
    """Change what is recorded of a key; its secret is changed by `aikeys rotate`."""
    from aikeys.cli.keys.new_keys import address, content_for, end_of, say_without_address, variables_of
    from aikeys.cli.prompts.labels import typed_labels
    from aikeys.ledger.store import Act
    from aikeys.names import key_name
    from aikeys.providers.catalogue import find
    from aikeys.vault import changes
    from aikeys.vault.names import exact_key
    from aikeys.vault.writing import write

    variables = None if var is None else variables_of([] if var == [""] else var)
    where = home.place()
    opened = home.unlock(where, check=lambda rows: exact_key(rows, name)).opened
    old = exact_key(opened.rows, name)
    given = {"team": team, "project": project, "environment": environment, "user": user}
    labels = typed_labels({label: value for label, value in given.items() if value}, ())
    kept_region = "" if base_url else region

    def apply(key: Key) -> Key:
        kept = {label: value for label, value in home.labels_of(key.labels).items() if given.get(label) is None}
        return key._replace(
            name=key_name(rename) if rename else key.name,
            region=key.region if kept_region is None else kept_region,
            labels=home.labels_text(**kept, **labels),
            is_default=1 if default else key.is_default,
            rotate_every_s=_changed(key.rotate_every_s, rotate_every, home.duration_s),
            expires_at=key.expires_at if expires is None else end_of(expires),
        )

    new = apply(old)
    url, content, provider = None, None, find(home.catalogue(where), old.provider)
    if region is not None or base_url is not None:
        url = address(provider, new.region, base_url or "", allow_http=bool(allow_http))
        kept = opened.content(old).env if variables is None else variables
        content = content_for(provider, url, b"", allow_http=bool(allow_http), variables=kept)
    elif allow_http is not None or variables is not None:
        content = _resealed(opened, old, allow_http, None if variables is None else variables or provider.env)
    if new == old and url is None and content is None:
        values = (*given.values(), rotate_every, expires, allow_http, variables, rename or None, default or None)
        raise _unchanged(old, is_given=any(value is not None for value in values))
    detail = (
        f"allow_http={'yes' if content.allows_http else 'no'}" if content and (url, allow_http) != (None, None) else ""
    )
    changed = changes.Edit(old.id, apply, url, content)
    write(where, opened, Act("edit", old.name, detail), lambda vault: changes.edit_key(vault, changed, os.urandom))
    terminal.say(f"changed {new.name}")
    if url is not None:
        say_without_address(provider, new.name, url)


def _unchanged(key: Key, *, is_given: bool) -> UsageError:
    """Return why there is nothing to do."""
    why = f"{key.name} is like that already" if is_given else "nothing to change was given"
    return UsageError(why, "see aikeys edit --help")


def _resealed(opened: Opened, key: Key, allow_http: bool | None, variables: tuple[str, ...] | None) -> Content | None:
    """Return what is sealed of a key with plain http and variables as asked, None where it says so already."""
    from aikeys.cli.keys.new_keys import check_plain_http
    from aikeys.network.addresses import plain_http_reach

    before = opened.content(key)
    content = before if variables is None else before._replace(env=variables)
    if allow_http is not None:
        base_url = opened.rows.version_of(key).base_url
        if allow_http:
            check_plain_http(base_url, allow_http=True)
        content = content._replace(allows_http=allow_http and bool(plain_http_reach(base_url)))
    return content if content != before else None


def _changed(old: int, text: str | None, read: Callable[[str], int]) -> int:
    if text is None:
        return old
    return read(text) if text else 0
