"""For whom a call is: what the command line says, else the project's file, config.toml, the key, git and CI.

Of git and CI only what stays the same from call to call is taken: repository and branch, as tags.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aikeys.cli import terminal
from aikeys.errors import Usage
from aikeys.secret import refuse_token

if TYPE_CHECKING:
    from aikeys.config import Config
    from aikeys.ledger.calls import Labels

OWN = ("team", "project", "environment", "user")
"""The labels that are no tags."""
_CI = (
    ("repository", ("GITHUB_REPOSITORY", "CI_PROJECT_PATH", "BITBUCKET_REPO_FULL_NAME", "BUILD_REPOSITORY_NAME")),
    ("branch", ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "BITBUCKET_BRANCH")),
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LONGEST = 200


def labels(typed: Mapping[str, str], tags: Sequence[str], settings: Config, of_key: Mapping[str, str]) -> Labels:
    """Return the labels of a call; what stands nearer to the command line wins."""
    from aikeys import config
    from aikeys.spending.attempt import labels_of

    found = {**_from_git(os.getcwd()), **_from_ci(os.environ), **of_key, **dict(settings.labels)}
    project = config.find_project_file(os.getcwd())
    if project is not None:
        found |= dict(config.load_project(project).labels)
    return labels_of(_checked({**found, **typed_labels(typed, tags)}))


def typed_labels(typed: Mapping[str, str], tags: Sequence[str]) -> dict[str, str]:
    """Return the labels that a command line gives, tags among them; Usage where one cannot be."""
    found = {name: value for name, value in typed.items() if value}
    for tag in tags:
        name, equals, value = tag.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise Usage(f"--tag {terminal.printable(tag)[:80]} is not NAME=VALUE", "for example --tag client=acme")
        found[name] = value
    return _checked(found)


def _checked(found: dict[str, str]) -> dict[str, str]:
    refuse_token(*found.values())
    for name, value in found.items():
        if not value.isprintable() or len(value) > _LONGEST:
            raise Usage(
                f"the label {terminal.printable(name)} has an unprintable character or over {_LONGEST} characters",
                "shorten it",
            )
    return found


def _from_ci(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: next((environ[each] for each in names if environ.get(each)), "") for name, names in _CI}
    return {name: value for name, value in found.items() if value and value.isprintable() and len(value) <= _LONGEST}


def _from_git(start: str) -> dict[str, str]:
    """Read the repository's name and branch as git keeps them; no program is run."""
    folder = start
    while not os.path.isdir(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return {}
        folder = above
    head = _read(os.path.join(folder, ".git", "HEAD"))
    origin = re.search(r'\[remote "origin"\][^\[]*?\burl = (\S+)', _read(os.path.join(folder, ".git", "config")))
    address = origin[1].removesuffix(".git").rstrip("/") if origin else ""
    found = {
        "repository": re.split("[/:]", address)[-1] or os.path.basename(folder),
        "branch": head.removeprefix("ref: refs/heads/").strip() if head.startswith("ref: refs/heads/") else "",
    }
    return {name: value for name, value in found.items() if value and value.isprintable() and len(value) <= _LONGEST}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
