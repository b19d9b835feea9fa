"""What forms suggest of the files of the KPF tree: objects, kinds of source, DRP versions.

Objects and versions come from the index of headers, so that no file is read.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from kpfnb.core.text import format_count
from kpfnb.notebook.form.suggestions import register_suggestions


@register_suggestions("source", "sources")
def suggest_sources() -> dict[str, str]:
    """The kinds of source."""
    from kpfnb.kpf.files.exposure import SOURCE_TYPES

    return dict.fromkeys(SOURCE_TYPES, "")


@register_suggestions("object", "objects")
def suggest_objects() -> dict[str, str]:
    """OBJECT and TARGNAME of the files in the index, each with the number of files."""
    return {**count_values("TARGNAME"), **count_values("OBJECT")}


@register_suggestions("version")
def suggest_versions() -> dict[str, str]:
    """The DRP versions of the products in the index."""
    from kpfnb.kpf.files.drp import parse_version

    return {tag: count for tag, count in count_values("DRPTAG").items() if parse_version(tag)}


def count_values(keyword: str) -> dict[str, str]:
    """The values of a keyword in the index of headers, and in how many files each is."""
    from kpfnb.core import settings
    from kpfnb.kpf.progress import evaluation

    path = evaluation.index_path(settings.load_settings())
    if not path.exists():
        return {}
    query = (
        "SELECT json_extract(facts, ?) AS value, count(*) FROM file"
        " WHERE json_valid(facts) GROUP BY value ORDER BY value"
    )
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(query, (f'$."{keyword}"',)).fetchall()
    return {str(value): format_count(count, "file") for value, count in rows if value}
