"""What forms suggest of the time series: panels, keywords, objects, stars and flags."""

from __future__ import annotations

from kpfnb.core.errors import KpfnbError
from kpfnb.core.text import format_count
from kpfnb.kpf.files.keywords import find_keyword, list_keywords
from kpfnb.kpf.files.quality_flags import read_quality_flags
from kpfnb.kpf.progress import suggestions as progress_suggestions
from kpfnb.kpf.tsdb import catalogue, database
from kpfnb.kpf.tsdb.plots.panel import load_panels
from kpfnb.notebook.form.suggestions import register_suggestions


@register_suggestions("panel")
def suggest_panels() -> dict[str, str]:
    """The standard panels and the user's own, with their titles."""
    return {name: panel.title for name, panel in load_panels().items()}


@register_suggestions("keywords", "where")
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


@register_suggestions("star", "stars")
def suggest_stars() -> dict[str, str]:
    """The stars in the database, each with its observations and nights."""
    from kpfnb.kpf.timeseries.star_names import list_stars

    return {
        star.name: f"{format_count(star.observations, 'observation')}, {star.first} to {star.last}"
        for star in list_stars()
    }


@register_suggestions("object", "objects")
def suggest_objects() -> dict[str, str]:
    """The stars in the database, and the objects of the files that have been indexed."""
    try:
        stars = suggest_stars()
    except KpfnbError:
        stars = {}
    return {**progress_suggestions.suggest_objects(), **stars}


@register_suggestions("qc")
def suggest_flags() -> dict[str, str]:
    """The keywords of quality control."""
    flags = {name: find_keyword(name) for name in (*read_quality_flags(), "ISGOOD")}
    return {name: keyword.description for name, keyword in flags.items() if keyword}


def _explain(unit: str, description: str) -> str:
    return f"[{unit}] {description}" if unit else description
