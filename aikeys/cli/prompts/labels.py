"""For whom a call is: what the command line says, else config.toml, the key, CI, git, the project's file.

Of git and CI only what stays the same from call to call is taken: repository and branch, as tags.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from aikeys import names
from aikeys.errors import UsageError
from aikeys.secret import refuse_secret

if TYPE_CHECKING:
    from aikeys.cli.around import Around
    from aikeys.config import Config
    from aikeys.ledger.calls import Labels
    from aikeys.names import Label

OWN = ("team", "project", "environment", "user")
"""The labels that are no tags."""
_CI = (
    ("repository", ("GITHUB_REPOSITORY", "CI_PROJECT_PATH", "BITBUCKET_REPO_FULL_NAME", "BUILD_REPOSITORY_NAME")),
    ("branch", ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")),
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


def labels(
    typed: Mapping[str, str], tags: Sequence[str], settings: Config, of_key: Mapping[str, str], around: Around
) -> Labels:
    """Return the labels of a call. The project's file fills what nothing else sets, and only where it is allowed."""
    from aikeys import config
    from aikeys.cli.repository import named
    from aikeys.spending.labels import labels_of

    found = _checked(around.project.labels, f" of {config.PROJECT_FILE}")
    found |= _fit(named(around.folder)) if around.folder else {}
    found |= _from_ci(os.environ)
    found |= {name: names.Label(value) for name, value in of_key.items()}  # checked when the key was stored
    found |= _checked(settings.labels, " of config.toml")
    return labels_of({**found, **typed_labels(typed, tags)})


def typed_labels(typed: Mapping[str, str], tags: Sequence[str]) -> dict[str, Label]:
    """Return the labels that a command line gives, tags among them; UsageError where one cannot be."""
    found = list(typed.items())
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise UsageError(f"--tag {names.shown(tag)} is not NAME=VALUE", "for example --tag client=acme")
        found.append((name, value))
    return _checked(found)


def _checked(found: Iterable[tuple[str, str]], where: str = "") -> dict[str, Label]:
    checked = {}
    for name, value in found:
        refuse_secret(name)
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{names.shown(name)}{where} is not a name of a label", "begin with a letter, such as client"
            )
        if value:
            checked[name] = names.label(value, f"the label {name}{where}")
    return checked


def _fit(found: Mapping[str, str]) -> dict[str, Label]:
    """Return what can be a label of what nobody typed: a branch with an odd name is no reason to refuse a call."""
    fit = {name: names.fit_label(value) for name, value in found.items()}
    return {name: value for name, value in fit.items() if value is not None}


def _from_ci(environ: Mapping[str, str]) -> dict[str, Label]:
    return _fit({name: next((environ[each] for each in each_of if environ.get(each)), "") for name, each_of in _CI})
