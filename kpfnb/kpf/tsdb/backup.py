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

from kpfnb import files, programs, sqlitefile
from kpfnb.errors import BadInput, BadParameter, ServiceUnavailable
from kpfnb.kpf.tsdb import database, layout

_SQLITE = b"SQLite format 3\0"
_OTHER_FILE = "name a file that `kpfnb tsdb backup` wrote"
_ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def back_up(target: Path) -> Path:
    """Write the whole database into one file, as it is at this moment."""
    where = database.url()
    with database.reading():
        pass  # There is one, and of this version
    with files.replacing(target) as temporary:
        if where.get_backend_name() == "sqlite":
            _copy(Path(str(where.database)), temporary)
        else:
            _call(where, "pg_dump", "--format=custom", f"--file={temporary}")
    return target


def restore(source: Path, *, replace: bool = False) -> None:
    """Make the database what it was when `source` was written.

    A damaged SQLite file is moved aside and kept.

    Parameters
    ----------
    replace : what the database holds now is lost; without it a database that is there is refused,
        of another kpfnb too

    Raises
    ------
    BadInput : `source` is no such backup, or there is a database and `replace` is not given
    """
    where = database.url()
    is_sqlite = where.get_backend_name() == "sqlite"
    try:
        with source.open("rb") as stream:
            start = stream.read(len(_SQLITE))
    except OSError as error:
        raise BadInput(f"{source}: {error.strerror}", "name a file that was backed up") from None
    if start != _SQLITE if is_sqlite else not start.startswith(b"PGDMP"):
        raise BadInput(
            f"{source} is no backup of such a database ({where.get_backend_name()})",
            _OTHER_FILE,
        )
    database.forget()
    if is_sqlite:
        _check(source)
        _clear(Path(str(where.database)))
    if not replace and database.is_there():
        raise BadInput(
            f"there is a database in {database.describe(where)}",
            "say --replace if it may be lost",
        )
    database.forget()
    if is_sqlite:
        _overwrite(source, Path(str(where.database)))
    else:
        _call(where, "pg_restore", "--clean", "--if-exists", "--single-transaction", source)


def add_reader(name: str, password: SecretStr) -> None:
    """Make a role of PostgreSQL that may read all and change nothing, or change its password."""
    if not _ROLE.fullmatch(name):
        raise BadParameter(f"role {name!r}", "lower-case letters, digits and _ alone")
    with database.writing() as connection:
        if connection.dialect.name != "postgresql":
            raise BadParameter(
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


def _check(source: Path) -> None:
    """Any other SQLite file would take the place of the database without a word."""
    query = "SELECT value FROM about WHERE name = 'schema'"
    try:
        with closing(sqlite3.connect(source)) as old:
            sound = old.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            schema = old.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{source} is no backup: {error}", _OTHER_FILE) from None
    if not sound:
        raise BadInput(f"{source} is damaged", "restore another backup")
    if not schema or schema[0] != str(layout.SCHEMA):
        raise BadInput(f"{source} is no backup of a database of this kpfnb", _OTHER_FILE)


def _clear(target: Path) -> None:
    """Nothing can be copied into a damaged file."""
    if target.is_file() and sqlitefile.is_damaged(target):
        sqlitefile.move_aside(target)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        # One file, without a log beside it
        new.execute("PRAGMA journal_mode = DELETE")


def _overwrite(source: Path, target: Path) -> None:
    """Copy into the database itself: processes that have it open see the new content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _call(where: URL, program: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL; the password goes by the environment, where no list shows it."""
    found = programs.find(program)
    if not found:
        raise ServiceUnavailable(
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
        raise ServiceUnavailable(f"{program}: {reason[0]}", "see the server's log")
