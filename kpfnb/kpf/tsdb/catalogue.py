"""The catalogue of keywords in the database; it grows as files are ingested."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from kpfnb.core.errors import InvalidParameterError
from kpfnb.kpf.files import keywords
from kpfnb.kpf.files.obsid import KPF
from kpfnb.kpf.tsdb.file_content import Keyword
from kpfnb.kpf.tsdb.kinds import KIND_BY_NAME, ValueKind, ValueRule, catalogue_rule, common_kind
from kpfnb.kpf.tsdb.schema import keyword_table

_UNIT = re.compile(r"\[([^\]]*)\]\s*(.*)")
_MAX_SUGGESTIONS = 5

_RULE_NOTES: dict[ValueRule | None, str] = {
    ValueRule.SWITCH: "1: open, yes; 0: closed, no",
    ValueRule.HST_TIME: "HST in the files, UTC here",
}
"""What a description says of values that the files have in another form."""


class KeywordEntry(NamedTuple):
    """One keyword of the catalogue, with kind, unit and description."""

    id: int
    keyword: Keyword
    kind: ValueKind
    unit: str
    description: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        shown = {**self.keyword._asdict(), "kind": str(self.kind)}
        return {**shown, "unit": self.unit, "description": self.description}


def read_keywords(
    connection: Connection, levels: Iterable[str] = KPF.levels
) -> dict[Keyword, KeywordEntry]:
    """All keywords of the given levels."""
    query = select(keyword_table).where(keyword_table.c.level.in_(list(levels)))
    return {entry.keyword: entry for entry in map(_entry_from_row, connection.execute(query))}


def register_keywords(
    connection: Connection,
    kinds: Mapping[Keyword, ValueKind],
    comments: Mapping[Keyword, str],
    known: Mapping[Keyword, KeywordEntry],
) -> dict[Keyword, int]:
    """Add new keywords, and widen the kind of known ones where necessary.

    known : what `read_keywords` says, at least for the levels of the keywords

    Returns
    -------
    the ids of all given keywords
    """
    new = []
    for keyword, kind in kinds.items():
        entry = known.get(keyword)
        if entry is None:
            new.append(_keyword_row(keyword, kind, comments.get(keyword, "")))
            continue
        wide = common_kind((entry.kind, kind)) or kind
        if wide is not entry.kind:
            set_kind(connection, [entry.id], wide)
    if new:
        connection.execute(keyword_table.insert(), new)
        known = read_keywords(connection, {keyword.level for keyword in kinds})
    return {keyword: known[keyword].id for keyword in kinds}


def set_kind(connection: Connection, ids: Iterable[int], kind: ValueKind) -> None:
    """Set the kind of keywords."""
    condition = keyword_table.c.id.in_(list(ids))
    connection.execute(keyword_table.update().where(condition).values(kind=kind))


def complete_descriptions(connection: Connection) -> None:
    """Add to units and descriptions what the catalogue of KPF knows, as for new keywords."""
    for entry in read_keywords(connection).values():
        comment = f"[{entry.unit}] {entry.description}"
        row = _keyword_row(entry.keyword, entry.kind, comment)
        if (row["unit"], row["description"]) != (entry.unit, entry.description):
            condition = keyword_table.c.id == entry.id
            texts = {name: row[name] for name in ("unit", "description")}
            connection.execute(keyword_table.update().where(condition).values(**texts))


def search_keywords(connection: Connection, pattern: str = "") -> list[KeywordEntry]:
    """The keywords whose name, unit or description matches a regular expression."""
    try:
        expression = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InvalidParameterError(
            f"pattern {pattern!r}: {error}", "write a valid regular expression"
        ) from None
    matching = (
        entry
        for entry in read_keywords(connection).values()
        if any(map(expression.search, (entry.keyword.name, entry.unit, entry.description)))
    )
    return sorted(matching, key=lambda entry: (_sort_key(entry.keyword), entry.keyword.name))


def resolve_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """The catalogue entry of each name: NAME (of the first level that has it) or LEVEL:NAME.

    Raises
    ------
    InvalidParameterError : a name is unknown; the message suggests similar ones
    """
    unique = list(dict.fromkeys(names))
    resolved = resolve_known_names(connection, unique)
    for name in unique:
        if name not in resolved:
            raise _unknown_name_error(connection, name)
    return resolved


def resolve_known_names(connection: Connection, names: Iterable[str]) -> dict[str, KeywordEntry]:
    """As `resolve_names`, but unknown names are left out."""
    bare = {name: _split_name(name)[1] for name in names}
    query = select(keyword_table).where(keyword_table.c.name.in_(sorted(set(bare.values()))))
    candidates: dict[str, list[KeywordEntry]] = {}
    for entry in map(_entry_from_row, connection.execute(query)):
        candidates.setdefault(entry.keyword.name, []).append(entry)
    resolved = {}
    for name in bare:
        level = _split_name(name)[0]
        matching = [e for e in candidates.get(bare[name], []) if level in ("", e.keyword.level)]
        if matching:
            resolved[name] = min(matching, key=lambda entry: _sort_key(entry.keyword))
    return resolved


def describe_missing(name: str) -> str:
    """A name that is not in the database, for people: whether KPF has such a keyword at all."""
    bare = _split_name(name)[1]
    if keywords.is_known(bare.partition(":")[0]):
        return name
    hint = keywords.suggest_keyword(bare)
    return f"{name} (no keyword of KPF{f'; {hint}' if hint else ''})"


def _unknown_name_error(connection: Connection, name: str) -> InvalidParameterError:
    level, bare = _split_name(name)
    known = sorted(set(connection.scalars(select(keyword_table.c.name))))
    search = "search: kpfnb tsdb keywords PATTERN"
    if bare in known:
        query = select(keyword_table.c.level).where(keyword_table.c.name == bare)
        levels = " ".join(sorted(connection.scalars(query), key=list(KPF.levels).index))
        return InvalidParameterError(
            f"column {name!r}: {bare} is not in {level} files", f"it is in {levels}"
        )
    if keywords.is_known(bare):
        return InvalidParameterError(
            f"column {name!r}: a keyword of KPF, but no ingested file has a value of it", search
        )
    spelling = {keyword.lower(): keyword for keyword in known}
    similar = difflib.get_close_matches(bare.lower(), spelling, n=_MAX_SUGGESTIONS, cutoff=0.5)
    nearest = f"nearest: {', '.join(spelling[keyword] for keyword in similar)}" if similar else ""
    hints = [keywords.suggest_keyword(bare), nearest, search]
    return InvalidParameterError(
        f"unknown column {name!r}: no such keyword", "; ".join(filter(None, hints))
    )


def _split_name(name: str) -> tuple[str, str]:
    """Level ('' for any) and keyword. A statistic has a colon too: SENSOR:stddev."""
    level, colon, rest = name.partition(":")
    return (level, rest) if colon and level in KPF.levels else ("", name)


def _sort_key(keyword: Keyword) -> tuple[int, str]:
    return list(KPF.levels).index(keyword.level), keyword.extension


def _keyword_row(keyword: Keyword, kind: ValueKind, comment: str) -> dict[str, str]:
    """A row of the table; what the comment of the card does not say is in the catalogue of KPF."""
    match = _UNIT.fullmatch(comment)
    unit, description = match.groups() if match else ("", comment)
    sensor, _, statistic = keyword.name.partition(":")
    known = keywords.find_keyword(sensor, extension=keyword.extension)
    if known:
        unit = unit or known.unit
        description = description or " ".join(filter(None, (known.description, statistic)))
    note = _RULE_NOTES.get(catalogue_rule(keyword.extension, keyword.name))
    if note and note not in description:
        description = f"{description} ({note})".lstrip()
    return {**keyword._asdict(), "kind": kind, "unit": unit, "description": description}


def _entry_from_row(row: Any) -> KeywordEntry:
    keyword = Keyword(row.level, row.extension, row.name)
    return KeywordEntry(row.id, keyword, KIND_BY_NAME[row.kind], row.unit, row.description)
