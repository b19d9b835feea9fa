"""The tables and views of the time-series database, the same in SQLite and PostgreSQL.

An observation has about 4,000 values, and a typical query asks for ten of them over a million
observations: so values are stored by column. A **chunk** is some observations of one night; a
**block** is the values of one keyword for a chunk, packed (`kpfnb.kpf.tsdb.series`). The files of a
batch become one chunk; small chunks of a night are merged, and in the end a night is one chunk.
**part** says which observations of a chunk have a level; a file that is read again goes into a new
chunk and is removed from the part of the old one. **observation**, **file**, **keyword** and
**problem** are ordinary tables.

The views show the content of the blocks to plain SQL, in `sqlite3`, `psql` or any other program.
`reading` has one row per file and keyword: SELECT obsid, number FROM reading WHERE keyword =
'CCFRV' AND night = '20240115'. Times are text there, and so is a value that is no number in a
column of numbers. The view unpacks doubles by arithmetic on
their bits (IEEE 754), since neither database has a function for it. Each of `KEYWORD_VIEWS` has one
row per observation and one column per keyword.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)


class KeywordView(NamedTuple):
    """A view of keywords of one level that are often used together."""

    level: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...] = ()


KEYWORD_VIEWS = {
    "exposure": KeywordView(
        "L0", ("EXPTIME", "ELAPSED", "AIRMASS"), ("OBJECT", "IMTYPE", "DATE-MID")
    ),
    "quality": KeywordView(
        "2D", ("NOTJUNK", "DATAPRL0", "DATAPR2D", "KWRDPRL0", "TELEPRL0", "TIMCHKL0")
    ),
    "signal": KeywordView("L1", ("SNRSC452", "SNRSC548", "SNRSC652", "SNRSC747", "SNRSC852")),
    "velocity": KeywordView("L2", ("CCFRV", "CCFERV", "CCFRVC", "CCFERVC", "CCFBJD", "CCFBCV")),
}
"""Name of the view to its keywords."""

_HIDDEN_BIT = 4503599627370496  # 2**52, the bit that a double does not store

_SQLITE_BITS = (
    "CASE WHEN data.numbers IS NOT NULL THEN hex(substr(data.numbers, 1 + 8 * {place}, 8)) END"
)
_PG_BITS = (
    "('x' || encode(substring(data.numbers from 1 + 8 * {place} for 8), 'hex'))::bit(64)::bigint"
)


def create_views(connection: Connection) -> None:
    """Create the views, in place of existing ones."""
    for name in (*KEYWORD_VIEWS, "reading"):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql(
        _escape_percent(
            _sqlite_reading_view() if is_sqlite else _postgresql_reading_view(), is_sqlite
        )
    )
    for name, group in KEYWORD_VIEWS.items():
        connection.exec_driver_sql(_keyword_view_sql(name, group))


def _sqlite_reading_view() -> str:
    # SQLite keeps the order of CROSS JOINs, so the few keywords of a query come first
    digits = [f"(instr('0123456789ABCDEF', substr(bits, {n}, 1)) - 1)" for n in range(1, 17)]
    top = " + ".join(f"{digit} * {16 ** (2 - n)}" for n, digit in enumerate(digits[:3]))
    low = " + ".join(f"{digit} * {16 ** (12 - n)}" for n, digit in enumerate(digits[3:]))
    size = "length(data.numbers)"
    inner = f"""
        SELECT {_READING_COLUMNS},
          {_SQLITE_BITS.format(place=f"(CASE {size} WHEN 8 THEN 0 ELSE file.place END)")} AS bits,
          CASE json_type(data.texts) WHEN 'array'
            THEN json_extract(data.texts, '$[' || file.place || ']')
            ELSE json_extract(data.texts, '$') END AS letters
        {_READING_FROM.format(join="CROSS JOIN")}"""
    split = f"SELECT *, {top} AS top, {low} AS low FROM ({inner})"
    double = _double_sql("pow", "(top >= 2048)", "top % 2048")
    when = "strftime('%Y-%m-%dT%H:%M:%S', number / 1e6, 'unixepoch')"
    return _reading_view_sql(split, double, when)


def _postgresql_reading_view() -> str:
    size = "length(data.numbers)"
    inner = f"""
        SELECT {_READING_COLUMNS},
          {_PG_BITS.format(place=f"(CASE {size} WHEN 8 THEN 0 ELSE file.place END)")} AS bits,
          CASE json_typeof(data.texts::json) WHEN 'array' THEN data.texts::json ->> file.place
            ELSE data.texts::json #>> '{{}}' END AS letters
        {_READING_FROM.format(join="JOIN")}"""
    split = (
        f"SELECT *, (bits >> 52) & 4095 AS top, bits & {_HIDDEN_BIT - 1} AS low FROM ({inner}) i"
    )
    double = _double_sql("power", "(top >= 2048)::int", "top % 2048", cast="::float8")
    when = "to_char(to_timestamp(number / 1e6) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    return _reading_view_sql(split, double, when)


_READING_COLUMNS = """file.obsid, file.night, file.level, keyword.extension,
          keyword.name AS keyword, data.kind, keyword.unit"""
_READING_FROM = """
        FROM keyword
        {join} file ON file.level = keyword.level
        {join} block ON block.chunk = file.chunk AND block.keyword = keyword.id
        {join} block AS data
          ON data.chunk = block.chunk AND data.keyword = coalesce(block.same, block.keyword)"""


def _double_sql(power: str, negative: str, exponent: str, cast: str = "") -> str:
    """SQL of a double from its bits: sign and exponent `top`, mantissa `low`; null for NaN."""
    return f"""CASE WHEN {exponent} = 2047 THEN NULL WHEN {exponent} = 0 AND low = 0 THEN 0.0{cast}
          WHEN {exponent} = 0 THEN (1 - 2 * {negative}) * (low{cast} * {power}(2.0{cast}, -1074))
          ELSE (1 - 2 * {negative})
            * ((low + {_HIDDEN_BIT}){cast} * {power}(2.0{cast}, {exponent} - 1075)) END"""


def _reading_view_sql(split: str, double: str, when: str) -> str:
    return f"""
    CREATE VIEW reading AS
    SELECT obsid, night, level, extension, keyword, kind, unit,
      CASE WHEN kind <> 'time' THEN number END AS number,
      CASE WHEN kind = 'time' AND number IS NOT NULL THEN {when} ELSE letters END AS text
    FROM (SELECT s.*, {double} AS number FROM ({split}) AS s) AS d
    WHERE number IS NOT NULL OR letters IS NOT NULL"""


def _keyword_view_sql(name: str, group: KeywordView) -> str:
    kinds = {**dict.fromkeys(group.texts, "text"), **dict.fromkeys(group.numbers, "number")}
    columns = [
        f"max(CASE keyword WHEN '{keyword}' THEN {kind} END) AS \"{keyword}\""
        for keyword, kind in kinds.items()
    ]
    names = ", ".join(f"'{keyword}'" for keyword in kinds)
    return (
        f"CREATE VIEW {name} AS SELECT obsid, night, {', '.join(columns)} FROM reading"
        f" WHERE level = '{group.level}' AND keyword IN ({names}) GROUP BY obsid, night"
    )


def _escape_percent(sql: str, is_sqlite: bool) -> str:
    """Double each % for the PostgreSQL driver, which takes it for a parameter."""
    return sql if is_sqlite else sql.replace("%", "%%")


SCHEMA_VERSION = 2
"""The version of the tables and of what they hold; `migration` brings version 1 to it."""

metadata = MetaData()

about_table = Table(
    "about",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    comment="the schema, and when something was last changed (UTC)",
)

observation_table = Table(
    "observation",
    metadata,
    Column("obsid", String, primary_key=True),
    Column("night", String, nullable=False, index=True, comment="YYYYMMDD, UT"),
    Column("time", String, nullable=False, comment="start, UTC"),
    Column("source", String, nullable=False),
    Column("expected", String, nullable=False, comment="levels, with blanks between"),
    Column("present", String, nullable=False),
    Column("missing", String, nullable=False),
)

chunk_table = Table(
    "chunk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("night", String, nullable=False, index=True),
    Column("obsids", Text, nullable=False, comment="one a line, in order of time"),
    Column("times", LargeBinary, nullable=False, comment="start, us since 1970, doubles"),
    sqlite_autoincrement=True,
)

part_table = Table(
    "part",
    metadata,
    Column("chunk", Integer, ForeignKey("chunk.id"), primary_key=True),
    Column("level", String, primary_key=True),
    Column("present", Text, nullable=False, comment="1 where an observation has the level here"),
)

keyword_table = Table(
    "keyword",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("level", String, nullable=False),
    Column("extension", String, nullable=False),
    Column("name", String, nullable=False, index=True),
    Column("kind", String, nullable=False, comment="bool, int, float, time or text"),
    Column("unit", String, nullable=False),
    Column("description", String, nullable=False),
    UniqueConstraint("level", "extension", "name"),
)

block_table = Table(
    "block",
    metadata,
    Column("chunk", Integer, ForeignKey("chunk.id"), primary_key=True),
    Column("keyword", Integer, ForeignKey("keyword.id"), primary_key=True),
    Column("kind", String, nullable=False),
    Column("numbers", LargeBinary, comment="big-endian doubles, NaN for null; one stands for all"),
    Column("texts", Text, comment="a JSON array; one text stands for all; odd values of numbers"),
    Column("same", Integer, comment="the keyword whose values these are, too"),
)

file_table = Table(
    "file",
    metadata,
    Column("obsid", String, primary_key=True),
    Column("level", String, primary_key=True),
    Column("night", String, nullable=False),
    Column("path", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
    Column("read_ns", BigInteger, nullable=False),
    Column("version", String, nullable=False),
    Column("whole", Integer, nullable=False, comment="1 where none of its tables was missing"),
    Column("chunk", Integer, ForeignKey("chunk.id"), nullable=False),
    Column("place", Integer, nullable=False, comment="place in the chunk, from 0"),
    Index("file_night", "night"),
    Index("file_chunk", "chunk"),
)

problem_table = Table(
    "problem",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", String, nullable=False, index=True),
    Column("night", String, nullable=False, index=True),
    Column("refused", Integer, nullable=False, comment="1 where the file was not taken"),
    Column("reason", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("size", BigInteger),
    Column("modified_ns", BigInteger),
    Column("found", Float, nullable=False, comment="seconds since 1970"),
    comment="what was wrong with files; a file's go when it is read again",
)
