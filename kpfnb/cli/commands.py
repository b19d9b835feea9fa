"""What `kpfnb --help` lists: the commands by whom they are for, in the order of the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "KPF": (
        "progress",
        "touch",
        "reprocess",
        "night",
        "quicklook",
        "ingest",
        "tsdb",
        "timeseries",
        "verdict",
        "report",
        "watch",
    ),
    "PypeIt": (
        "prepare",
        "reduce",
        "run-pypeit",
        "scorecard",
        "coadd",
        "archive",
        "dataset",
        "backup",
    ),
    "Notebooks, queues and services": (
        "run",
        "runs",
        "pipeline",
        "queue",
        "worker",
        "services",
        "doctor",
        "demo",
    ),
}
MAX_HELP_LENGTH = 1000
"""Of a command's first sentence: none is cut, long ones are wrapped."""


class CommandGroup(TyperGroup):
    """Commands of one kind, each with the whole first sentence of what it does."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write all of them."""
        self._write(formatter, "Commands", self.list_commands(ctx))

    def _write(self, formatter: Any, title: str, names: Sequence[str]) -> None:
        rows = [(name, self.commands[name].get_short_help_str(MAX_HELP_LENGTH)) for name in names]
        with formatter.section(title):
            formatter.write_dl(rows)


class SectionedGroup(CommandGroup):
    """All commands, in sections."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each section."""
        for title, names in SECTIONS.items():
            self._write(formatter, title, names)
