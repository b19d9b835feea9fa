"""The database that the settings name: its engine, its transactions, its errors in plain words.

Without `tsdb_url` it is an SQLite file in the work directory, in WAL mode: readers see the last
complete batch and never wait for a writer. PostgreSQL is used with psycopg; a reader's transaction
is a snapshot there, too. Both have one writer at a time.
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
from kpfnb.kpf.tsdb import migration, schema

FILE_NAME = "tsdb.sqlite"
BUSY_SECONDS = 60
CONNECT_SECONDS = 10
CACHE_KIB = 64_000
MAPPED_BYTES = 2**30

_ADVISORY_LOCK = 4_719_218_051
"""The number of the advisory lock that a writer holds in a PostgreSQL database."""

_WRITE_OPTION = "kpfnb_writes"

_engines: dict[URL, Engine] = {}
"""Engines stay open for the life of the process: connecting takes longer than most queries."""

_NO_DATABASE_HINT = "fill it first: kpfnb ingest YYYYMMDD"

_URL_HINT = "write it as postgresql://user:password@host:5432/name or sqlite:////path/to/file"


def database_url(loaded_settings: Settings | None = None) -> URL:
    """The URL of the database, without a connection to it.

    loaded_settings : settings that are already loaded

    Raises
    ------
    InvalidSettingsError : the URL is not valid; the message never contains its password
    """
    loaded_settings = loaded_settings or settings.load_settings()
    if not loaded_settings.tsdb_url:
        return URL.create("sqlite", database=str(loaded_settings.work_dir / FILE_NAME))
    try:
        url = make_url(loaded_settings.tsdb_url.get_secret_value())
    except exc.ArgumentError:
        raise InvalidSettingsError("tsdb_url is not a valid URL", _URL_HINT) from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database:
        return url.set(drivername="sqlite")
    raise InvalidSettingsError(
        f"tsdb_url: {url.get_backend_name()} is not a supported database", _URL_HINT
    )


@contextmanager
def read_transaction(
    loaded_settings: Settings | None = None, *, accept_old: bool = False
) -> Iterator[Connection]:
    """A transaction that reads a snapshot; it does not see what others write at the same time.

    Parameters
    ----------
    loaded_settings : settings that are already loaded
    accept_old : also a database that the next ingest will convert

    Raises
    ------
    ServiceUnavailableError : the database does not answer
    InvalidInputError : there is no database yet, or another kpfnb version created it
    """
    url = database_url(loaded_settings)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise InvalidInputError(
            f"there is no time-series database at {url.database}", _NO_DATABASE_HINT
        )
    with _translate_errors(), get_engine(url).connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            if not accept_old or _schema_version(connection) != migration.OLD_VERSION:
                _check_schema(connection)
            yield connection


@contextmanager
def write_transaction() -> Iterator[Connection]:
    """A transaction that changes the database; only one runs at a time.

    Creates the tables if there are none, and converts a database of the version before. Errors as
    for `read_transaction`, and

    Raises
    ------
    AlreadyRunningError : another writer did not finish within a minute
    InvalidSettingsError : this user may only read
    """
    url = database_url()
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    with _translate_errors(), get_engine(url).connect() as raw_connection:
        connection = raw_connection.execution_options(**{_WRITE_OPTION: True})
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
            if not connection.dialect.has_table(connection, schema.about_table.name):
                _create_tables(connection)
            elif _schema_version(connection) == migration.OLD_VERSION:
                migration.migrate_database(connection)
            _check_schema(connection)
            yield connection


def database_exists() -> bool:
    """Whether a database exists, of any kpfnb version; errors as for `read_transaction`."""
    url = database_url()
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        return False
    with _translate_errors(), get_engine(url).connect() as connection:
        return connection.dialect.has_table(connection, schema.about_table.name)


def describe_url(url: URL) -> str:
    """The URL of a database for people, without its password."""
    return url.render_as_string(hide_password=True)


def close_connections() -> None:
    """Close all open connections."""
    while _engines:
        _engines.popitem()[1].dispose()


def get_engine(url: URL) -> Engine:
    """The engine of a database, which stays open."""
    if url not in _engines:
        _engines[url] = _create_engine(url)
    return _engines[url]


def _create_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Just-in-time compilation takes longer than any query here
    options = {"connect_timeout": CONNECT_SECONDS, "options": "-c jit=off"}
    return create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=options)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # Transactions begin explicitly: with the driver's own, two writers could deadlock
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


def _schema_version(connection: Connection) -> str | None:
    columns = schema.about_table
    return connection.scalar(select(columns.c.value).where(columns.c.name == "schema"))


def _check_schema(connection: Connection) -> None:
    version = _schema_version(connection)
    if version == str(schema.SCHEMA_VERSION):
        return
    hint = (
        "the next ingest converts it without reading the files again: kpfnb ingest YYYYMMDD"
        if version == migration.OLD_VERSION
        else "use the kpfnb version that created it, or set KPFNB_TSDB_URL to another database"
        " and ingest again"
    )
    raise InvalidInputError(
        f"the time-series database has schema {version}; this kpfnb needs {schema.SCHEMA_VERSION}",
        hint,
    )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate database errors into plain words, without any password."""
    try:
        yield
    except exc.DBAPIError as error:
        _raise_translated(error)


def _raise_translated(error: exc.DBAPIError) -> NoReturn:
    database = describe_url(database_url())
    reason = str(error.orig).strip().partition("\n")[0]
    message = reason.lower()
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    if "no such table: about" in message or sqlstate == "42P01":
        raise InvalidInputError(
            f"there is no time-series database in {database}", _NO_DATABASE_HINT
        ) from error
    if "locked" in message or sqlstate == "55P03":
        raise AlreadyRunningError(
            f"another process writes to {database}", "wait until it has finished"
        ) from error
    if "readonly" in message or sqlstate in ("42501", "25006"):
        raise InvalidSettingsError(
            f"this user may only read {database}", "write as its owner"
        ) from error
    if "not a database" in message or "malformed" in message:
        raise InvalidInputError(
            f"{database} is damaged: {reason}", "restore it: kpfnb tsdb restore"
        ) from error
    if "authentication failed" in message or sqlstate == "28P01":
        raise InvalidSettingsError(
            f"{database} refuses this user and password", "correct tsdb_url"
        ) from error
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        hint = (
            "free some space on its disk" if "full" in message else "start it, or correct tsdb_url"
        )
        raise ServiceUnavailableError(f"{database}: {reason}", hint) from error
    raise error
