"""The tables of the time-series database, alike in SQLite and PostgreSQL.

An observation has some 4,000 values, and is asked for ten of them over a million observations: so
values are kept by column. A **chunk** is some observations of one night; a **block** is one
keyword's values for a chunk, packed (`kpfnb.kpf.tsdb.packing`). The files of a batch make one
chunk; small chunks of a night are merged into larger ones as they add up, and in the end a night
is one chunk. **part** says which observations of a chunk have a level; a file that is read again
goes into a new chunk, and its place in the old one is struck out there.

**observation**, **file**, **keyword** and **problem** are as they look. What the blocks hold is
seen by plain SQL through the views (`kpfnb.kpf.tsdb.views`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
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
)

SCHEMA = 1
"""Of the tables; raised when they change."""

metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    comment="the schema, and when something was last changed (UTC)",
)

observation = Table(
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

chunk = Table(
    "chunk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("night", String, nullable=False, index=True),
    Column("obsids", Text, nullable=False, comment="one a line, in order of time"),
    Column("times", LargeBinary, nullable=False, comment="start, us since 1970, doubles"),
    sqlite_autoincrement=True,
)

part = Table(
    "part",
    metadata,
    Column("chunk", Integer, ForeignKey("chunk.id"), primary_key=True),
    Column("level", String, primary_key=True),
    Column("present", Text, nullable=False, comment="1 where an observation has the level here"),
)

keyword = Table(
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

block = Table(
    "block",
    metadata,
    Column("chunk", Integer, ForeignKey("chunk.id"), primary_key=True),
    Column("keyword", Integer, ForeignKey("keyword.id"), primary_key=True),
    Column("kind", String, nullable=False),
    Column("numbers", LargeBinary, comment="big-endian doubles, NaN for null; one stands for all"),
    Column("texts", Text, comment="a JSON array; one text stands for all"),
    Column("same", Integer, comment="the keyword whose values these are, too"),
)

file = Table(
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

problem = Table(
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
