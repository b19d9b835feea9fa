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

from kpfnb import settings
from kpfnb.errors import BadInput, BadSettings, Busy, ServiceUnavailable
from kpfnb.kpf.tsdb import layout, views
from kpfnb.settings import Settings

FILE_NAME = "tsdb.sqlite"
BUSY_SECONDS = 60
CONNECT_SECONDS = 10
CACHE_KIB = 64_000
MAPPED_BYTES = 2**30

_LOCK = 4_719_218_051
"""Our own number among the advisory locks of a PostgreSQL database: whoever writes holds it."""

_WRITES = "kpfnb_writes"

_engines: dict[URL, Engine] = {}
"""Kept for the life of the process: connecting takes longer than most questions."""

_NO_DATABASE = "fill it first: kpfnb ingest YYYYMMDD"


def url(given: Settings | None = None) -> URL:
    """Where the database is; a URL that can't be is a `BadSettings`, its password never shown.

    given : settings that are loaded already
    """
    given = given or settings.load()
    if not given.tsdb_url:
        return URL.create("sqlite", database=str(given.work_dir / FILE_NAME))
    try:
        asked = make_url(given.tsdb_url.get_secret_value())
    except exc.ArgumentError:
        raise BadSettings("tsdb_url is no URL", _URL_HINT) from None
    if asked.get_backend_name() == "postgresql":
        return asked.set(drivername="postgresql+psycopg")
    if asked.get_backend_name() == "sqlite" and asked.database:
        return asked.set(drivername="sqlite")
    raise BadSettings(f"tsdb_url: {asked.get_backend_name()} is no database we know", _URL_HINT)


_URL_HINT = "write it as postgresql://user:password@host:5432/name or sqlite:////path/to/file"


@contextmanager
def reading(given: Settings | None = None) -> Iterator[Connection]:
    """A snapshot of the database: what is written meanwhile is not seen.

    given : settings that are loaded already

    Raises
    ------
    ServiceUnavailable : it does not answer
    BadInput : there is no database yet, or it is of another kpfnb
    """
    where = url(given)
    if where.get_backend_name() == "sqlite" and not Path(str(where.database)).is_file():
        raise BadInput(f"there is no time-series database at {where.database}", _NO_DATABASE)
    with _plainly(), _engine(where).connect() as connection:
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            _check_schema(connection)
            yield connection


@contextmanager
def writing() -> Iterator[Connection]:
    """One transaction that changes something, all or nothing; the only one at a time.

    Makes the tables where there are none. Errors as for `reading`, and

    Raises
    ------
    Busy : another writer did not end in a minute
    BadSettings : this user may only read
    """
    where = url()
    if where.get_backend_name() == "sqlite":
        Path(str(where.database)).parent.mkdir(parents=True, exist_ok=True)
    with _plainly(), _engine(where).connect() as raw:
        connection = raw.execution_options(**{_WRITES: True})
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
            if connection.dialect.has_table(connection, layout.about.name):
                _check_schema(connection)
            else:
                _create(connection)
            yield connection


def is_there() -> bool:
    """Whether there is a database, of this kpfnb or of another; errors as for `reading`."""
    where = url()
    if where.get_backend_name() == "sqlite" and not Path(str(where.database)).is_file():
        return False
    with _plainly(), _engine(where).connect() as connection:
        return connection.dialect.has_table(connection, layout.about.name)


def describe(where: URL) -> str:
    """A database for people, without its password."""
    return where.render_as_string(hide_password=True)


def forget() -> None:
    """Close the connections that are kept open."""
    while _engines:
        _engines.popitem()[1].dispose()


def _engine(where: URL) -> Engine:
    if where not in _engines:
        _engines[where] = _make_engine(where)
    return _engines[where]


def _make_engine(where: URL) -> Engine:
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
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create(connection: Connection) -> None:
    layout.metadata.create_all(connection)
    connection.execute(layout.about.insert(), [{"name": "schema", "value": str(layout.SCHEMA)}])
    views.create(connection)


def _check_schema(connection: Connection) -> None:
    about = layout.about
    found = connection.scalar(select(about.c.value).where(about.c.name == "schema"))
    if found == str(layout.SCHEMA):
        return
    raise BadInput(
        f"the time-series database has schema {found}; this kpfnb knows {layout.SCHEMA}",
        "use the kpfnb that made it, or name another database by KPFNB_TSDB_URL and ingest anew",
    )


@contextmanager
def _plainly() -> Iterator[None]:
    """Errors of the database in plain words; a password is in none of them."""
    try:
        yield
    except exc.DBAPIError as error:
        _explain(error)


def _explain(error: exc.DBAPIError) -> NoReturn:
    where = describe(url())
    reason = str(error.orig).strip().partition("\n")[0]
    words = reason.lower()
    state = getattr(error.orig, "sqlstate", None) or ""
    if "no such table: about" in words or state == "42P01":
        raise BadInput(f"there is no time-series database in {where}", _NO_DATABASE) from error
    if "locked" in words or state == "55P03":
        raise Busy(f"somebody else writes to {where}", "wait for it to end") from error
    if "readonly" in words or state in ("42501", "25006"):
        raise BadSettings(f"this user may only read {where}", "write as its owner") from error
    if "not a database" in words or "malformed" in words:
        raise BadInput(f"{where} is damaged: {reason}", "restore it: kpfnb tsdb restore") from error
    if "authentication failed" in words or state == "28P01":
        raise BadSettings(f"{where} refuses this user and password", "mend tsdb_url") from error
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        hint = "make room on its disk" if "full" in words else "start it, or mend tsdb_url"
        raise ServiceUnavailable(f"{where}: {reason}", hint) from error
    raise error
