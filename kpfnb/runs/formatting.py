"""A run as people see it: words, symbols, local times, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from kpfnb.core.result import Outcome
from kpfnb.core.text import format_duration
from kpfnb.runs.record import RunRecord

RUNNING = "running"
MAX_LIST_ITEMS = 5
OUTCOME_SIGNS: dict[str, str] = {
    RUNNING: "▶",
    Outcome.SUCCEEDED: "✔",
    Outcome.PARTIAL: "◐",
    Outcome.FAILED: "✖",
    Outcome.CRASHED: "▲",
    Outcome.REJECTED: "⊘",
    Outcome.SKIPPED: "○",
}
"""Outcomes have a word, a shape and a colour: never a colour alone."""

FILE_LABELS = {
    "report.html": "report",
    "log.txt": "log",
    "notebook.ipynb": "notebook",
    "notebook.partial.ipynb": "notebook so far",
    "result.json": "result",
}


@dataclass(frozen=True)
class PageLink:
    """A link on a page."""

    text: str
    target: str


def run_context(record: RunRecord, zone: ZoneInfo, *, top: str = "") -> dict[str, Any]:
    """The values of a run for templates; `top` is the path from the page to the runs directory."""
    moment = datetime.fromisoformat(record.started).astimezone(zone)
    return {
        "id": record.id,
        "notebook": record.notebook,
        "kind": record.kind,
        "parent": record.parent,
        "word": outcome_word(record),
        "sign": OUTCOME_SIGNS[outcome_word(record)],
        "reason": record.reason,
        "error": remaining_error_text(record),
        "started": moment.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "started_short": moment.strftime("%Y-%m-%d %H:%M"),
        "duration": format_run_duration(record.seconds),
        "figures": [(name, format_value(value)) for name, value in record.figures.items()],
        "parameters": [(name, format_value(value)) for name, value in record.parameters.items()],
        "provenance": _provenance_pairs(record),
        "version": record.versions.get("kpfnb", ""),
        "links": _file_links(record, top),
    }


def remaining_error_text(record: RunRecord) -> str:
    """The message of the error that ended the run, unless the reason contains all of it."""
    message = str(record.error.get("message", ""))
    return "" if " ".join(message.split()) in record.reason else message


def outcome_word(record: RunRecord) -> str:
    """The outcome as a word; `running` if there is none yet."""
    return str(record.outcome or RUNNING)


def format_run_duration(seconds: float | None) -> str:
    """The duration of a run: 12.3 s, 4 min 05 s, 3 h 20 min; a dash while it runs."""
    if seconds is None:
        return "–"
    return f"{seconds:.1f} s" if seconds < 59.95 else format_duration(seconds)


def format_value(value: Any) -> str:
    """A parameter or key figure as text; empty values are a dash, long lists are shortened."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        more = f" and {len(value) - MAX_LIST_ITEMS} more" if len(value) > MAX_LIST_ITEMS else ""
        value = ", ".join(map(str, value[:MAX_LIST_ITEMS])) + more
    elif isinstance(value, Mapping):
        value = ", ".join(f"{name}: {item}" for name, item in value.items())
    return "–" if value is None or value == "" else str(value)


@cache
def template_environment() -> Any:
    """The environment of the templates; all values are escaped."""
    import jinja2

    loader = jinja2.PackageLoader("kpfnb.runs")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)


@cache
def stylesheet() -> str:
    """The style sheet of reports and run pages."""
    return template_source("style.css")


def template_source(name: str) -> str:
    """The text of a template file."""
    return str(template_environment().loader.get_source(template_environment(), name)[0])


def _file_links(record: RunRecord, top: str) -> list[PageLink]:
    base = f"{top}{quote(record.directory.parent.name)}/{quote(record.directory.name)}"
    present = [name for name in FILE_LABELS if (record.directory / name).exists()]
    return [PageLink(FILE_LABELS[name], f"{base}/{name}") for name in present]


def _provenance_pairs(record: RunRecord) -> list[tuple[str, str]]:
    import shlex

    pairs = {
        "repeat it with": shlex.join(record.command),
        "run by": record.origin,
        "started (UTC)": record.started,
        "finished (UTC)": record.finished,
        "part of": record.parent,
        "host": record.host,
        "commit": record.commit,
        "settings": record.settings_file or "defaults and environment",
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    return [(name, text) for name, text in pairs.items() if text]
