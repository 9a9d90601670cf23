"""A repository as git lays it out, without git; and a project's file that is allowed."""

from __future__ import annotations

from pathlib import Path

from aikeys import project


def repository(folder: Path, head: str, config: str = "") -> None:
    """Make `.git` of a folder, as far as labels are read from it."""
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text(head, encoding="utf-8")
    (folder / ".git" / "config").write_text(config, encoding="utf-8")


def allow(home: str, folder: Path) -> None:
    """Let the project's file of a folder count for a home."""
    found = project.find(str(folder))
    assert found is not None
    project.allow(home, found, 1)
