"""The migration of a database of schema 1: it runs at the next ingest, in the same transaction.

Schema 1 stored switches as words (GREEN = 'YES') and times in Hawaii's time as text, and one text
in a column of numbers made the whole column text. The values themselves are in the database, so
the files need not be read again: each such column is read again by the rule of its keyword.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, delete, select, update

from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb import catalogue, odd_values, store
from kpfnb.kpf.tsdb.catalogue import KeywordEntry
from kpfnb.kpf.tsdb.file_content import FileWarning, FileWarningKind
from kpfnb.kpf.tsdb.kinds import ValueKind, catalogue_rule, most_frequent_class, rule_of_class
from kpfnb.kpf.tsdb.schema import (
    SCHEMA_VERSION,
    about_table,
    block_table,
    create_views,
    file_table,
    keyword_table,
    problem_table,
)
from kpfnb.kpf.tsdb.series import column_kind

OLD_VERSION = "1"
"""The version that can be migrated."""

_OLD_WARNING = "another type"
"""What schema 1 said of the first file with a text in a column of numbers."""


def migrate_database(connection: Connection) -> None:
    """Bring a database of schema 1 to this version."""
    connection.execute(delete(problem_table).where(problem_table.c.reason == _OLD_WARNING))
    by_name: dict[tuple[str, str], list[KeywordEntry]] = defaultdict(list)
    for entry in catalogue.read_keywords(connection, KPF.levels).values():
        by_name[entry.keyword.extension, entry.keyword.name].append(entry)
    mixed = _find_mixed_texts(connection)
    for (extension, name), entries in by_name.items():
        ids = [entry.id for entry in entries]
        rule = catalogue_rule(extension, name)
        if rule is None:
            if all(entry.kind is not ValueKind.TEXT for entry in entries):
                continue
            counts = odd_values.count_blocks(connection, ids)
            rule = rule_of_class(most_frequent_class(counts)) if counts else None
        if rule is None:
            continue
        if odd_values.convert_keywords(connection, ids, rule, always=not mixed.isdisjoint(ids)):
            _record_odd_values(connection, entries)
            continue
        for entry in entries:
            kind = column_kind(rule, {entry.kind})
            if kind is not entry.kind:
                catalogue.set_kind(connection, [entry.id], kind)
    catalogue.complete_descriptions(connection)
    create_views(connection)
    is_version = about_table.c.name == "schema"
    connection.execute(update(about_table).where(is_version).values(value=str(SCHEMA_VERSION)))


def _find_mixed_texts(connection: Connection) -> set[int]:
    """The keywords of texts that have blocks of another kind: schema 1 changed no stored block."""
    query = (
        select(block_table.c.keyword)
        .distinct()
        .join(keyword_table, keyword_table.c.id == block_table.c.keyword)
        .where((keyword_table.c.kind == ValueKind.TEXT) & (block_table.c.kind != ValueKind.TEXT))
    )
    return set(connection.scalars(query))


def _record_odd_values(connection: Connection, entries: Sequence[KeywordEntry]) -> None:
    """Record the odd values of converted keywords as problems of their files."""
    by_id = {entry.id: entry.keyword for entry in entries}
    for row, series in odd_values.read_blocks(connection, list(by_id)):
        if series.odd is None:
            continue
        is_odd = [text is not None for text in series.odd]
        query = select(block_table.c.keyword).where(
            (block_table.c.chunk == row.chunk) & (block_table.c.same == row.keyword)
        )
        # A level may refer to the values of another
        levels = [by_id[number].level for number in (row.keyword, *connection.scalars(query))]
        files = select(file_table).where(
            (file_table.c.chunk == row.chunk)
            & file_table.c.level.in_(levels)
            & file_table.c.place.in_(np.flatnonzero(is_odd).tolist())
        )
        name = by_id[row.keyword].name
        for file in connection.execute(files).all():
            text = odd_values.describe_odd_value(name, series.odd[file.place], series.kind)
            store.add_warning(connection, file, FileWarning(FileWarningKind.ODD_VALUE, text))
