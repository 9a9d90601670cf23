"""Build hook of hatchling: the wheel installs every manual page of man/ where man(1) looks for it."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def places(root: str) -> dict[str, str]:
    """Return where each manual page of a source tree goes, below the prefix of the installation."""
    return {
        f"man/{page.name}": f"share/man/man{page.suffix[1:]}/{page.name}"
        for page in sorted(Path(root, "man").glob("aikeys*.[157]"))
    }


class ManPages(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the manual pages to the shared data of the wheel."""

    PLUGIN_NAME = "man-pages"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them; hatchling calls this before it builds."""
        del version
        build_data["shared_data"].update(places(self.root))
