"""What a wheel has that a checkout has beside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROJECT_FOLDERS = ("notebooks", "params", "pipelines")
TARGET = Path("kpfnb", "project")
"""Where `kpfnb.core.project.PACKAGED_PROJECT` expects them."""


class ProjectFiles(BuildHookInterface):
    """Adds the notebooks, sets of parameters and pipelines; an editable wheel needs none."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds a wheel."""
        if version != "editable":
            for folder in PROJECT_FOLDERS:
                build_data["force_include"][folder] = str(TARGET / folder)
