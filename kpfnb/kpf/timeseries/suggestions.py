"""What the form of the notebook timeseries suggests: panels, keywords, sources and flags."""

from __future__ import annotations

from kpfnb.core.errors import KpfnbError
from kpfnb.kpf.files.exposure import SOURCE_TYPES
from kpfnb.kpf.files.keywords import find_keyword, list_keywords
from kpfnb.kpf.files.quality_flags import read_quality_flags
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.plots.panel import load_panels
from kpfnb.notebook.form.suggestions import Suggestions, register_suggestions


@register_suggestions("timeseries")
def suggest_parameters() -> dict[str, Suggestions]:
    """Known values of the notebook's parameters."""
    columns = suggest_columns()
    return {
        "panel": {name: panel.title for name, panel in load_panels().items()},
        "keywords": columns,
        "where": columns,
        "qc": _suggest_flags(),
        "source": dict.fromkeys(SOURCE_TYPES, ""),
    }


def suggest_columns() -> dict[str, str]:
    """The keywords of the database with unit and description; without one all known keywords."""
    try:
        with database.read_transaction() as connection:
            entries = catalogue.search_keywords(connection)
    except KpfnbError:
        entries = []
    if entries:
        return {entry.keyword.name: _explain(entry.unit, entry.description) for entry in entries}
    return {
        name: _explain(keyword.unit, keyword.description)
        for keyword in list_keywords()
        if keyword.levels != ("master",)
        for name in keyword.members()
    }


def _suggest_flags() -> dict[str, str]:
    flags = {name: find_keyword(name) for name in (*read_quality_flags(), "ISGOOD")}
    return {name: keyword.description for name, keyword in flags.items() if keyword}


def _explain(unit: str, description: str) -> str:
    return f"[{unit}] {description}" if unit else description
