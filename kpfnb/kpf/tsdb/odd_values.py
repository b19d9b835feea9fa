"""Values that are not of the kind of their column, and the kind of a column that most values have.

A keyword that the catalogue of KPF does not have is of the kind of most of its values. Where a
batch and the database differ about it, the newest chunks decide, and what has the other kind is
read again by the kind that won. Nothing is lost by that: a value that is not of the kind of its
column is kept as text beside it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, select, update

from kpfnb.kpf.tsdb import catalogue
from kpfnb.kpf.tsdb.batch import ObservationBatch
from kpfnb.kpf.tsdb.catalogue import KeywordEntry
from kpfnb.kpf.tsdb.file_content import FileWarning, FileWarningKind, Keyword, join_names
from kpfnb.kpf.tsdb.kinds import (
    ValueClass,
    ValueKind,
    ValueRule,
    catalogue_rule,
    class_of_kind,
    classify_stored_text,
    most_frequent_class,
    rule_of_class,
)
from kpfnb.kpf.tsdb.schema import block_table, chunk_table, keyword_table, part_table
from kpfnb.kpf.tsdb.series import (
    Array,
    PackedSeries,
    Series,
    column_kind,
    pack_series,
    parse_mask,
    regather_series,
    unpack_series,
)

CHUNKS_THAT_DECIDE = 50
"""The newest chunks whose values say of which kind a keyword is."""

MAX_SHOWN_TEXT = 40

Warnings = dict[str, list[FileWarning]]
"""Warnings by path of the file."""


def settle_kinds(
    connection: Connection, batch: ObservationBatch, known: dict[Keyword, KeywordEntry]
) -> tuple[ObservationBatch, dict[Keyword, KeywordEntry], Warnings]:
    """Bring batch and database to the same class of each keyword.

    Returns
    -------
    the batch, the keywords of the database, and notes about numbers that were texts
    """
    disputed = {
        (keyword.extension, keyword.name)
        for keyword, kind in batch.kinds.items()
        if keyword in known and class_of_kind(known[keyword].kind) is not class_of_kind(kind)
    }
    columns, notes = dict(batch.columns), defaultdict(list)
    for extension, name in sorted(disputed):
        mine = {k: v for k, v in columns.items() if (k.extension, k.name) == (extension, name)}
        ids = _keyword_ids(connection, extension, name)
        rule = catalogue_rule(extension, name)
        if rule is None:
            votes = count_blocks(connection, ids) + _count_columns(batch, mine)
            rule = rule_of_class(most_frequent_class(votes))
        for keyword, packed in mine.items():
            if class_of_kind(packed.kind) is not rule.value_class:
                present = parse_mask(batch.present[keyword.level])
                series = unpack_series(packed, _every_row(present.size))
                columns[keyword], rows = _read_again(series, rule)
                for obsid in (batch.obsids[row] for row in rows if present[row]):
                    notes[keyword.level, obsid].append(name)
        convert_keywords(connection, ids, rule)
    if disputed:
        batch = replace(batch, columns=columns)
        known = catalogue.read_keywords(connection, batch.present)
    paths = {(file.level, file.obsid): file.path for file in batch.files}
    kind = FileWarningKind.NUMBER_AS_TEXT
    return (
        batch,
        known,
        {
            paths[place]: [FileWarning(kind, join_names(names))]
            for place, names in notes.items()
            if place in paths
        },
    )


def merge_warnings(batch: ObservationBatch, notes: Warnings) -> Warnings:
    """Notes, and warnings about the odd values of each file of a batch."""
    paths = {(file.level, file.obsid): file.path for file in batch.files}
    found = defaultdict(list)
    for keyword in (*batch.columns, *batch.repeated):
        packed = batch.columns[batch.repeated.get(keyword, keyword)]
        if packed.numbers is not None and packed.texts is not None:
            present = parse_mask(batch.present[keyword.level])
            odd = unpack_series(packed, present).odd_texts()
            for row in np.flatnonzero(present):
                path = paths.get((keyword.level, batch.obsids[row]))
                if odd[row] is not None and path:
                    found[path].append(describe_odd_value(keyword.name, odd[row], packed.kind))
    warnings = defaultdict(list, {path: list(given) for path, given in notes.items()})
    for path, texts in found.items():
        warnings[path].append(FileWarning(FileWarningKind.ODD_VALUE, join_names(texts)))
    return warnings


def describe_odd_value(name: str, text: str, kind: ValueKind) -> str:
    """An odd value for people: AIRMASS = 'n/a' (float)."""
    shown = text if len(text) <= MAX_SHOWN_TEXT else f"{text[:MAX_SHOWN_TEXT]}..."
    return f"{name} = {shown!r} (column: {kind})"


def convert_keywords(
    connection: Connection, ids: Sequence[int], rule: ValueRule, *, always: bool = False
) -> ValueKind | None:
    """Read all stored values of keywords again by a rule, and set their kind.

    ids : of the same keyword at all levels, since a level may refer to the values of another
    always : also where the kind of the keywords is of that class already

    Returns
    -------
    the new kind; None if nothing was converted
    """
    query = select(keyword_table.c.kind).where(keyword_table.c.id.in_(ids))
    stored = {ValueKind(kind) for kind in connection.scalars(query)}
    if not always and all(class_of_kind(kind) is rule.value_class for kind in stored):
        return None
    kinds, changes = set(), []
    for row, series in read_blocks(connection, ids):
        packed, _ = _read_again(series, rule)
        kinds.add(packed.kind)
        changes.append({"c": row.chunk, "k": row.keyword, **packed._asdict()})
    condition = (block_table.c.chunk == bindparam("c")) & (block_table.c.keyword == bindparam("k"))
    if changes:
        connection.execute(update(block_table).where(condition), changes)
    kind = column_kind(rule, kinds)
    catalogue.set_kind(connection, ids, kind)
    return kind


def _read_again(series: Series, rule: ValueRule) -> tuple[PackedSeries, list[int]]:
    """The values of a block read by another rule, and the rows of numbers that were texts.

    All rows count, also those whose file is no longer in the chunk: other levels may refer to them.
    """
    gathered = regather_series(series, rule)
    every_row = _every_row(series.values.size)
    return pack_series(gathered.series, every_row), gathered.text_rows


def _every_row(size: int) -> Array:
    return np.ones(size, bool)


def _keyword_ids(connection: Connection, extension: str, name: str) -> list[int]:
    query = select(keyword_table.c.id).where(
        (keyword_table.c.extension == extension) & (keyword_table.c.name == name)
    )
    return list(connection.scalars(query))


def read_blocks(
    connection: Connection, ids: Sequence[int], newest: int | None = None
) -> Iterator[tuple[Row[Any], Series]]:
    """The blocks of keywords that hold values: their row, with the mask `present`, and the values
    of all rows, also of those whose file is no longer in the chunk.

    newest : only of so many chunks; of all if None
    """
    numbers = select(chunk_table.c.id).order_by(chunk_table.c.id.desc())
    for number in connection.scalars(numbers.limit(newest) if newest else numbers).all():
        query = (
            select(block_table, part_table.c.present)
            .join(keyword_table, keyword_table.c.id == block_table.c.keyword)
            .join(
                part_table,
                (part_table.c.chunk == block_table.c.chunk)
                & (part_table.c.level == keyword_table.c.level),
            )
            .where((block_table.c.chunk == number) & block_table.c.keyword.in_(ids))
            .where(block_table.c.same.is_(None))
        )
        for row in connection.execute(query).all():
            packed = PackedSeries(ValueKind(row.kind), row.numbers, row.texts)
            yield row, unpack_series(packed, _every_row(len(row.present)))


def count_blocks(connection: Connection, ids: Sequence[int]) -> Counter[ValueClass | None]:
    """How many values of keywords in the newest chunks are of each class."""
    counts: Counter[ValueClass | None] = Counter()
    for row, series in read_blocks(connection, ids, CHUNKS_THAT_DECIDE):
        counts += _count_values(series.select(parse_mask(row.present)))
    return counts


def _count_columns(
    batch: ObservationBatch, columns: Mapping[Keyword, PackedSeries]
) -> Counter[ValueClass | None]:
    counts: Counter[ValueClass | None] = Counter()
    for keyword, packed in columns.items():
        present = parse_mask(batch.present[keyword.level])
        counts += _count_values(unpack_series(packed, present).select(present))
    return counts


def _count_values(series: Series) -> Counter[ValueClass | None]:
    counts: Counter[ValueClass | None] = Counter()
    if series.kind is ValueKind.TEXT:
        texts = series.values
    else:
        texts = series.odd_texts()
        counts = Counter({class_of_kind(series.kind): int((~np.isnan(series.values)).sum())})
    counts.update(classify_stored_text(text) for text in texts if text is not None)
    return counts
