"""Back up and restore the time-series database; a reader of PostgreSQL who may only read.

SQLite is copied by its own backup, PostgreSQL by `pg_dump` and `pg_restore` (of the server's major
version or later, on PATH or beside Python). Both may be done while others write.
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
from kpfnb.kpf.tsdb import database
from kpfnb.kpf.tsdb import schema as layout

_SQLITE_MAGIC = b"SQLite format 3\0"
_BACKUP_HINT = "name a file that `kpfnb tsdb backup` wrote"
_ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def write_backup(target: Path) -> Path:
    """Write the whole database into one file, as it is at this moment."""
    where = database.database_url()
    with database.read_transaction():
        pass  # There is one, and of this version
    with atomic.replace_atomically(target) as temporary:
        if where.get_backend_name() == "sqlite":
            _copy_sqlite(Path(str(where.database)), temporary)
        else:
            _run_postgresql_program(where, "pg_dump", "--format=custom", f"--file={temporary}")
    return target


def restore_backup(source: Path, *, replace: bool = False) -> None:
    """Make the database what it was when `source` was written.

    A damaged SQLite file is moved aside and kept.

    Parameters
    ----------
    replace : what the database holds now is lost; without it a database that is there is refused,
        of another kpfnb too

    Raises
    ------
    InvalidInputError : `source` is no such backup, or there is a database and `replace` is not given
    """
    where = database.database_url()
    is_sqlite = where.get_backend_name() == "sqlite"
    try:
        with source.open("rb") as stream:
            start = stream.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise InvalidInputError(
            f"{source}: {error.strerror}", "name a file that was backed up"
        ) from None
    if start != _SQLITE_MAGIC if is_sqlite else not start.startswith(b"PGDMP"):
        raise InvalidInputError(
            f"{source} is no backup of such a database ({where.get_backend_name()})",
            _BACKUP_HINT,
        )
    database.close_connections()
    if is_sqlite:
        _check_sqlite_backup(source)
        _move_damaged_aside(Path(str(where.database)))
    if not replace and database.database_exists():
        raise InvalidInputError(
            f"there is a database in {database.describe_url(where)}",
            "say --replace if it may be lost",
        )
    database.close_connections()
    if is_sqlite:
        _overwrite_sqlite(source, Path(str(where.database)))
    else:
        _run_postgresql_program(
            where, "pg_restore", "--clean", "--if-exists", "--single-transaction", source
        )


def add_reader(name: str, password: SecretStr) -> None:
    """Make a role of PostgreSQL that may read all and change nothing, or change its password."""
    if not _ROLE_NAME.fullmatch(name):
        raise InvalidParameterError(f"role {name!r}", "lower-case letters, digits and _ alone")
    with database.write_transaction() as connection:
        if connection.dialect.name != "postgresql":
            raise InvalidParameterError(
                "SQLite has no roles", "take away the right to write the file instead"
            )
        known = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :n"), {"n": name})
        secret = password.get_secret_value()
        # A role's password can't be a bound value; format() quotes it as the server wants it
        order = connection.scalar(
            text(
                "SELECT format('%s ROLE %I LOGIN PASSWORD %L',"
                " CAST(:what AS text), CAST(:n AS text), CAST(:p AS text))"
            ),
            {"what": "ALTER" if known else "CREATE", "n": name, "p": secret},
        )
        connection.exec_driver_sql(str(order).replace("%", "%%"))
        for grant in (
            f"GRANT USAGE ON SCHEMA public TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {name}",
            f"ALTER ROLE {name} SET default_transaction_read_only = on",
        ):
            connection.exec_driver_sql(grant)


def _check_sqlite_backup(source: Path) -> None:
    """Any other SQLite file would take the place of the database without a word."""
    query = "SELECT value FROM about WHERE name = 'schema'"
    try:
        with closing(sqlite3.connect(source)) as old:
            sound = old.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            schema = old.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise InvalidInputError(f"{source} is no backup: {error}", _BACKUP_HINT) from None
    if not sound:
        raise InvalidInputError(f"{source} is damaged", "restore another backup")
    if not schema or schema[0] != str(layout.SCHEMA_VERSION):
        raise InvalidInputError(f"{source} is no backup of a database of this kpfnb", _BACKUP_HINT)


def _move_damaged_aside(target: Path) -> None:
    """Nothing can be copied into a damaged file."""
    if target.is_file() and sqlite.is_damaged(target):
        sqlite.quarantine_file(target)


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # One file, without a log beside it
        new.execute("PRAGMA journal_mode = DELETE")


def _overwrite_sqlite(source: Path, target: Path) -> None:
    """Copy into the database itself: processes that have it open see the new content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _run_postgresql_program(where: URL, program: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL; the password goes by the environment, where no list shows it."""
    found = programs.find_executable(program)
    if not found:
        raise ServiceUnavailableError(
            f"the program {program} is not installed", "install PostgreSQL's client programs"
        )
    plain = where.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": str(where.password)} if where.password else {}
    done = subprocess.run(
        [found, f"--dbname={plain}", "--no-owner", "--no-password", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | secret,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ServiceUnavailableError(f"{program}: {reason[0]}", "see the server's log")
