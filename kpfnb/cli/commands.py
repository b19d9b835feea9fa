"""The commands of `kpfnb`: their sections in the help, their modules, and one line on each.

The table lets `kpfnb --help` answer without importing the commands, and a command be imported
only when it is called. A test compares the lines with the docstrings of the commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from typer.core import TyperGroup

MAX_HELP_LENGTH = 1000
"""Of a command's first sentence: none is cut, long ones are wrapped."""


class CommandEntry(NamedTuple):
    """What the help knows of a command before its module is imported."""

    module: str
    """Below `kpfnb.cli`."""
    help: str
    """The first sentence of its docstring."""


SECTIONS: dict[str, dict[str, CommandEntry]] = {
    "KPF": {
        "progress": CommandEntry(
            "drp", "Show how far the processing of a night or a range of nights is."
        ),
        "touch": CommandEntry(
            "drp",
            "Touch files slowly, so that a watching DRP processes them again; nothing is ever made.",
        ),
        "reprocess": CommandEntry(
            "drp",
            "Run the DRP over what is not done yet; an observation is judged by its products.",
        ),
        "night": CommandEntry(
            "night",
            "Process a whole night: DRP products, quicklook, database rows, and its report.",
        ),
        "quicklook": CommandEntry(
            "night", "Make plots, checks and pages of the files in a time range."
        ),
        "ingest": CommandEntry(
            "tsdb",
            "Ingest a night or a range of nights into the time-series database: only what has changed.",
        ),
        "tsdb": CommandEntry("tsdb", "The time-series database: keywords of every observation."),
        "timeseries": CommandEntry(
            "tsdb", "Draw the standard panels of the time series, and their pages."
        ),
        "verdict": CommandEntry(
            "night",
            "Assess a night by rules: PASS (exit code 0), WARN (3) or FAIL (1); write its page.",
        ),
        "report": CommandEntry(
            "night",
            "Write the report of a night: observations, products, verdict, plots, velocities, problems.",
        ),
        "watch": CommandEntry(
            "watch", "Handle files as they arrive; SIGTERM or Ctrl-C finishes what runs and stops."
        ),
    },
    "PypeIt": {
        "prepare": CommandEntry(
            "prepare", "Prepare raw frames for PypeIt: places, headers, trimmed setups."
        ),
        "reduce": CommandEntry("reduce", "Reduce one dataset with PypeIt and judge its products."),
        "run-pypeit": CommandEntry(
            "reduce",
            "Run PypeIt on every .pypeit file below a folder, where it lies; several at a time.",
        ),
        "scorecard": CommandEntry(
            "reduce", "How good reductions are: frame by frame, slit by slit."
        ),
        "coadd": CommandEntry(
            "reduce",
            "Calibrate and coadd the spectra of each object, and stack the images of each target.",
        ),
        "archive": CommandEntry(
            "archive",
            "Deliver reductions to the Keck Observatory Archive, and check what was delivered.",
        ),
        "dataset": CommandEntry("archive", "Work with the datasets on the remote."),
        "backup": CommandEntry("archive", "Keep the reductions safe on a second remote."),
    },
    "Notebooks, queues and services": {
        "run": CommandEntry(
            "runs",
            "Run a notebook without a screen: executed notebook, report, result and log are kept.",
        ),
        "runs": CommandEntry("runs", "List runs, newest first, or show one of them."),
        "pipeline": CommandEntry(
            "pipelines", "Run, list and show pipelines: notebooks put together."
        ),
        "queue": CommandEntry("queue_admin", "Load, watch and mend work queues."),
        "worker": CommandEntry(
            "queue", "Work on a queue: claim its items one by one, do the task with each, report."
        ),
        "services": CommandEntry(
            "services", "Start, stop and look at the services of this work directory."
        ),
        "doctor": CommandEntry(
            "doctor", "Show each setting and where it comes from, and check what it names."
        ),
        "demo": CommandEntry("demo", "SIMULATED data, to try everything out."),
    },
}
"""The commands of each section, in the order of the work."""

COMMANDS = {name: entry for entries in SECTIONS.values() for name, entry in entries.items()}


class CommandGroup(TyperGroup):
    """A group of commands whose help shows the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        rows = [
            (name, self.commands[name].get_short_help_str(MAX_HELP_LENGTH))
            for name in self.list_commands(ctx)
        ]
        write_section(formatter, "Commands", rows)


def write_section(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Write one section of a help text."""
    with formatter.section(title):
        formatter.write_dl(list(rows))
