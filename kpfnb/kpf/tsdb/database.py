"""The database that the settings name: its engine, its transactions, its errors in plain words.

Without `tsdb_url` it is an SQLite file below the work directory, in WAL mode: readers see the last
whole batch and never wait for a writer. PostgreSQL is used with psycopg; there a reader's
transaction is a snapshot too. One writer at a time, in both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, create_engine, event, exc, select, text
from sqlalchemy.engine import URL, make_url

from kpfnb.core import settings
from kpfnb.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    InvalidSettingsError,
    ServiceUnavailableError,
)
from kpfnb.core.settings import Settings
from kpfnb.kpf.tsdb import schema

FILE_NAME = "tsdb.sqlite"
BUSY_SECONDS = 60
CONNECT_SECONDS = 10
CACHE_KIB = 64_000
MAPPED_BYTES = 2**30

_ADVISORY_LOCK = 4_719_218_051
"""Our own number among the advisory locks of a PostgreSQL database: whoever writes holds it."""

_WRITE_OPTION = "kpfnb_writes"

_engines: dict[URL, Engine] = {}
"""Kept for the life of the process: connecting takes longer than most questions."""

_NO_DATABASE_HINT = "fill it first: kpfnb ingest YYYYMMDD"


def database_url(given: Settings | None = None) -> URL:
    """Where the database is; a URL that can't be is a `InvalidSettingsError`, its password never shown.

    given : settings that are loaded already
    """
    given = given or settings.load_settings()
    if not given.tsdb_url:
        return URL.create("sqlite", database=str(given.work_dir / FILE_NAME))
    try:
        asked = make_url(given.tsdb_url.get_secret_value())
    except exc.ArgumentError:
        raise InvalidSettingsError("tsdb_url is no URL", _URL_HINT) from None
    if asked.get_backend_name() == "postgresql":
        return asked.set(drivername="postgresql+psycopg")
    if asked.get_backend_name() == "sqlite" and asked.database:
        return asked.set(drivername="sqlite")
    raise InvalidSettingsError(
        f"tsdb_url: {asked.get_backend_name()} is no database we know", _URL_HINT
    )


_URL_HINT = "write it as postgresql://user:password@host:5432/name or sqlite:////path/to/file"


@contextmanager
def read_transaction(given: Settings | None = None) -> Iterator[Connection]:
    """A snapshot of the database: what is written meanwhile is not seen.

    given : settings that are loaded already

    Raises
    ------
    ServiceUnavailableError : it does not answer
    InvalidInputError : there is no database yet, or it is of another kpfnb
    """
    where = database_url(given)
    if where.get_backend_name() == "sqlite" and not Path(str(where.database)).is_file():
        raise InvalidInputError(
            f"there is no time-series database at {where.database}", _NO_DATABASE_HINT
        )
    with _translate_errors(), _get_engine(where).connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            _check_schema(connection)
            yield connection


@contextmanager
def write_transaction() -> Iterator[Connection]:
    """One transaction that changes something, all or nothing; the only one at a time.

    Makes the tables where there are none. Errors as for `reading`, and

    Raises
    ------
    AlreadyRunningError : another writer did not end in a minute
    InvalidSettingsError : this user may only read
    """
    where = database_url()
    if where.get_backend_name() == "sqlite":
        Path(str(where.database)).parent.mkdir(parents=True, exist_ok=True)
    with _translate_errors(), _get_engine(where).connect() as raw:
        connection = raw.execution_options(**{_WRITE_OPTION: True})
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
            if connection.dialect.has_table(connection, schema.about_table.name):
                _check_schema(connection)
            else:
                _create_tables(connection)
            yield connection


def database_exists() -> bool:
    """Whether there is a database, of this kpfnb or of another; errors as for `reading`."""
    where = database_url()
    if where.get_backend_name() == "sqlite" and not Path(str(where.database)).is_file():
        return False
    with _translate_errors(), _get_engine(where).connect() as connection:
        return connection.dialect.has_table(connection, schema.about_table.name)


def describe_url(where: URL) -> str:
    """A database for people, without its password."""
    return where.render_as_string(hide_password=True)


def close_connections() -> None:
    """Close the connections that are kept open."""
    while _engines:
        _engines.popitem()[1].dispose()


def _get_engine(where: URL) -> Engine:
    if where not in _engines:
        _engines[where] = _create_engine(where)
    return _engines[where]


def _create_engine(where: URL) -> Engine:
    if where.get_backend_name() == "sqlite":
        engine = create_engine(where, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Compiling a query takes longer than any of ours
    options = {"connect_timeout": CONNECT_SECONDS, "options": "-c jit=off"}
    return create_engine(where, pool_pre_ping=True, hide_parameters=True, connect_args=options)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # Transactions are begun by us: the driver's own way would let two writers wait for each other
    connection.isolation_level = None
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE_OPTION)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create_tables(connection: Connection) -> None:
    schema.metadata.create_all(connection)
    connection.execute(
        schema.about_table.insert(), [{"name": "schema", "value": str(schema.SCHEMA_VERSION)}]
    )
    schema.create_views(connection)


def _check_schema(connection: Connection) -> None:
    about = schema.about_table
    found = connection.scalar(select(about.c.value).where(about.c.name == "schema"))
    if found == str(schema.SCHEMA_VERSION):
        return
    raise InvalidInputError(
        f"the time-series database has schema {found}; this kpfnb knows {schema.SCHEMA_VERSION}",
        "use the kpfnb that made it, or name another database by KPFNB_TSDB_URL and ingest anew",
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Errors of the database in plain words; a password is in none of them."""
    try:
        yield
    except exc.DBAPIError as error:
        _raise_translated(error)


def _raise_translated(error: exc.DBAPIError) -> NoReturn:
    where = describe_url(database_url())
    reason = str(error.orig).strip().partition("\n")[0]
    words = reason.lower()
    state = getattr(error.orig, "sqlstate", None) or ""
    if "no such table: about" in words or state == "42P01":
        raise InvalidInputError(
            f"there is no time-series database in {where}", _NO_DATABASE_HINT
        ) from error
    if "locked" in words or state == "55P03":
        raise AlreadyRunningError(
            f"somebody else writes to {where}", "wait for it to end"
        ) from error
    if "readonly" in words or state in ("42501", "25006"):
        raise InvalidSettingsError(
            f"this user may only read {where}", "write as its owner"
        ) from error
    if "not a database" in words or "malformed" in words:
        raise InvalidInputError(
            f"{where} is damaged: {reason}", "restore it: kpfnb tsdb restore"
        ) from error
    if "authentication failed" in words or state == "28P01":
        raise InvalidSettingsError(
            f"{where} refuses this user and password", "mend tsdb_url"
        ) from error
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        hint = "make room on its disk" if "full" in words else "start it, or mend tsdb_url"
        raise ServiceUnavailableError(f"{where}: {reason}", hint) from error
    raise error
