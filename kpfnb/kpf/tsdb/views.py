"""Views that show in plain SQL what the blocks hold, in `sqlite3`, `psql` or any other program.

`reading` has one row for each file and keyword: SELECT obsid, number FROM reading WHERE
keyword = 'CCFRV' AND night = '20240115'. Times are texts there. It unpacks doubles by arithmetic on
their bits (IEEE 754), since neither database has a function for it.

Each of `GROUPS` is a view with one row an observation and one column a keyword.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text


class Group(NamedTuple):
    """A view: keywords of one level that are often looked at together."""

    level: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...] = ()


GROUPS = {
    "exposure": Group("L0", ("EXPTIME", "ELAPSED", "AIRMASS"), ("OBJECT", "IMTYPE", "DATE-MID")),
    "quality": Group("2D", ("NOTJUNK", "DATAPRL0", "DATAPR2D", "KWRDPRL0", "TELEPRL0", "TIMCHKL0")),
    "signal": Group("L1", ("SNRSC452", "SNRSC548", "SNRSC652", "SNRSC747", "SNRSC852")),
    "velocity": Group("L2", ("CCFRV", "CCFERV", "CCFRVC", "CCFERVC", "CCFBJD", "CCFBCV")),
}
"""By the name of the view."""

_HIDDEN = 4503599627370496  # 2**52, the bit that a double does not store

_SQLITE_BITS = (
    "CASE WHEN data.numbers IS NOT NULL THEN hex(substr(data.numbers, 1 + 8 * {place}, 8)) END"
)
_PG_BITS = (
    "('x' || encode(substring(data.numbers from 1 + 8 * {place} for 8), 'hex'))::bit(64)::bigint"
)


def create(connection: Connection) -> None:
    """Make the views, in place of those that are there."""
    for name in (*GROUPS, "reading"):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql(_escaped(_sqlite() if is_sqlite else _postgresql(), is_sqlite))
    for name, group in GROUPS.items():
        connection.exec_driver_sql(_group(name, group))


def _sqlite() -> str:
    # SQLite keeps the order of CROSS JOINs: the few keywords asked for come first
    digits = [f"(instr('0123456789ABCDEF', substr(bits, {n}, 1)) - 1)" for n in range(1, 17)]
    top = " + ".join(f"{digit} * {16 ** (2 - n)}" for n, digit in enumerate(digits[:3]))
    low = " + ".join(f"{digit} * {16 ** (12 - n)}" for n, digit in enumerate(digits[3:]))
    size = "length(data.numbers)"
    inner = f"""
        SELECT {_COLUMNS},
          {_SQLITE_BITS.format(place=f"(CASE {size} WHEN 8 THEN 0 ELSE file.place END)")} AS bits,
          CASE json_type(data.texts) WHEN 'array'
            THEN json_extract(data.texts, '$[' || file.place || ']')
            ELSE json_extract(data.texts, '$') END AS letters
        {_FROM.format(join="CROSS JOIN")}"""
    split = f"SELECT *, {top} AS top, {low} AS low FROM ({inner})"
    double = _double("pow", "(top >= 2048)", "top % 2048")
    when = "strftime('%Y-%m-%dT%H:%M:%S', number / 1e6, 'unixepoch')"
    return _outer(split, double, when)


def _postgresql() -> str:
    size = "length(data.numbers)"
    inner = f"""
        SELECT {_COLUMNS},
          {_PG_BITS.format(place=f"(CASE {size} WHEN 8 THEN 0 ELSE file.place END)")} AS bits,
          CASE json_typeof(data.texts::json) WHEN 'array' THEN data.texts::json ->> file.place
            ELSE data.texts::json #>> '{{}}' END AS letters
        {_FROM.format(join="JOIN")}"""
    split = f"SELECT *, (bits >> 52) & 4095 AS top, bits & {_HIDDEN - 1} AS low FROM ({inner}) i"
    double = _double("power", "(top >= 2048)::int", "top % 2048", cast="::float8")
    when = "to_char(to_timestamp(number / 1e6) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    return _outer(split, double, when)


_COLUMNS = """file.obsid, file.night, file.level, keyword.extension,
          keyword.name AS keyword, data.kind, keyword.unit"""
_FROM = """
        FROM keyword
        {join} file ON file.level = keyword.level
        {join} block ON block.chunk = file.chunk AND block.keyword = keyword.id
        {join} block AS data
          ON data.chunk = block.chunk AND data.keyword = coalesce(block.same, block.keyword)"""


def _double(power: str, negative: str, exponent: str, cast: str = "") -> str:
    """The double of its bits: sign and exponent in `top`, mantissa in `low`; null for NaN."""
    return f"""CASE WHEN {exponent} = 2047 THEN NULL WHEN {exponent} = 0 AND low = 0 THEN 0.0{cast}
          WHEN {exponent} = 0 THEN (1 - 2 * {negative}) * (low{cast} * {power}(2.0{cast}, -1074))
          ELSE (1 - 2 * {negative})
            * ((low + {_HIDDEN}){cast} * {power}(2.0{cast}, {exponent} - 1075)) END"""


def _outer(split: str, double: str, when: str) -> str:
    return f"""
    CREATE VIEW reading AS
    SELECT obsid, night, level, extension, keyword, kind, unit,
      CASE WHEN kind <> 'time' THEN number END AS number,
      CASE WHEN kind = 'time' THEN {when} ELSE letters END AS text
    FROM (SELECT s.*, {double} AS number FROM ({split}) AS s) AS d
    WHERE number IS NOT NULL OR letters IS NOT NULL"""


def _group(name: str, group: Group) -> str:
    kinds = {**dict.fromkeys(group.texts, "text"), **dict.fromkeys(group.numbers, "number")}
    columns = [
        f"max(CASE keyword WHEN '{word}' THEN {kind} END) AS \"{word}\""
        for word, kind in kinds.items()
    ]
    words = ", ".join(f"'{word}'" for word in kinds)
    return (
        f"CREATE VIEW {name} AS SELECT obsid, night, {', '.join(columns)} FROM reading"
        f" WHERE level = '{group.level}' AND keyword IN ({words}) GROUP BY obsid, night"
    )


def _escaped(sql: str, is_sqlite: bool) -> str:
    """The driver of PostgreSQL takes % for a parameter."""
    return sql if is_sqlite else sql.replace("%", "%%")
