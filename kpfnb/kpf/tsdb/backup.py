"""Backup and restoration of the time-series database, and a read-only role for PostgreSQL.

SQLite is copied by its backup API, PostgreSQL by `pg_dump` and `pg_restore` (of the server's major
version or later, on PATH or beside Python). Others may write at the same time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL, text

from kpfnb.compute import programs
from kpfnb.core import atomic, sqlite
from kpfnb.core.errors import InvalidInputError, InvalidParameterError, ServiceUnavailableError
from kpfnb.kpf.tsdb import database, migration
from kpfnb.kpf.tsdb.schema import SCHEMA_VERSION

_SQLITE_MAGIC = b"SQLite format 3\0"
_BACKUP_HINT = "name a file that `kpfnb tsdb backup` wrote"
_ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def write_backup(target: Path) -> Path:
    """Write a snapshot of the whole database into one file."""
    url = database.database_url()
    with database.read_transaction(accept_old=True):
        pass  # Checks that the database exists and has a schema that can be restored
    with atomic.replace_atomically(target) as temporary:
        if url.get_backend_name() == "sqlite":
            _copy_sqlite(Path(str(url.database)), temporary)
        else:
            _run_postgresql_program(url, "pg_dump", "--format=custom", f"--file={temporary}")
    return target


def restore_backup(source: Path, *, replace: bool = False) -> None:
    """Restore the database from a backup file.

    A damaged SQLite database is moved aside and kept.

    Parameters
    ----------
    replace : overwrite an existing database; without it any existing database is an error, also
        one of another kpfnb version

    Raises
    ------
    InvalidInputError : `source` is not such a backup, or a database exists and `replace` is
        false
    """
    url = database.database_url()
    is_sqlite = url.get_backend_name() == "sqlite"
    try:
        with source.open("rb") as stream:
            start = stream.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise InvalidInputError(
            f"{source}: {error.strerror}", "name a file that was backed up"
        ) from None
    if start != _SQLITE_MAGIC if is_sqlite else not start.startswith(b"PGDMP"):
        raise InvalidInputError(
            f"{source} is not a backup of a {url.get_backend_name()} database",
            _BACKUP_HINT,
        )
    database.close_connections()
    if is_sqlite:
        _check_sqlite_backup(source)
        _move_damaged_aside(Path(str(url.database)))
    if not replace and database.database_exists():
        raise InvalidInputError(
            f"a database exists in {database.describe_url(url)}",
            "give --replace to overwrite it",
        )
    database.close_connections()
    if is_sqlite:
        _overwrite_sqlite(source, Path(str(url.database)))
    else:
        _run_postgresql_program(
            url, "pg_restore", "--clean", "--if-exists", "--single-transaction", source
        )


def create_reader_role(name: str, password: SecretStr) -> None:
    """Create a read-only PostgreSQL role, or change its password."""
    if not _ROLE_NAME.fullmatch(name):
        raise InvalidParameterError(f"role {name!r}", "use only lower-case letters, digits and _")
    with database.write_transaction() as connection:
        if connection.dialect.name != "postgresql":
            raise InvalidParameterError(
                "SQLite has no roles", "make the file read-only for these users instead"
            )
        exists = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :n"), {"n": name})
        secret = password.get_secret_value()
        # A role's password can't be a bound parameter; format() quotes it by the server's rules
        statement = connection.scalar(
            text(
                "SELECT format('%s ROLE %I LOGIN PASSWORD %L',"
                " CAST(:what AS text), CAST(:n AS text), CAST(:p AS text))"
            ),
            {"what": "ALTER" if exists else "CREATE", "n": name, "p": secret},
        )
        connection.exec_driver_sql(str(statement).replace("%", "%%"))
        for grant in (
            f"GRANT USAGE ON SCHEMA public TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {name}",
            f"ALTER ROLE {name} SET default_transaction_read_only = on",
        ):
            connection.exec_driver_sql(grant)


def _check_sqlite_backup(source: Path) -> None:
    """Refuse any other SQLite file: it would silently replace the database."""
    query = "SELECT value FROM about WHERE name = 'schema'"
    try:
        with closing(sqlite3.connect(source)) as backup:
            is_sound = backup.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            schema = backup.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise InvalidInputError(f"{source} is not a backup: {error}", _BACKUP_HINT) from None
    if not is_sound:
        raise InvalidInputError(f"{source} is damaged", "restore another backup")
    if not schema or schema[0] not in (str(SCHEMA_VERSION), migration.OLD_VERSION):
        raise InvalidInputError(
            f"{source} is not a backup of a database of this kpfnb version", _BACKUP_HINT
        )


def _move_damaged_aside(target: Path) -> None:
    """Move a damaged database aside; nothing can be copied into it."""
    if target.is_file() and sqlite.is_damaged(target):
        sqlite.quarantine_file(target)


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # One file, without a write-ahead log beside it
        new.execute("PRAGMA journal_mode = DELETE")


def _overwrite_sqlite(source: Path, target: Path) -> None:
    """Copy into the existing database: processes that have it open see the new content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _run_postgresql_program(url: URL, program: str, *arguments: str | Path) -> None:
    """Run a PostgreSQL program; the password is passed in the environment, not as an argument."""
    executable = programs.find_executable(program)
    if not executable:
        raise ServiceUnavailableError(
            f"the program {program} is not installed", "install PostgreSQL's client programs"
        )
    dbname = url.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": str(url.password)} if url.password else {}
    process = subprocess.run(
        [executable, f"--dbname={dbname}", "--no-owner", "--no-password", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | secret,
    )
    if process.returncode:
        reason = process.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ServiceUnavailableError(f"{program}: {reason[0]}", "see the log of the server")
